//! Series, and occurrences that come by themselves.

#[pgrx::pg_schema]
mod tests {
    use super::super::*;

    /// Hardest point 3.
    #[pg_test]
    fn exceptions_of_a_series_are_found_by_their_original_start_whatever_comes_first() {
        connect("last_write");
        let named = |day: i64, etag: &str| Instance {
            recurrence_id: at(day * 24),
            external_id: format!("s_{day}"),
            etag: Some(etag.into()),
        };
        let exceptions = |etag: &str, days: &[i64], change: fn(&mut Event)| {
            let overrides = days.iter().map(|day| own(*day, change)).collect();
            remote("s", "0", Body::Overrides(overrides), days.iter().map(|day| named(*day, etag)).collect())
        };
        let instances = || {
            texts(
                "select title || ' ' || event_status from calendar_events
                   where series_id is not null and sync_status <> 'deleted' order by recurrence_id",
            )
        };
        // Before its series.
        assert_eq!(pull(vec![exceptions("1", &[1], |_| {})]).created, 1);
        assert_eq!(titles(), ["exception"]);
        pull(vec![remote("s", "1", weekly("daily", vec![own(1, |_| {})]), vec![named(1, "1")])]);
        let scheduled = |titles: [&str; 5]| titles.map(|title| format!("{title} scheduled"));
        assert_eq!(instances(), scheduled(["daily", "exception", "daily", "daily", "daily"]));
        // One that is edited, one that is called off; then one that is deleted by its own identifier.
        let edited = exceptions("2", &[1], |event| event.details.title = "edited".into());
        assert_eq!(counts(&pull(vec![edited])), [0, 1, 0, 0, 0]);
        pull(vec![exceptions("1", &[3], |event| {
            event.details.title = String::new();
            event.details.event_status = EventStatus::Cancelled;
        })]);
        let mut expected = scheduled(["daily", "edited", "daily", "daily", "daily"]);
        expected[3] = "daily cancelled".into();
        assert_eq!(instances(), expected);
        gone(&["s_1"]);
        assert_eq!(instances().len(), 4);
        assert_eq!(waiting(), Vec::<String>::new());
        // Only its rule is said anew: what is known of its occurrences stays.
        let partial = Changes { partial_series: true, cursor: Some("next".into()), ..Changes::default() };
        pull_with(vec![remote("s", "5", weekly("renamed", vec![]), vec![])], partial, false);
        assert_eq!(text("select title || ' ' || overrides::text from calendar_series").matches("Cancelled").count(), 1);
        gone(&["s"]);
        assert_eq!(instances(), Vec::<String>::new());
    }

    #[pg_test]
    fn an_instance_edited_here_and_a_series_edited_there_are_merged() {
        connect("last_write");
        pull(vec![remote("s", "1", weekly("daily", vec![]), vec![])]);
        Spi::run(&format!("update calendar_events set title = 'ours' where recurrence_id = '{}'", at(24))).unwrap();
        let mut changed = weekly("daily", vec![]);
        let Body::Series(series) = &mut changed else { unreachable!() };
        series.template.details.location = Some("there".into());
        assert_eq!(pull(vec![remote("s", "2", changed, vec![])]).updated, 1);
        let rows =
            texts("select title || ' ' || coalesce(location, '-') from calendar_events order by recurrence_id limit 3");
        assert_eq!(rows, ["daily there", "ours there", "daily there"]);
        assert_eq!(text("select sync_status from calendar_event_links where series_id is not null"), "pending");
    }
}
