//! When somebody is busy, and nothing else.

use crate::event::{Body, Details, Event, Override, Series};

/// What stands in the place of every title.
pub const TITLE: &str = "Busy";

/// The item with its times and whether they are taken; nothing of what it is about.
pub fn only_busy(body: &Body) -> Body {
    match body {
        Body::Single(event) => Body::Single(Box::new(of_event(event))),
        Body::Series(series) => Body::Series(Box::new(Series {
            template: of_event(&series.template),
            overrides: of_overrides(&series.overrides),
            ..(**series).clone()
        })),
        Body::Overrides(overrides) => Body::Overrides(of_overrides(overrides)),
    }
}

fn of_overrides(overrides: &[Override]) -> Vec<Override> {
    overrides.iter().map(|one| Override { event: of_event(&one.event), ..one.clone() }).collect()
}

fn of_event(event: &Event) -> Event {
    let Details { event_status, show_as, .. } = event.details;
    let details = Details { title: TITLE.to_owned(), event_status, show_as, ..Details::default() };
    Event { timing: event.timing.clone(), details }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ShowAs, Timing};

    #[test]
    fn nothing_of_an_event_is_left_but_when_it_is_and_whether_that_time_is_taken() {
        let start = "2030-01-01T09:00:00Z".parse().unwrap();
        let timing =
            Timing { start, end: None, all_day: false, time_zone: Some("Europe/Berlin".into()), floating: false };
        let details = Details {
            title: "Secret".into(),
            description: Some("Secret".into()),
            location: Some("Secret".into()),
            categories: vec!["Secret".into()],
            organizer: Some("Secret".into()),
            participants: vec!["Secret".into()],
            metadata: Some(serde_json::json!({ "key": "Secret" })),
            show_as: ShowAs::OutOfOffice,
            ..Details::default()
        };
        let event = Event { timing: timing.clone(), details };
        let one = Override { recurrence_id: start, this_and_future: false, duration: None, event: event.clone() };
        let series = Series {
            template: event,
            local_start: None,
            duration: None,
            rrules: vec!["FREQ=DAILY".into()],
            exrules: vec![],
            rdates: vec![],
            rdate_ends: vec![],
            exdates: vec![],
            overrides: vec![one],
        };
        let busy = only_busy(&Body::Series(Box::new(series)));
        assert!(!serde_json::to_string(&busy).unwrap().contains("Secret"));
        let Body::Series(busy) = busy else { panic!("still a series") };
        assert_eq!(busy.template.timing, timing);
        assert_eq!((busy.template.details.title.as_str(), busy.template.details.show_as), (TITLE, ShowAs::OutOfOffice));
    }
}
