//! Feeds that are published over HTTP, as their readers see them: a calendar client, another calendar_sync, a standby.

use std::collections::BTreeSet;

use calendar_sync_e2e::{Cluster, FrontEnd, INSERT_INTERACTIONS, Khal, Shown, count, create_crm, eventually};
use chrono::{Days, NaiveDate};
use postgres::Client;
use postgres::error::SqlState;

/// A year and more, so that every clock change is in it, from before the oldest event on.
const DAYS_BACK: u64 = 28;
const DAYS_AHEAD: u64 = 380;

/// Ada's calendar, and the link to it.
struct Published {
    cluster: Cluster,
    client: Client,
    web: FrontEnd,
    token: String,
    today: NaiveDate,
}

fn publish() -> Published {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    create_crm(&mut client);
    let today = client.query_one("select to_char(current_date, 'YYYY-MM-DD')", &[]).expect("today");
    let today: NaiveDate = today.get::<_, &str>(0).parse().expect("a date");
    fill(&mut client, today);
    let token = create_feed(&mut client, "details");
    client.execute("update calendar_feeds set days_ahead = 400", &[]).expect("a longer window");
    let web = FrontEnd::start(cluster.config("crm"));
    Published { cluster, client, web, token, today }
}

fn create_feed(client: &mut Client, visibility: &str) -> String {
    let create = "select token from calendar_feed_create('ada@example.com', $1, $1)";
    client.query_one(create, &[&visibility]).expect("a feed").get(0)
}

