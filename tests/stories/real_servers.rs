//! Calendars of servers that others have written: pulled, changed there, pulled again.

use std::fs;
use std::path::PathBuf;

use calendar_sync_e2e::{
    Authority, Cluster, Nginx, Radicale, calendar_of, count, eventually, login, pull, subscribe, text, vevent,
    vevent_series,
};

/// A folder of this story's own, below the system's; removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("calendar_sync_{name}_{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start() -> (Cluster, postgres::Client) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    let client = cluster.create_database("crm");
    (cluster, client)
}

const EVENTS: &str = "select count(*) from calendar_events where sync_status <> 'deleted'";
/// Changes with every version of a row that is written.
const VERSIONS: &str = "select string_agg(ctid::text || xmin::text, ' ' order by event_id) from calendar_events";

#[test]
fn files_of_nginx_are_pulled_compressed_over_tls_and_not_at_all_while_they_are_the_same() {
    let folder = Folder::new("nginx");
    let authority = Authority::new();
    let Some(nginx) = Nginx::start(&folder.0, &authority) else { return };
    let (cluster, _) = start();
    let file = cluster.folder().join("authority.pem");
    fs::write(&file, authority.pem()).expect("write");
    cluster.set("calendar_sync.http_ca_file", file.to_str().expect("a path"));
    let mut client = cluster.connect("crm");

    let event = |number: i64| vevent(&number.to_string(), number, &format!("Event {number}"));
    nginx.serve("team.ics", &calendar_of((1..=40).map(event)));
    subscribe(&mut client, &nginx.url("team.ics"), "team");
    subscribe(&mut client, &nginx.plain_url("team.ics"), "redirected");
    for name in ["team", "redirected"] {
        let first = pull(&mut client, name);
        assert_eq!((first.error.as_str(), first.counts[0]), ("", 40), "{name}");
    }
    let before = text(&mut client, VERSIONS);
    for name in ["team", "redirected"] {
        assert_eq!(pull(&mut client, name).error, "", "{name}");
    }
    assert_eq!(text(&mut client, VERSIONS), before);
    // It answers first, and then writes down what.
    eventually("six answers are written down", || nginx.answers().len() >= 6);
    let answers = nginx.answers();
    let count_of = |answer: &str| answers.iter().filter(|line| *line == answer).count();
    assert_eq!(count_of("200 https /team.ics gzip"), 2, "{answers:#?}");
    assert_eq!(count_of("304 https /team.ics -"), 2, "{answers:#?}");
    assert_eq!(count_of("301 http /team.ics -"), 2, "{answers:#?}");

    nginx.serve("team.ics", &calendar_of((2..=40).map(event).chain([vevent("1", 1, "Moved to the garden")])));
    assert_eq!(pull(&mut client, "team").counts, [0, 1, 0, 39]);

    nginx.serve("private/team.ics", &calendar_of((101..=103).map(event)));
    subscribe(&mut client, &nginx.url("private/team.ics"), "private");
    assert!(pull(&mut client, "private").error.contains("wants a login"));
    let with_login = nginx.url("private/team.ics").replace("://", &format!("://{}@", login()));
    subscribe(&mut client, &with_login, "private");
    assert_eq!(pull(&mut client, "private").counts, [3, 0, 0, 0]);
    let redirected = nginx.plain_url("private/team.ics").replace("://", &format!("://{}@", login()));
    subscribe(&mut client, &redirected, "elsewhere");
    assert!(pull(&mut client, "elsewhere").error.contains("wants a login"), "a login stays with who it was given for");
}

#[test]
fn a_collection_of_radicale_is_pulled_with_a_login_and_follows_what_happens_there() {
    let folder = Folder::new("radicale");
    let radicale = Radicale::start(&folder.0);
    let (_cluster, mut client) = start();
    let single = |uid: &str, hours, title: &str| calendar_of([vevent(uid, hours, title)]);
    radicale.put("team", &calendar_of([vevent("one", 5, "One"), vevent("two", 6, "Two")]));
    subscribe(&mut client, &radicale.url("team"), "team");
    let first = pull(&mut client, "team");
    assert_eq!((first.error.as_str(), first.counts), ("", [2, 0, 0, 0]));
    let before = text(&mut client, VERSIONS);
    assert_eq!(pull(&mut client, "team").error, "");
    assert_eq!(text(&mut client, VERSIONS), before);

    radicale.put("team/three.ics", &single("three", 7, "Three"));
    radicale.put("team/daily.ics", &calendar_of([vevent_series("daily", 8, "FREQ=DAILY;COUNT=5", "Daily")]));
    assert_eq!(pull(&mut client, "team").counts, [2, 0, 0, 2]);
    assert_eq!(count(&mut client, EVENTS), 3 + 5);
    radicale.put("team/three.ics", &single("three", 9, "Three moved"));
    radicale.delete("team/daily.ics");
    assert_eq!(pull(&mut client, "team").counts, [0, 1, 1, 2]);
    assert_eq!(count(&mut client, EVENTS), 3);
    let titles = "select string_agg(title, '; ' order by title) from calendar_events where sync_status <> 'deleted'";
    assert_eq!(text(&mut client, titles), "One; Three moved; Two");

    let wrong = radicale.url("team").replace(login(), "ada:wrong");
    subscribe(&mut client, &wrong, "team");
    assert!(pull(&mut client, "team").error.contains("wants a login"));
    assert_eq!(count(&mut client, EVENTS), 3, "what is here stays");
    subscribe(&mut client, &radicale.url("team"), "team");
    assert_eq!(pull(&mut client, "team").counts, [0, 0, 0, 3]);
}
