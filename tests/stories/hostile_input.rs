//! Calendars that were made to harm, through SQL: each ends with an answer, in memory that has a bound; what is good beside
//! it is taken; and whoever waits can cancel.

use calendar_sync_e2e::{Cluster, FakeWeb, count, eventually};
use postgres::Client;
use postgres::error::SqlState;

/// What a backend may take for any of these files, in MB; ten times what most do.
const MOST_MEMORY: u64 = 700;

const START: &str = "DTSTART;TZID=Europe/Berlin:20260101T100000\r\n";

fn event(uid: &str, lines: &str) -> String {
    format!("BEGIN:VEVENT\r\nUID:{uid}\r\n{lines}END:VEVENT\r\n")
}

fn many(number: usize, one: impl Fn(usize) -> String) -> String {
    (0..number).map(one).collect()
}

/// A time for each number, a minute after the other.
fn minute(number: usize) -> String {
    format!("202601{:02}T{:02}{:02}00Z", 1 + number / 1440, number / 60 % 24, number % 60)
}

/// Files: what stands before the good event, and what after it.
fn hostile() -> Vec<(&'static str, String, String)> {
    let after = |name, lines| (name, String::new(), lines);
    let zone = |lines: &str| format!("BEGIN:VTIMEZONE\r\nTZID:own\r\n{lines}END:VTIMEZONE\r\n");
    let part = "BEGIN:STANDARD\r\nDTSTART:19700101T000000\r\nTZOFFSETFROM:+0103\r\nTZOFFSETTO:+0207\r\n";
    let own = event("x", "DTSTART;TZID=own:20260101T100000\r\nRRULE:FREQ=DAILY\r\n");
    vec![
        after("a line of 32 MB", event("x", &format!("{START}DESCRIPTION:{}\r\n", "x".repeat(32 << 20)))),
        after("a million folds", event("x", &format!("{START}DESCRIPTION:{}\r\n", "x\r\n ".repeat(1 << 20)))),
        after("events in events", "BEGIN:VEVENT\r\n".repeat(100_000)),
        after("alarms in alarms", event("x", &format!("{START}{}", "BEGIN:VALARM\r\n".repeat(200_000)))),
        after("every second", event("x", &format!("{START}RRULE:FREQ=SECONDLY\r\n"))),
        after(
            "a long text every hour",
            event("x", &format!("{START}RRULE:FREQ=HOURLY\r\nDESCRIPTION:{}\r\n", "x".repeat(3 << 20))),
        ),
        after(
            "for ever, every hour",
            event("x", "DTSTART:00010101T000000Z\r\nRRULE:FREQ=HOURLY\r\nDURATION:P3650000D\r\n"),
        ),
        after("a period of centuries", {
            let period = "RDATE;VALUE=PERIOD:07010101T000000Z/97010101T000000Z\r\n";
            event("x", &format!("DTSTART:07010101T000000Z\r\nRRULE:FREQ=SECONDLY;INTERVAL=7200\r\n{period}"))
        }),
        after("less than nothing", event("x", &format!("{START}RRULE:FREQ=YEARLY\r\nEXRULE:FREQ=SECONDLY\r\n"))),
        after("dates that are left out", {
            let dates: Vec<String> = (0..40_000).map(minute).collect();
            event("x", &format!("{START}RRULE:FREQ=DAILY\r\nEXDATE:{}\r\n", dates.join(",")))
        }),
        after(
            "overrides for the future",
            event("x", &format!("{START}RRULE:FREQ=DAILY\r\n"))
                + &many(10_000, |n| {
                    let at = minute(n);
                    event("x", &format!("RECURRENCE-ID;RANGE=THISANDFUTURE:{at}\r\nDTSTART:{at}\r\n"))
                }),
        ),
        after("one UID for all", many(10_000, |n| event("x", &format!("DTSTART:{}\r\n", minute(n))))),
        after("control characters", event("\u{1}\u{7f}\u{fffd}", START) + &event(&"u".repeat(6_000), START)),
        after("a duration without end", event("x", &format!("{START}DURATION:P{}\r\n", "999999999W".repeat(1_000)))),
        (
            "a zone every second",
            zone(&format!("{part}RRULE:FREQ=SECONDLY\r\nEND:STANDARD\r\n").repeat(10_000)),
            own.clone(),
        ),
        ("a zone of bytes", format!("X-WR-TIMEZONE:Eu\u{20ac}ope/Berlin{}\r\n", "/x".repeat(1 << 19)), own),
        (
            "zones without number",
            many(50_000, |n| zone(&format!("{part}END:STANDARD\r\n")).replace("own", &format!("z{n}"))),
            event("x", &many(50_000, |n| format!("EXDATE;TZID=z{n}:20260101T100000\r\n"))),
        ),
    ]
}

fn calendar(before: &str, after: &str) -> String {
    let good = event("good", "DTSTART:20300101T100000Z\r\nSUMMARY:Good\r\n");
    format!("BEGIN:VCALENDAR\r\n{before}{good}{after}END:VCALENDAR\r\n")
}

fn backend(client: &mut Client) -> i32 {
    client.query_one("select pg_backend_pid()", &[]).expect("a backend").get(0)
}

/// The most memory that a process has had so far, in MB.
fn peak_memory(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the backend lives");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("VmHWM");
    line.split_whitespace().nth(1).and_then(|kilobytes| kilobytes.parse::<u64>().ok()).expect("a number") / 1024
}