/// Interactions (one cancelled, one of unknown length), an application's events, and an imported calendar of series
/// with everything that can befall an occurrence.
fn fill(client: &mut Client, today: NaiveDate) {
    client.execute(INSERT_INTERACTIONS, &[&1, &5]).expect("interactions");
    client
        .batch_execute(
            "update interaction set archived = true where subject = 'visit 3';
             update interaction set duration_minutes = null where subject = 'visit 4'",
        )
        .expect("changes of interactions");
    let day = |days| (today + Days::new(days)).format("%Y-%m-%d").to_string();
    for (id, event) in [
        (
            "signs",
            format!(
                r#"{{"title": "Grüße; from\\Köln, and all", "start": "{0}T09:00:00Z", "end": "{0}T10:30:00Z"}}"#,
                day(1)
            ),
        ),
        ("days", format!(r#"{{"title": "Two days", "start": "{}", "end": "{}"}}"#, day(2), day(4))),
        (
            "off",
            format!(
                r#"{{"title": "Off", "event_status": "cancelled", "start": "{0}T11:00:00Z", "end": "{0}T12:00:00Z"}}"#,
                day(3)
            ),
        ),
        ("gone", format!(r#"{{"title": "Gone", "start": "{0}T11:00:00Z", "end": "{0}T12:00:00Z"}}"#, day(3))),
        (
            "open",
            format!(
                r#"{{"title": "Maybe", "event_status": "tentative", "start": "{0}T23:30:00", "end": "{1}T00:30:00",
                "time_zone": "Asia/Kolkata"}}"#,
                day(5),
                day(6)
            ),
        ),
    ] {
        upsert(client, id, &event);
    }
    client.execute("select calendar_delete_event('ada@example.com', 'story', 'gone')", &[]).expect("delete");
    let import = "select count(*) from calendar_ics_import('ada@example.com', $1) where error is not null";
    let errors: i64 = client.query_one(import, &[&series(today)]).expect("import").get(0);
    assert_eq!(errors, 0);
}

fn upsert(client: &mut Client, id: &str, event: &str) {
    client
        .execute("select calendar_upsert_event('ada@example.com', 'story', $1, $2::text::jsonb)", &[&id, &event])
        .unwrap_or_else(|error| panic!("{event}: {error:?}"));
}

/// Three series over the clock changes of a year: in Berlin with an occurrence moved, one cancelled and one left out,
/// in New York on last Thursdays, and of whole days.
fn series(today: NaiveDate) -> String {
    let first = today - Days::new(20);
    let on = |weeks: u64| (first + Days::new(7 * weeks)).format("%Y%m%d").to_string();
    let moved_to = (first + Days::new(37)).format("%Y%m%d");
    let lines = format!(
        "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//story//story//EN\n\
         BEGIN:VEVENT\nUID:berlin@example.com\nDTSTART;TZID=Europe/Berlin:{0}T090000\n\
         DTEND;TZID=Europe/Berlin:{0}T094500\nRRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Berlin:{1}T090000\n\
         SUMMARY:Berlin\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:berlin@example.com\nRECURRENCE-ID;TZID=Europe/Berlin:{2}T090000\n\
         DTSTART;TZID=Europe/Berlin:{moved_to}T140000\nDTEND;TZID=Europe/Berlin:{moved_to}T150000\n\
         SUMMARY:Berlin\\, moved\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:berlin@example.com\nRECURRENCE-ID;TZID=Europe/Berlin:{3}T090000\n\
         DTSTART;TZID=Europe/Berlin:{3}T090000\nDTEND;TZID=Europe/Berlin:{3}T094500\n\
         STATUS:CANCELLED\nSUMMARY:Berlin\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:york@example.com\nDTSTART;TZID=America/New_York:20200130T170000\n\
         DTEND;TZID=America/New_York:20200130T180000\nRRULE:FREQ=MONTHLY;BYDAY=-1TH\nSUMMARY:New York\nEND:VEVENT\n\
         BEGIN:VEVENT\nUID:days@example.com\nDTSTART;VALUE=DATE:{2}\nRRULE:FREQ=MONTHLY;COUNT=3\n\
         SUMMARY:Day off\nEND:VEVENT\n\
         END:VCALENDAR\n",
        on(0),
        on(4),
        on(5),
        on(6),
    );
    lines.replace('\n', "\r\n")
}

/// The agenda as the client would show it.
fn agenda(client: &mut Client, user: &str, today: NaiveDate) -> BTreeSet<Shown> {
    let rows = client
        .query(
            "select to_char(starts_at, case when all_day then 'YYYY-MM-DD' else 'YYYY-MM-DD HH24:MI' end),
                    case
                        when all_day then to_char(coalesce(ends_at - interval '1 day', starts_at), 'YYYY-MM-DD')
                        else to_char(ends_at, 'YYYY-MM-DD HH24:MI')
                    end,
                    title,
                    case event_status when 'scheduled' then 'CONFIRMED' else upper(event_status) end
             from calendar_agenda($1, $2::text::timestamptz, $3::text::timestamptz)",
            &[&user, &from(today), &to(today)],
        )
        .expect("the agenda");
    rows.iter().map(|row| Shown { start: row.get(0), end: row.get(1), title: row.get(2), status: row.get(3) }).collect()
}

fn from(today: NaiveDate) -> String {
    (today - Days::new(DAYS_BACK)).to_string()
}

fn to(today: NaiveDate) -> String {
    (today + Days::new(DAYS_AHEAD)).to_string()
}

#[test]
fn a_real_client_that_follows_a_feed_shows_the_agenda() {
    let Published { cluster, mut client, web, token, today } = publish();
    let khal = Khal::subscribe(&web.url(&token), &cluster.folder().join("khal"));
    let follows = |client: &mut Client, what: &str| {
        khal.sync();
        let to = to(today);
        let shown: BTreeSet<Shown> =
            khal.list(&from(today), &to).into_iter().filter(|it| it.start.as_str() < to.as_str()).collect();
        let expected = agenda(client, "ada@example.com", today);
        assert_eq!(shown, expected, "{what}");
        expected
    };
    let all = follows(&mut client, "at first");
    let titles: BTreeSet<&str> = all.iter().map(|it| it.title.as_str()).collect();
    assert_eq!((titles.len(), titles.contains("Gone")), (13, false), "{titles:?}");
    assert_eq!(all.iter().filter(|it| it.status == "CANCELLED").count(), 3);
    let clocks = |title: &str| -> BTreeSet<&str> {
        all.iter().filter(|it| it.title == title).map(|it| &it.start[11..]).collect()
    };
    assert_eq!(clocks("Berlin"), BTreeSet::from(["07:00", "08:00"]));
    assert_eq!(clocks("New York"), BTreeSet::from(["21:00", "22:00"]));

    client
        .batch_execute(
            "update interaction set interaction_date = interaction_date + interval '3 hours' where subject = 'visit 1';
             update interaction set subject = 'renamed', archived = false where subject = 'visit 3';
             delete from interaction where subject = 'visit 2';
             update calendar_events set sync_status = 'deleted'
             where title = 'Berlin' and event_date::date = current_date + 1;
             update calendar_events set event_status = 'cancelled'
             where title = 'Berlin' and event_date::date = current_date + 50;",
        )
        .expect("changes");
    upsert(&mut client, "days", r#"{"recurrence": ["RRULE:FREQ=MONTHLY;COUNT=2"]}"#);
    let changed = follows(&mut client, "after changes");
    assert!(changed.intersection(&all).count() < changed.len());
    client.execute("select calendar_feed_disable(feed_id) from calendar_feeds", &[]).expect("disable");
    assert_eq!(web.answers(), [200, 200], "each time it was fetched as a whole");
}

/// What another calendar keeps of an interaction without a length is its date.
const DIFFERENCES: &str = "
    with agendas as (
        select user_id, title, all_day, location, event_status,
            case when all_day then date_trunc('day', starts_at) else starts_at end as starts_at,
            case when all_day then coalesce(ends_at, date_trunc('day', starts_at) + interval '1 day') else ends_at end
                as ends_at
        from unnest(array['ada@example.com', 'grace@example.com']) user_id
        cross join lateral calendar_agenda(user_id, now() - interval '28 days', now() + interval '380 days')
    )
    select count(*)
    from (
        select title, all_day, location, event_status, date_trunc('second', starts_at), date_trunc('second', ends_at)
        from agendas
        group by 1, 2, 3, 4, 5, 6
        having count(distinct user_id) < 2
    ) d";

#[test]
fn a_subscription_to_a_feed_of_ours_gives_the_same_agenda() {
    let Published { cluster: _cluster, mut client, web, token, .. } = publish();
    let subscribe = "select calendar_subscribe('grace@example.com', $1, name => 'Ada')";
    client.execute(subscribe, &[&web.url(&token)]).expect("subscribe");
    let pull = |client: &mut Client| -> String {
        let now = "select concat_ws(' ', status, error, fetched, created, updated, deleted, unchanged)
                   from calendar_sync_now('grace@example.com')";
        client.query_one(now, &[]).expect("pull").get(0)
    };
    assert_eq!(pull(&mut client), "success 14 12 0 0 0");
    assert_eq!(count(&mut client, DIFFERENCES), 0);
    assert!(count(&mut client, "select count(*) from calendar_events where user_id = 'grace@example.com'") > 60);

    // The same data are the same bytes: not sent again.
    client.execute("update calendar_feeds set last_read_at = now()", &[]).expect("another reader");
    pull(&mut client);
    assert_eq!(web.answers(), [200, 304]);

    client
        .batch_execute(
            "update interaction set interaction_date = interaction_date + interval '1 day' where subject = 'visit 1';
             delete from interaction where subject = 'visit 2';
             update calendar_events set sync_status = 'deleted'
             where user_id = 'ada@example.com' and title = 'Berlin' and event_date::date = current_date + 1;",
        )
        .expect("changes");
    assert_eq!(pull(&mut client), "success 13 0 2 1 9");
    assert_eq!(count(&mut client, DIFFERENCES), 0);

    client.execute("select calendar_feed_rotate(feed_id) from calendar_feeds", &[]).expect("rotate");
    assert!(pull(&mut client).starts_with("error"));
    assert_eq!(web.answers(), [200, 304, 200, 404]);
    assert_eq!(count(&mut client, DIFFERENCES), 0, "a link that opens nothing any more deletes nothing");
}

#[test]
fn an_interaction_keeps_its_uid_and_counts_its_moves() {
    let Published { cluster: _cluster, mut client, token, .. } = publish();
    let event = |client: &mut Client| -> (String, String) {
        let file: String = client.query_one("select calendar_feed($1)", &[&token]).expect("the feed").get(0);
        let export = "select calendar_ics_export('ada@example.com')";
        let exported: String = client.query_one(export, &[]).expect("the export").get(0);
        let of = |file: &str, name: &str| {
            let events = file.split("BEGIN:VEVENT").find(|event| event.contains("SUMMARY:visit 1\r\n"));
            let line = events.expect("the event").lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            line.expect("the property")
        };
        assert_eq!(of(&file, "UID:"), of(&exported, "UID:"));
        (of(&file, "UID:"), of(&file, "SEQUENCE:"))
    };
    let (uid, sequence) = event(&mut client);
    assert_eq!(sequence, "0");
    for (change, expected) in [
        ("location = 'Room 5'", "0"),
        ("interaction_date = interaction_date + interval '1 hour'", "1"),
        ("duration_minutes = 45, location = null", "2"),
        ("archived = true", "3"),
        ("archived = false", "4"),
        ("description = 'Minutes'", "4"),
    ] {
        client.batch_execute(&format!("update interaction set {change} where subject = 'visit 1'")).expect(change);
        assert_eq!(event(&mut client), (uid.clone(), expected.to_owned()), "{change}");
    }
}

#[test]
fn times_alone_show_no_text_of_any_column_or_property() {
    let Published { cluster: _cluster, mut client, today, .. } = publish();
    let planted = series(today)
        .replace("@example.com", "-planted@example.com")
        .replace("SUMMARY:", "SUMMARY:planted ")
        .replace(
            "END:VEVENT",
            "DESCRIPTION:planted\r\nLOCATION:planted\r\nCATEGORIES:planted\r\nURL:https://planted.example\r\n\
             ORGANIZER;CN=planted:mailto:planted@example.com\r\nATTENDEE;CN=planted:mailto:planted@example.com\r\n\
             COMMENT:planted\r\nCONTACT:planted\r\nATTACH:https://planted.example/file\r\nX-PLANTED:planted\r\n\
             CONFERENCE;VALUE=URI:https://planted.example/room\r\nGEO:12.345;54.321\r\nPRIORITY:1\r\n\
             CLASS:CONFIDENTIAL\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT5M\r\nDESCRIPTION:planted\r\nEND:VALARM\r\n\
             END:VEVENT",
        );
    let import = "select count(*) from calendar_ics_import('ada@example.com', $1, 'planted') where error is null";
    assert_eq!(count_with(&mut client, import, &planted), 3);
    // Whatever columns there are, or will be: all that hold free text.
    let columns = client
        .query(
            "select string_agg(
                 format(
                     '%I = %s', a.attname,
                     case a.atttypid
                         when 'text'::regtype then '''planted'''
                         when 'text[]'::regtype then '''{planted}'''
                         else '''{\"planted\": \"planted\"}'''
                     end
                 ), ', ')
             from pg_attribute a
             where a.attrelid = 'calendar_events'::regclass
               and a.atttypid in ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype)
               and a.attname not in ('user_id', 'time_zone', 'external_id', 'external_source', 'related_table', 'attendees',
                                     'ical_uid')
               and not exists (
                   select from pg_constraint c where c.conrelid = a.attrelid and a.attnum = any (c.conkey) and c.contype = 'c'
               )",
            &[],
        )
        .expect("the columns");
    let columns: String = columns[0].get(0);
    assert!(columns.contains("title") && columns.contains("categories") && columns.contains("teams_meeting_url"));
    let statement =
        format!("update calendar_events set {columns}, ical_uid = 'planted ' || event_id where series_id is null");
    client.batch_execute(&statement).unwrap_or_else(|error| panic!("{statement}: {error:?}"));

    let busy = create_feed(&mut client, "busy");
    let feed = |client: &mut Client, token: &str| -> String {
        client.query_one("select calendar_feed($1)", &[&token]).expect("the feed").get(0)
    };
    let file = feed(&mut client, &busy);
    assert!(!file.to_lowercase().contains("planted"), "{file}");
    for id in ["select event_id::text from calendar_events", "select series_id::text from calendar_series"] {
        for row in client.query(id, &[]).expect("ids") {
            assert!(!file.contains(row.get::<_, &str>(0)), "{file}");
        }
    }
    const ALLOWED: [&str; 14] = [
        "BEGIN",
        "END",
        "UID",
        "DTSTAMP",
        "SEQUENCE",
        "RECURRENCE-ID",
        "DTSTART",
        "DTEND",
        "RRULE",
        "EXDATE",
        "STATUS",
        "TRANSP",
        "SUMMARY",
        "DURATION",
    ];
    let events = file[file.find("BEGIN:VEVENT").expect("an event")..].replace("\r\n ", "");
    for line in events.lines() {
        let name = line.split([':', ';']).next().unwrap_or_default();
        assert!(ALLOWED.contains(&name), "{line}");
    }
    // The same events: as many, with as many overrides, at the same times.
    let details: String = client
        .query_one("select calendar_ics_export('ada@example.com', current_date - 30, current_date + 181)", &[])
        .expect("the export")
        .get(0);
    let times = |file: &str| -> Vec<String> {
        let unfolded = file.replace("\r\n ", "");
        let is_time =
            |line: &&str| line.starts_with("DT") || line.starts_with("RECURRENCE-ID") || line.starts_with("R");
        unfolded.lines().filter(is_time).filter(|line| !line.starts_with("REFRESH")).map(str::to_owned).collect()
    };
    assert_eq!(times(&file), times(&details));
    assert!(details.contains("planted"));
}

fn count_with(client: &mut Client, query: &str, text: &str) -> i64 {
    client.query_one(query, &[&text]).unwrap_or_else(|error| panic!("{query}: {error:?}")).get(0)
}

#[test]
fn a_standby_answers_to_the_links_of_its_primary() {
    let Published { cluster, mut client, token, .. } = publish();
    let busy = create_feed(&mut client, "busy");
    let standby = cluster.standby();
    let mut there = standby.connect("crm");
    assert_eq!(count(&mut there, "select pg_is_in_recovery()::int::bigint"), 1);
    let read = |client: &mut Client, token: &str| -> Result<String, postgres::Error> {
        Ok(client.query_one("select calendar_feed($1)", &[&token])?.get(0))
    };
    for token in [&token, &busy] {
        let expected = read(&mut client, token).expect("the primary's");
        assert_eq!(read(&mut there, token).expect("the standby's"), expected);
    }
    for query in READING {
        let of = |client: &mut Client| -> String { client.query_one(query, &[]).expect(query).get(0) };
        assert_eq!(of(&mut there), of(&mut client), "{query}");
    }
    let rotated = "select calendar_feed_rotate(feed_id) from calendar_feeds where visibility = 'busy'";
    let new: String = client.query_one(rotated, &[]).expect("rotate").get(0);
    eventually("the standby knows the new token", || read(&mut there, &new).is_ok());
    assert_eq!(read(&mut there, &busy).expect_err("the old one").code(), Some(&SqlState::UNDEFINED_OBJECT));
}

/// What else only reads, each as one text.
const READING: [&str; 7] = [
    "select string_agg(a::text, ' ') from calendar_agenda('ada@example.com', current_date - 30, current_date + 700) a",
    "select string_agg(b::text, ' ')
     from calendar_free_busy(array['ada@example.com', 'grace@example.com'], current_date, current_date + 60) b",
    "select string_agg(s::text, ' ')
     from calendar_free_slots(array['ada@example.com'], current_date, current_date + 5, '1 hour') s",
    "select count(*)::text from calendar_overlaps('ada@example.com', current_date - 30, current_date + 60)",
    "select count(*)::text from calendar_sync_status('ada@example.com')",
    "select calendar_ics_export('ada@example.com', current_date - 30, current_date + 700)",
    "select calendar_ics_export('ada@example.com', current_date - 30, current_date + 700, 'busy')",
];

#[test]
fn what_only_reads_takes_no_transaction_id() {
    let Published { cluster: _cluster, mut client, .. } = publish();
    for query in READING {
        client.batch_execute("begin").expect("begin");
        client.query(query, &[]).expect(query);
        let ids = "select count(*) from pg_current_xact_id_if_assigned() id where id is not null";
        assert_eq!(count(&mut client, ids), 0, "{query}");
        client.batch_execute("commit").expect("commit");
    }
}

#[test]
fn readers_wait_for_nobody_and_write_where_they_may() {
    let Published { cluster, mut client, token, .. } = publish();
    let read = |client: &mut Client| -> String {
        client.query_one("select calendar_feed($1)", &[&token]).expect("the feed").get(0)
    };
    let unread = "select count(*) from calendar_feeds where last_read_at is null";
    client.batch_execute("begin transaction read only").expect("begin");
    let expected = read(&mut client);
    client.batch_execute("commit; begin transaction isolation level repeatable read").expect("begin");
    assert_eq!(read(&mut client), expected);
    client.batch_execute("commit").expect("commit");
    assert_eq!(count(&mut client, unread), 1);

    // One has noted its reading and goes on; another one passes.
    client.batch_execute("begin").expect("begin");
    assert_eq!(read(&mut client), expected);
    let mut other = cluster.connect("crm");
    other.batch_execute("set lock_timeout = '1ms'").expect("set");
    assert_eq!(read(&mut other), expected);
    client.batch_execute("commit").expect("commit");
    assert_eq!(count(&mut client, unread), 0);
}

#[test]
fn a_token_is_nowhere_in_the_log_and_nowhere_in_the_database() {
    let Published { cluster, mut client, token, .. } = publish();
    client.query_one("select calendar_feed($1)", &[&token]).expect("the feed");
    client.execute("select calendar_feed_disable(feed_id) from calendar_feeds", &[]).expect("disable");
    let refused = client.query_one("select calendar_feed($1)", &[&token]).expect_err("it is off");
    assert!(!format!("{refused:?}").contains(&token), "{refused:?}");
    let log = cluster.log();
    assert!(log.contains("there is no feed under this token") && !log.contains(&token), "{log}");
    let dump = cluster.run_program("pg_dump", "crm", &[]);
    assert!(dump.contains("COPY public.calendar_feeds") && !dump.contains(&token));
}

#[test]
fn times_alone_are_exported_before_anything_is_set_up() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    client
        .batch_execute(
            "insert into calendar_events (user_id, title, event_date) values ('ada@example.com', 'By hand', now())",
        )
        .expect("an event of plain SQL");
    let busy = "select calendar_ics_export('ada@example.com', visibility => 'busy')";
    // There is no key yet, and none can be made: no word that everybody knows takes its place.
    client.batch_execute("begin transaction read only").expect("begin");
    let refused = client.query_one(busy, &[]).expect_err("no key");
    assert_eq!(refused.code(), Some(&SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE));
    client.batch_execute("rollback").expect("rollback");
    let first: String = client.query_one(busy, &[]).expect("the export").get(0);
    client.batch_execute("begin transaction read only").expect("begin");
    let second: String = client.query_one(busy, &[]).expect("the export").get(0);
    assert_eq!(first, second);
    assert!(first.contains("SUMMARY:Busy"));
}
