//! A meeting, a weekly one, and what two sides make of them.

#![allow(dead_code, reason = "every test file uses a part of this")]

use calendar_sync_core::event::{Body, Details, Event, Override, Series, Timing};
use calendar_sync_core::merge::{Base, Merged, Rules, Side};
use chrono::{DateTime, TimeDelta, Utc};

pub fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_900_000_800, 0).unwrap() + TimeDelta::hours(hours)
}

pub fn event(title: &str) -> Event {
    Event {
        timing: Timing {
            start: at(0),
            end: Some(at(1)),
            all_day: false,
            time_zone: Some("Europe/Berlin".into()),
            floating: false,
        },
        details: Details { title: title.into(), ..Details::default() },
    }
}

pub fn single(event: Event) -> Body {
    Body::Single(Box::new(event))
}

pub fn changed(body: &Body, change: impl FnOnce(&mut Event)) -> Body {
    let mut body = body.clone();
    match &mut body {
        Body::Single(event) => change(event),
        Body::Series(series) => change(&mut series.template),
        Body::Overrides(_) => {}
    }
    body
}

pub fn changed_event(change: impl FnOnce(&mut Event)) -> Event {
    let mut event = event("weekly");
    change(&mut event);
    event
}

pub fn weekly(title: &str) -> Series {
    Series {
        template: event(title),
        local_start: None,
        duration: None,
        rrules: vec!["FREQ=WEEKLY;COUNT=9".into()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides: vec![],
    }
}

pub fn own(week: i64, change: impl FnOnce(&mut Event)) -> Override {
    let mut event = event("weekly");
    event.timing.start = at(week * 168);
    event.timing.end = Some(at(week * 168 + 1));
    change(&mut event);
    Override { recurrence_id: at(week * 168), this_and_future: false, duration: None, event }
}

pub fn series(series: Series) -> Body {
    Body::Series(Box::new(series))
}

pub fn both_had(body: &Body) -> Base {
    Base::new(body.clone(), body.clone())
}

pub fn names(merged: &Merged) -> Vec<&str> {
    merged.conflicts.iter().map(|field| field.name.as_str()).collect()
}

pub fn event_of(body: &Body) -> &Event {
    match body {
        Body::Single(event) => event,
        Body::Series(series) => &series.template,
        Body::Overrides(_) => panic!("overrides"),
    }
}

pub fn series_of(body: &Body) -> &Series {
    let Body::Series(series) = body else { panic!("{body:?} is no series") };
    series
}

pub const LOCAL_WINS: Rules = Rules { winner: Side::Local, ..Rules::MERGE };
