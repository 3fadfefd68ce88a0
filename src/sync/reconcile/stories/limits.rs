//! What a calendar cannot hold or say, what cannot be read, and what a pull costs.

#[pgrx::pg_schema]
mod tests {
    use super::super::*;

    /// Hardest point 7.
    #[pg_test]
    fn one_event_that_cannot_be_read_or_stored_does_not_stop_the_calendar() {
        connect("last_write");
        pull(vec![titled("a", "1", "one"), titled("b", "1", "two")]);
        Spi::run("alter table calendar_events add check (title <> 'poison')").unwrap();
        let unreadable = Err(BadItem { external_id: Some("b".into()), is_override: false, message: "no start".into() });
        let read = vec![titled("c", "1", "poison"), titled("a", "2", "poison"), unreadable, titled("d", "1", "four")];
        let (counted, trouble) = listing(read, false);
        assert_eq!((counts(&counted), trouble), ([1, 0, 0, 0, 0], None));
        assert_eq!(titles(), ["four", "one", "two"]);
        assert_eq!(text("select (details ->> 'bad_events') from calendar_sync_log where details ? 'bad_events'"), "3");
        assert_eq!(
            text("select sync_status || ' ' || etag from calendar_event_links where external_id = 'a'"),
            "error 1"
        );
        let in_error = || texts("select title from calendar_events where sync_status = 'error' order by title");
        assert_eq!(in_error(), ["one", "two"]);
        pull(vec![titled("a", "3", "one"), titled("b", "3", "two!")]);
        assert_eq!(in_error(), Vec::<String>::new());
        assert_eq!(
            text("select sync_status || ' ' || etag from calendar_event_links where external_id = 'a'"),
            "synced 3"
        );
    }

