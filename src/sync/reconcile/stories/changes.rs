//! What has changed there, here, or on both sides, and who wins.

#[pgrx::pg_schema]
mod tests {
    use super::super::*;

    /// Hardest point 1.
    #[pg_test]
    fn what_was_seen_or_sent_before_comes_back_and_nothing_is_written() {
        connect("last_write");
        Spi::run(&format!(
            "insert into calendar_events (user_id, title, event_date, event_end) values ('ada', 'ours', '{}', '{}')",
            at(0),
            at(1)
        ))
        .unwrap();
        assert_eq!(send_all(), ["create ours"]);
        assert_eq!(counts(&pull(vec![titled("a", "1", "one")])), [1, 0, 0, 0, 0]);
        assert_eq!(waiting(), Vec::<String>::new());
        let id = text("select external_id from calendar_event_links where external_id like 'sent%'");
        let before = versions();
        let mut ours = event("ours");
        ours.timing.time_zone = None;
        assert_eq!(counts(&pull(vec![there(&id, "sent", ours.clone()), titled("a", "1", "one")])), [0, 0, 0, 2, 0]);
        assert_eq!(versions(), before);
        assert_eq!(count("select count(*) from calendar_sync_log where action = 'pull'"), 1);
        // Another version with the same content: nothing but that is noted.
        ours.details.sequence = 3;
        assert_eq!(counts(&pull(vec![there(&id, "other", ours)])), [0, 0, 0, 1, 0]);
        assert_eq!(text("select etag from calendar_event_links where external_id like 'sent%'"), "other");
        assert_eq!(waiting(), Vec::<String>::new());
        assert_eq!(titles(), ["one", "ours"]);
    }

    #[pg_test]
    fn changes_of_different_fields_on_both_sides_are_merged_and_ours_is_still_sent() {
        connect("last_write");
        pull(vec![titled("a", "1", "one")]);
        edit("one", "location = 'Room 5'");
        assert_eq!(waiting(), ["update"]);
        assert_eq!(counts(&pull(vec![titled("a", "2", "two")])), [0, 1, 0, 0, 0]);
        assert_eq!(text("select title || ' ' || location from calendar_events"), "two Room 5");
        assert_eq!(waiting(), ["update"]);
        assert_eq!(text("select sync_status from calendar_event_links"), "pending");
        assert_eq!(send_all(), ["update two"]);
        assert_eq!(counts(&pull(vec![titled("a", "3", "three")])), [0, 1, 0, 0, 0]);
        assert_eq!(waiting(), Vec::<String>::new());
    }

    #[pg_test]
    fn the_same_edit_on_both_sides_is_no_conflict_and_nothing_is_left_to_send() {
        connect("manual");
        pull(vec![titled("a", "1", "one")]);
        edit("one", "title = 'two'");
        assert_eq!(counts(&pull(vec![titled("a", "2", "two")])), [0, 0, 0, 1, 0]);
        assert_eq!((waiting(), titles()), (vec![], vec!["two".to_owned()]));
    }

    /// Hardest point 12.
    #[pg_test]
    fn clocks_decide_who_wins_a_conflict_and_never_who_has_changed() {
        connect("last_write");
        let dated = |id: &str, etag: &str, title: &str, hours: i64| {
            let mut event = event(title);
            event.details.last_updated = Some(Utc::now() + TimeDelta::hours(hours));
            there(id, etag, event)
        };
        pull(vec![dated("a", "1", "one", -1)]);
        // Its clock has gone back: changed all the same.
        assert_eq!(counts(&pull(vec![dated("a", "2", "two", -99)])), [0, 1, 0, 0, 0]);
        edit("two", "title = 'ours'");
        assert_eq!(counts(&pull(vec![dated("a", "3", "theirs", -1)])), [0, 0, 0, 0, 1]);
        assert_eq!((titles(), waiting()), (vec!["ours".to_owned()], vec!["update".to_owned()]));
        send_all();
        edit("ours", "title = 'ours again'");
        assert_eq!(counts(&pull(vec![dated("a", "4", "theirs again", 1)])), [0, 1, 0, 0, 1]);
        assert_eq!((titles(), waiting()), (vec!["theirs again".to_owned()], vec![]));
        // The loser is kept whole, and it is logged.
        let lost = text(
            "select concat_ws(' ', policy, winner, fields::text, local_version #>> '{Single,details,title}',
                 remote_version #>> '{Single,details,title}', resolved)
             from calendar_sync_conflicts",
        );
        assert_eq!(lost, "last_write remote {title} ours again theirs again t");
        assert_eq!(count("select count(*) from calendar_sync_log where action = 'conflict'"), 2);
    }

    /// Hardest point 10.
    #[pg_test]
    fn a_calendar_may_prefer_either_side() {
        connect("local");
        pull(vec![titled("a", "1", "one")]);
        edit("one", "title = 'ours'");
        assert_eq!(pull(vec![titled("a", "2", "theirs")]).conflicts, 1);
        assert_eq!((titles(), waiting()), (vec!["ours".to_owned()], vec!["update".to_owned()]));
        assert_eq!(text("select etag from calendar_event_links"), "2");
        set("conflict_policy = 'remote'");
        assert_eq!(pull(vec![titled("a", "3", "theirs again")]).conflicts, 1);
        assert_eq!((titles(), waiting()), (vec!["theirs again".to_owned()], vec![]));
    }

    #[pg_test]
    fn a_conflict_that_waits_for_a_decision_overwrites_nothing() {
        connect("manual");
        pull(vec![titled("a", "1", "one")]);
        edit("one", "title = 'ours', location = 'here'");
        let theirs = |etag: &str, title: &str| {
            let mut event = event(title);
            event.details.description = Some("there".into());
            event.details.location = (etag == "4").then(|| "here".into());
            there("a", etag, event)
        };
        assert_eq!(counts(&pull(vec![theirs("2", "theirs")])), [0, 0, 0, 0, 1]);
        assert_eq!((titles(), waiting()), (vec!["ours".to_owned()], vec![]));
        assert_eq!(text("select description from calendar_events"), "none");
        assert_eq!(pull(vec![theirs("3", "theirs again")]).conflicts, 1);
        assert_eq!(
            text("select remote_version #>> '{Single,details,title}' from calendar_sync_conflicts"),
            "theirs again"
        );
        let resolve = |keep: &str| {
            Spi::run(&format!(
                "select calendar_conflict_resolve(event_id, connection_id, '{keep}') from calendar_sync_conflicts"
            ))
        };
        resolve("local").unwrap();
        let now = || text("select concat_ws(' ', title, location, description) from calendar_events");
        assert_eq!((now(), waiting()), ("ours here there".to_owned(), vec!["update".to_owned()]));
        assert_eq!(send_all(), ["update ours"]);
        edit("ours", "title = 'ours again'");
        pull(vec![theirs("4", "the end")]);
        resolve("remote").unwrap();
        assert_eq!((now(), waiting()), ("the end here there".to_owned(), vec![]));
        assert_eq!(text("select resolved || ' ' || winner from calendar_sync_conflicts"), "true remote");
    }

    #[pg_test(error = "event 00000000-0000-0000-0000-000000000001 is not in the calendar of this connection")]
    fn what_is_in_no_conflict_is_not_decided() {
        connect("manual");
        Spi::run(&format!(
            "select calendar_conflict_resolve('00000000-0000-0000-0000-000000000001', '{CONNECTION}', 'local')"
        ))
        .unwrap();
    }
}
