//! Whole pulls of an account's calendar against the tables, without a network: what is taken, what is kept, what is sent.

use std::time::Duration;

use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Details, Event, EventStatus, Item, Override, Series, ShowAs, Timing};
use calendar_sync_core::providers::BadItem;
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::prelude::*;
use uuid::Uuid;

use super::reconcile;
use crate::providers::account::{Changes, Instance, Read, Remote};
use crate::store::links::{self, Agreed, Base, ItemId};
use crate::store::{as_owner, connections, installation_row, items};
use crate::sync::pull::Counts;

const CONNECTION: Uuid = Uuid::from_u128(7);

/// So that no clock has a say in what is upcoming.
fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(Utc::now().timestamp() / 86_400 * 86_400, 0).unwrap() + TimeDelta::hours(48 + hours)
}

/// A calendar of an account, both ways; `policy` settles conflicts.
fn connect(policy: &str) {
    as_owner(installation_row::ensure).unwrap();
    Spi::run(&format!(
        "insert into calendar_accounts (account_id, user_id, provider) values ('{CONNECTION}', 'ada', 'google');
         insert into calendar_connections (connection_id, user_id, name, provider, account_id, external_calendar_id,
             direction, conflict_policy, cursor)
         values ('{CONNECTION}', 'ada', 'work', 'google', '{CONNECTION}', 'primary', 'both', '{policy}', 'first')"
    ))
    .unwrap();
}

fn set(what: &str) {
    Spi::run(&format!("update calendar_connections set {what} where connection_id = '{CONNECTION}'")).unwrap();
}