#[test]
fn hostile_calendars_end_with_an_answer_and_the_good_event_in_them_is_taken() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    cluster.create_database("crm");
    for (name, before, after) in hostile() {
        let mut client = cluster.connect("crm");
        let pid = backend(&mut client);
        let import = "select uid, error from calendar_ics_import($1, $2)";
        let rows =
            client.query(import, &[&name, &calendar(&before, &after)]).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let good = rows.iter().find(|row| row.get::<_, Option<&str>>(0) == Some("good")).expect(name);
        assert_eq!(good.get::<_, Option<&str>>(1), None, "{name}");
        let peak = peak_memory(pid);
        assert!(peak < MOST_MEMORY, "{name}: {peak} MB");
        let title = "select count(*) from calendar_agenda($1, '2030-01-01', '2030-01-02') where title = 'Good'";
        assert_eq!(client.query_one(title, &[&name]).expect(name).get::<_, i64>(0), 1, "{name}");
    }
}

#[test]
fn an_import_of_many_searches_can_be_cancelled() {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = cluster.create_database("crm");
    let rule = format!("{START}RRULE:FREQ=YEARLY\r\nEXRULE:FREQ=SECONDLY\r\n");
    let file = calendar("", &many(20_000, |n| event(&format!("x{n}"), &rule)));
    let cancel = client.cancel_token();
    let mut other = cluster.connect("crm");
    let busy = "select count(*) from pg_stat_activity
                 where state = 'active' and query like 'select * from calendar_ics_import%'";
    let import = std::thread::spawn(move || {
        let error =
            client.query("select * from calendar_ics_import('ada', $1)", &[&file]).expect_err("it is cancelled");
        (error.code().cloned(), client)
    });
    eventually("the import runs", || count(&mut other, busy) == 1);
    // A cancel that comes between the statement's being parsed and its being executed is heard by nobody.
    eventually("it is cancelled", || {
        cancel.cancel_query(postgres::NoTls).expect("cancel");
        import.is_finished()
    });
    let (code, mut client) = import.join().expect("an error");
    assert_eq!(code, Some(SqlState::QUERY_CANCELED));
    assert!(backend(&mut client) > 0, "the backend lives");
    assert_eq!(count(&mut other, "select count(*) from calendar_events"), 0);
}

#[test]
fn a_hostile_feed_is_pulled_as_far_as_it_is_good() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    let mut client = cluster.create_database("crm");
    client.execute("select calendar_subscribe('ada', $1)", &[&web.url("/team.ics")]).expect("subscribe");
    for (name, before, after) in hostile() {
        web.serve("/team.ics", calendar(&before, &after));
        let synced = "select status from calendar_sync_now('ada', force => true)";
        let status: String = client.query_one(synced, &[]).expect(name).get(0);
        assert_eq!(status, "success", "{name}");
        let good = "select count(*) from calendar_events where ical_uid = 'good' and sync_status = 'synced'";
        assert_eq!(count(&mut client, good), 1, "{name}");
    }
}

#[test]
fn bytes_that_are_no_text_are_read_as_far_as_they_can_be_and_the_worst_is_refused() {
    let web = FakeWeb::start();
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    let mut client = cluster.create_database("crm");
    client.execute("select calendar_subscribe('ada', $1)", &[&web.url("/team.ics")]).expect("subscribe");
    let mut synced = |body: Vec<u8>| -> (String, String) {
        web.serve("/team.ics", body);
        let synced = "select status, coalesce(error, '') from calendar_sync_now('ada', force => true)";
        let row = client.query_one(synced, &[]).expect("the session lives");
        let good = "select count(*) from calendar_events where ical_uid = 'good' and sync_status = 'synced'";
        assert_eq!(count(&mut client, good), 1, "what was taken stays");
        (row.get(0), row.get(1))
    };
    let with = |bytes: &[u8]| {
        let [before, after] = ["DTSTART:20300101T110000Z\r\nSUMMARY:", "\r\n"];
        let file = calendar("", &event("bad", &format!("{before}@@@{after}")));
        let (head, tail) = file.split_once("@@@").expect("the place");
        [head.as_bytes(), bytes, tail.as_bytes()].concat()
    };
    for (name, bytes) in [
        ("nothing strange", b"x".to_vec()),
        ("NUL bytes", b"a\0b\0\0c".to_vec()),
        ("bytes of no encoding", vec![0x80, 0xff, 0xfe, 0xc3, 0x28, 0xf0, 0x9f]),
        ("half of a surrogate", vec![0xed, 0xa0, 0x80]),
        ("an overlong slash", vec![0xc0, 0xaf]),
        ("every byte but line ends", (0..=255).filter(|byte| !b"\r\n".contains(byte)).collect()),
        ("a line of 32 MB of NUL bytes", vec![0; 32 << 20]),
    ] {
        assert_eq!(synced(with(&bytes)).0, "success", "{name}");
    }
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let file = calendar("", "");
    for (name, bytes) in [
        ("a line of 65 MB", with(&vec![b'x'; 65 << 20])),
        ("half of UTF-16", [&[0xff, 0xfe], &utf_16(&file)[..101]].concat()),
        ("NUL bytes alone", vec![0; 1 << 20]),
        ("a file that is compressed twice", vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0]),
    ] {
        let (status, error) = synced(bytes);
        assert_eq!(status, "error", "{name}");
        assert!(!error.is_empty() && error.len() < 300, "{name}: {error}");
    }
}