    /// Hardest point 14.
    #[pg_test]
    fn what_a_calendar_cannot_hold_is_neither_lost_nor_a_change() {
        connect("remote");
        Spi::run(&format!(
            "select calendar_upsert_event('ada', 'shop', 'a', jsonb_build_object('title', 'weekly', 'start', '{}',
                 'end', '{}', 'time_zone', 'Europe/Berlin', 'show_as', 'oof', 'recurrence', jsonb_build_array('RRULE:FREQ=DAILY;COUNT=5')))",
            at(0).format("%Y-%m-%dT%H:%M:%SZ"),
            at(1).format("%Y-%m-%dT%H:%M:%SZ")
        ))
        .unwrap();
        // Neither rules nor zones, and two kinds of being busy.
        let plain = |body: Body| match body {
            Body::Series(series) => {
                let mut event = series.template;
                event.timing.time_zone = None;
                event.details.show_as = ShowAs::Busy;
                Body::Single(Box::new(event))
            }
            other => other,
        };
        assert_eq!(send(plain), ["create weekly"]);
        let id = text("select external_id from calendar_event_links");
        let mut theirs = event("renamed");
        theirs.timing.time_zone = None;
        assert_eq!(counts(&pull(vec![there(&id, "2", theirs)])), [0, 1, 0, 0, 0]);
        let row = "select concat_ws(' ', title, time_zone, show_as, rrule) from calendar_series";
        assert_eq!(text(row), "renamed Europe/Berlin oof FREQ=DAILY;COUNT=5");
        assert_eq!(count("select count(*) from calendar_events where title = 'renamed'"), 5);
        assert_eq!(waiting(), Vec::<String>::new());
        // The application hands in what it knows: that is another change, on top.
        Spi::run("select calendar_upsert_event('ada', 'shop', 'a', '{\"location\": \"Room 5\"}')").unwrap();
        assert_eq!(waiting(), ["update"]);
        assert_eq!(text("select title || ' ' || location from calendar_series"), "renamed Room 5");
    }

    #[pg_test]
    fn where_only_busy_times_are_shown_a_title_given_there_is_not_taken() {
        connect("remote");
        set("visibility = 'busy'");
        Spi::run(&format!(
            "insert into calendar_events (user_id, title, event_date, event_end) values ('ada', 'Dentist', '{}', '{}')",
            at(0),
            at(1)
        ))
        .unwrap();
        send(|mut body| {
            if let Body::Single(event) = &mut body {
                event.details.title = "Busy".into();
            }
            body
        });
        let id = text("select external_id from calendar_event_links");
        Spi::run("update calendar_event_links set base = base || '{\"only_busy\": true}'").unwrap();
        let mut theirs = event("Lunch?");
        theirs.timing.time_zone = None;
        theirs.timing.start = at(2);
        theirs.timing.end = Some(at(3));
        assert_eq!(pull(vec![there(&id, "2", theirs)]).conflicts, 0);
        assert_eq!(titles(), ["Dentist"]);
        assert_eq!(count(&format!("select count(*) from calendar_events where event_date = '{}'", at(2))), 1);
        assert_eq!(waiting(), Vec::<String>::new());
    }

    /// A server's answer after a create was lost: what it made is found by its mark.
    #[pg_test]
    fn what_was_created_without_anybody_hearing_of_it_is_no_second_event() {
        connect("last_write");
        Spi::run(&format!(
            "insert into calendar_events (user_id, title, event_date, event_end) values ('ada', 'ours', '{}', '{}');
             insert into calendar_event_links (connection_id, event_id) select '{CONNECTION}', event_id from calendar_events",
            at(0),
            at(1)
        ))
        .unwrap();
        let id: Uuid = text("select event_id::text from calendar_events").parse().unwrap();
        let mut found = titled("made", "1", "ours").unwrap();
        found.mark = Some(links::mark(ItemId::Event(id), CONNECTION, 0).to_string());
        pull(vec![Ok(found)]);
        assert_eq!(titles(), ["ours"]);
        assert_eq!(text("select external_id from calendar_event_links"), "made");
        assert_ne!(waiting(), ["create"]);
    }

    #[pg_test]
    fn directions_may_change_at_any_time_and_nothing_is_there_twice() {
        connect("last_write");
        let mut state: u32 = 7;
        let mut random = move |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) % below
        };
        for step in 0..60 {
            match random(5) {
                0 => set(&format!("direction = '{}'", ["pull", "push", "both"][random(3) as usize])),
                1 => edit(&format!("t{}", random(4)), &format!("description = 'step {step}'")),
                2 => drop(send_all()),
                _ => {
                    let id = random(4);
                    let mut event = event(&format!("t{id}"));
                    event.details.location = Some(format!("step {}", random(9)));
                    pull(vec![there(&format!("r{id}"), &format!("{step}"), event)]);
                }
            }
            let twice =
                count("select count(*) from (select 1 from calendar_events group by title having count(*) > 1) t");
            assert_eq!(twice, 0, "step {step}");
        }
        assert_eq!(count("select count(*) from calendar_event_links"), count("select count(*) from calendar_events"));
    }

    #[pg_test]
    fn ten_thousand_events_of_which_one_percent_changed_cost_what_changed() {
        connect("last_write");
        let all = |changed: &dyn Fn(usize) -> bool| -> Vec<Read> {
            let one = |n: usize| {
                let id = format!("n{n:05}");
                if changed(n) { titled(&id, "2", &format!("{id}!")) } else { titled(&id, "1", &id) }
            };
            (0..10_000).map(one).collect()
        };
        assert_eq!(pull(all(&|_| false)).created, 10_000);
        Spi::run("update calendar_events set location = 'here' where title like 'n___50'").unwrap();
        let updated = |table: &str| count(&format!("select pg_stat_get_xact_tuples_updated('{table}'::regclass)"));
        let before = [updated("calendar_events"), updated("calendar_event_links")];
        let (counted, _) = listing(all(&|n| n % 100 == 7 || n % 1000 == 50), false);
        assert_eq!(counts(&counted), [0, 110, 0, 9_890, 0]);
        let after = [updated("calendar_events"), updated("calendar_event_links")];
        assert_eq!([after[0] - before[0], after[1] - before[1]], [110, 110]);
        assert_eq!(count("select count(*) from calendar_sync_queue where status = 'pending'"), 100);
        assert_eq!(count("select count(*) from calendar_events where location = 'here' and title like '%!'"), 10);
    }
}