fn event(title: &str) -> Event {
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

fn there(id: &str, etag: &str, event: Event) -> Read {
    remote(id, etag, Body::Single(Box::new(event)), vec![])
}

fn remote(id: &str, etag: &str, body: Body, instances: Vec<Instance>) -> Read {
    let item = Item { external_id: id.into(), body };
    Ok(Remote { item, etag: Some(etag.into()), instances, mark: None })
}

fn titled(id: &str, etag: &str, title: &str) -> Read {
    there(id, etag, event(title))
}

fn weekly(title: &str, overrides: Vec<Override>) -> Body {
    Body::Series(Box::new(Series {
        template: event(title),
        local_start: None,
        duration: None,
        rrules: vec!["FREQ=DAILY;COUNT=5".into()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides,
    }))
}

fn own(day: i64, change: impl FnOnce(&mut Event)) -> Override {
    let mut event = event("exception");
    event.timing.start = at(day * 24);
    event.timing.end = Some(at(day * 24 + 1));
    change(&mut event);
    Override { recurrence_id: at(day * 24), this_and_future: false, duration: None, event }
}

fn pull_with(read: Vec<Read>, changes: Changes, force: bool) -> (Counts, Option<String>) {
    as_owner(|installation| {
        let connection = connections::take(installation, CONNECTION)?.unwrap();
        reconcile(installation, &connection, read, &changes, (Duration::ZERO, force))
    })
    .unwrap()
}

fn pull(read: Vec<Read>) -> Counts {
    pull_with(read, Changes { cursor: Some("next".into()), ..Changes::default() }, false).0
}

fn gone(ids: &[&str]) -> Counts {
    let deleted = ids.iter().map(|id| (*id).to_owned()).collect();
    pull_with(vec![], Changes { deleted, cursor: Some("next".into()), ..Changes::default() }, false).0
}

fn listing(read: Vec<Read>, force: bool) -> (Counts, Option<String>) {
    pull_with(read, Changes { complete: true, cursor: Some("next".into()), ..Changes::default() }, force)
}

/// Does what sending does: all that waits is there from now on, as `held` makes of it.
fn send(held: impl Fn(Body) -> Body) -> Vec<String> {
    let sent = texts(
        "select operation || ' ' || coalesce(e.title, s.title, '')
         from calendar_sync_queue q
         left join calendar_events e using (event_id)
         left join calendar_series s on s.series_id = q.series_id
         where status = 'pending'
         order by 1",
    );
    let ids = texts(
        "select coalesce(event_id, series_id) || case when series_id is null then 'e' else 's' end
         from calendar_sync_queue
         where status = 'pending' and operation <> 'delete'",
    );
    as_owner(|installation| {
        let wanted: Vec<ItemId> = ids
            .iter()
            .map(|id| {
                let uuid = id[..36].parse().unwrap();
                if id.ends_with('e') { ItemId::Event(uuid) } else { ItemId::Series(uuid) }
            })
            .collect();
        let links = links::by_item(installation, CONNECTION, &wanted)?;
        let agreed: Vec<Agreed> = items::find(installation, &wanted)?
            .into_iter()
            .map(|one| {
                let known = links.iter().find(|link| link.item == one.item);
                let external_id = known.and_then(|link| link.external_id.clone());
                Agreed {
                    item: one.item,
                    external_id: external_id.unwrap_or_else(|| format!("sent {}", super::id_of(one.item))),
                    etag: Some("sent".into()),
                    local_version: content::of_body(&one.body),
                    remote_version: None,
                    base: Base::new(one.body.clone(), held(one.body)),
                }
            })
            .collect();
        links::agree(installation, CONNECTION, &agreed, Utc::now())
    })
    .unwrap();
    Spi::run(
        "update calendar_event_links l set sync_status = 'deleted', deleted_at = now()
         from calendar_sync_queue q
         where q.status = 'pending' and operation = 'delete'
           and (q.event_id = l.event_id or q.series_id = l.series_id)",
    )
    .unwrap();
    Spi::run("update calendar_sync_queue set status = 'completed' where status = 'pending'").unwrap();
    sent
}

fn send_all() -> Vec<String> {
    send(|body| body)
}

/// created, updated, deleted, unchanged, conflicts
fn counts(counts: &Counts) -> [i32; 5] {
    [counts.created, counts.updated, counts.deleted, counts.unchanged, counts.conflicts]
}

fn count(query: &str) -> i64 {
    Spi::get_one(query).unwrap().unwrap()
}

fn text(query: &str) -> String {
    Spi::get_one(query).unwrap().unwrap_or_else(|| "none".to_owned())
}

fn texts(query: &str) -> Vec<String> {
    Spi::connect(|client| {
        let rows = client.select(query, None, &[]).unwrap();
        rows.map(|row| row.get::<String>(1).unwrap().unwrap_or_default()).collect()
    })
}

fn titles() -> Vec<String> {
    texts("select title from calendar_events where sync_status <> 'deleted' and series_id is null order by title")
}

fn waiting() -> Vec<String> {
    texts("select operation from calendar_sync_queue where status = 'pending' order by 1")
}

fn edit(title: &str, change: &str) {
    Spi::run(&format!("update calendar_events set {change} where title = '{title}'")).unwrap();
}

/// The version of every row: changes with every write.
fn versions() -> String {
    text(
        "select coalesce(string_agg(v, ' ' order by v), '')
         from (select 'e' || ctid::text || xmin::text || cmin::text from calendar_events
               union all
               select 'l' || ctid::text || xmin::text || cmin::text from calendar_event_links
               union all
               select 'q' || ctid::text || xmin::text || cmin::text from calendar_sync_queue
               union all
               select 's' || ctid::text || xmin::text || cmin::text from calendar_series) as r (v)",
    )
}

#[pg_schema]
mod tests {
    use super::*;

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

    fn interaction() {
        Spi::run(&format!(
            "create table interaction (
                 interaction_id uuid primary key default gen_random_uuid(), subject text, description text, location text,
                 interaction_date timestamptz, duration_minutes int, archived boolean default false, created_by text,
                 updated_by uuid, created_at timestamptz default now(), updated_at timestamptz default now(),
                 customer_id uuid, contact_id uuid
             );
             select calendar_attach('interaction');
             insert into interaction (subject, interaction_date, duration_minutes, created_by)
             values ('visit', '{}', 60, 'ada')",
            at(0)
        ))
        .unwrap();
    }

    #[pg_test]
    fn what_is_the_crms_stays_and_is_sent_back_and_the_rest_is_taken() {
        connect("remote");
        interaction();
        assert_eq!(send_all(), ["create visit"]);
        let id = text("select external_id from calendar_event_links");
        let mut changed = event("moved");
        changed.timing.start = at(5);
        changed.details.organizer = Some("bob@example.com".into());
        changed.details.categories = vec!["red".into()];
        assert_eq!(counts(&pull(vec![there(&id, "2", changed)])), [0, 1, 0, 0, 1]);
        let row = text(
            "select concat_ws(' ', title, organizer, categories::text, event_date = interaction_date)
             from calendar_events, interaction",
        );
        assert_eq!(row, "visit bob@example.com {red} t");
        assert_eq!(text("select policy || ' ' || winner from calendar_sync_conflicts"), "interaction local");
        assert_eq!(send_all(), ["update visit"]);
    }

    #[pg_test]
    fn a_visit_deleted_there_stays_and_is_not_created_again_until_the_crm_changes_it() {
        connect("last_write");
        interaction();
        send_all();
        let id = text("select external_id from calendar_event_links");
        gone(&[&id]);
        assert_eq!((titles(), waiting()), (vec!["visit".to_owned()], vec![]));
        assert_eq!(text("select sync_status from calendar_event_links"), "deleted");
        Spi::run("update interaction set subject = 'visit again'").unwrap();
        assert_eq!(waiting(), ["create"]);
    }

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
        let mut theirs = event("Lunch?");
        theirs.timing.time_zone = None;
        theirs.timing.start = at(2);
        theirs.timing.end = Some(at(3));
        assert_eq!(pull(vec![there(&id, "2", theirs)]).conflicts, 0);
        assert_eq!(titles(), ["Dentist"]);
        assert_eq!(count(&format!("select count(*) from calendar_events where event_date = '{}'", at(2))), 1);
        assert_eq!(waiting(), Vec::<String>::new());
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
}
