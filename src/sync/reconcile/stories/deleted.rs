//! What is deleted on one side, or only missing from what was listed.

#[pgrx::pg_schema]
mod tests {
    use super::super::*;

    #[pg_test]
    fn an_edit_here_beats_a_delete_there() {
        connect("remote");
        pull(vec![titled("a", "1", "one"), titled("b", "1", "two")]);
        edit("one", "title = 'edited'");
        assert_eq!(counts(&gone(&["a", "b"])), [0, 0, 1, 0, 1]);
        assert_eq!((titles(), waiting()), (vec!["edited".to_owned()], vec!["create".to_owned()]));
        assert_eq!(
            text(
                "select revision || coalesce(external_id, ' new') from calendar_event_links where sync_status = 'pending'"
            ),
            "1 new"
        );
        assert_eq!(count("select count(*) from calendar_sync_conflicts"), 1);
    }

    #[pg_test]
    fn a_version_that_came_alone_is_no_edit_that_would_beat_a_delete() {
        connect("last_write");
        pull(vec![titled("a", "1", "one")]);
        edit("one", "title = 'two'");
        let mut same = event("two");
        same.details.sequence = 1;
        pull(vec![there("a", "2", same)]);
        assert_eq!((counts(&gone(&["a"])), titles(), waiting()), ([0, 0, 1, 0, 0], vec![], vec![]));
    }

    #[pg_test]
    fn an_edit_there_beats_a_delete_here() {
        connect("local");
        pull(vec![titled("a", "1", "one"), titled("b", "1", "two"), titled("c", "1", "three")]);
        Spi::run("update calendar_events set sync_status = 'deleted' where title = 'one'").unwrap();
        Spi::run("delete from calendar_events where title <> 'one'").unwrap();
        assert_eq!(waiting(), ["delete", "delete", "delete"]);
        assert_eq!(
            pull(vec![titled("a", "2", "one!"), titled("b", "2", "two!"), titled("c", "2", "three")]).updated,
            2
        );
        // The third one has a new version, but was not edited.
        assert_eq!((titles(), waiting()), (vec!["one!".to_owned(), "two!".to_owned()], vec!["delete".to_owned()]));
        assert_eq!(count("select count(*) from calendar_event_links l join calendar_events using (event_id)"), 2);
    }

    /// Hardest point 2.
    #[pg_test]
    fn what_is_not_listed_is_deleted_only_where_it_was_asked_for_and_never_all_at_once() {
        connect("last_write");
        let past = |id: &str| {
            let mut event = event(id);
            event.timing.start = at(-99);
            event.timing.end = Some(at(-98));
            there(id, "1", event)
        };
        let later = |id: &str| {
            let mut event = event(id);
            event.timing.start = at(900);
            event.timing.end = Some(at(901));
            there(id, "1", event)
        };
        let upcoming = |from: usize| (from..30).map(|n| titled(&format!("n{n:02}"), "1", &format!("n{n:02}")));
        pull(upcoming(0).chain([past("past"), later("later")]).collect());
        let window = Some((at(-48), at(800)));
        let list = |from: usize, force| {
            let changes = Changes { complete: true, window, cursor: Some("next".into()), ..Changes::default() };
            pull_with(upcoming(from).collect(), changes, force)
        };
        let (counted, trouble) = list(2, false);
        assert_eq!((counts(&counted), trouble), ([0, 0, 2, 28, 0], None));
        set("cursor = 'before'");
        let (counted, trouble) = list(28, false);
        assert_eq!(counts(&counted), [0, 0, 0, 2, 0]);
        assert!(trouble.is_some_and(|message| message.contains("26 of 29 upcoming events")));
        assert_eq!(text("select status || ' ' || cursor from calendar_connections"), "error before");
        // The third time it is believed.
        assert!(list(28, false).1.is_some());
        assert_eq!(list(28, false).0.deleted, 26);
        assert_eq!(text("select cursor from calendar_connections"), "next");
        assert_eq!(titles(), ["later", "n28", "n29", "past"]);
        assert_eq!(text("select event_status from calendar_events where title = 'n00'"), "cancelled");
    }

    /// Hardest point 6.
    #[pg_test]
    fn a_lost_cursor_means_a_full_listing_that_local_changes_survive() {
        connect("last_write");
        pull(vec![titled("a", "1", "one"), titled("b", "1", "two")]);
        edit("one", "location = 'Room 5'");
        Spi::run(&format!(
            "insert into calendar_events (user_id, title, event_date, event_end) values ('ada', 'new', '{}', '{}')",
            at(0),
            at(1)
        ))
        .unwrap();
        let (counted, _) = listing(vec![titled("a", "1", "one"), titled("b", "2", "two!")], true);
        assert_eq!(counts(&counted), [0, 1, 0, 1, 0]);
        assert_eq!(titles(), ["new", "one", "two!"]);
        assert_eq!(waiting(), ["create", "update"]);
        assert_eq!(text("select location from calendar_events where title = 'one'"), "Room 5");
    }
}
