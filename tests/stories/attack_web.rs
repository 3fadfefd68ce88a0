//! A hostile server, and a user who has the database ask what it must not ask: whatever is answered, by whomever, ends
//! in bounded time and memory with an error that says why, and changes no event.

use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use calendar_sync_e2e::{
    Authority, Cluster, DeadEnd, FakeWeb, Fault, NameServer, ONE_EVENT, Presents, Proxy, count, eventually,
};
use postgres::Client;
use postgres::error::SqlState;

const SETTINGS: [(&str, &str); 2] = [("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")];
const EVENTS: &str = "select count(*) from calendar_events where sync_status <> 'deleted'";

fn start() -> (Cluster, Client) {
    let cluster = Cluster::start_with(&SETTINGS);
    let client = cluster.create_database("crm");
    (cluster, client)
}

fn subscribe(client: &mut Client, name: &str, url: &str) {
    client.execute("select calendar_subscribe('ada', $1, name => $2)", &[&url, &name]).expect("subscribe");
}

/// What came of one pull: '' for success, else the error.
fn sync(client: &mut Client, name: &str) -> String {
    let query = "select status, coalesce(error, '') from calendar_sync_now('ada', force => true, name => $1)";
    let row = client.query_one(query, &[&name]).expect("a row for the connection");
    let (status, error): (String, String) = (row.get(0), row.get(1));
    assert_eq!(status == "success", error.is_empty(), "{status}: {error}");
    error
}

fn set(client: &mut Client, setting: &str, value: &str) {
    client.batch_execute(&format!("set calendar_sync.{setting} = '{value}'")).expect("set");
}

/// A file that the server can read.
fn write_pem(cluster: &Cluster, pem: &str) -> String {
    let path = cluster.folder().join("authority.pem");
    std::fs::write(&path, pem).expect("write");
    path.to_str().expect("a path").to_owned()
}

#[test]
fn a_certificate_is_always_checked_against_the_platforms_roots_or_ones_own() {
    let (cluster, mut client) = start();
    let (own, other) = (Authority::new(), Authority::new());
    let serve = |authority, presents| {
        let web = FakeWeb::start_tls(authority, presents);
        web.serve("/team.ics", ONE_EVENT);
        web
    };
    let good = serve(&own, Presents::Good);
    subscribe(&mut client, "good", &good.url("/team.ics"));
    assert!(sync(&mut client, "good").contains("no trusted connection"), "the platform does not know it");
    let file = write_pem(&cluster, own.pem());
    set(&mut client, "http_ca_file", &file);
    assert_eq!(sync(&mut client, "good"), "");
    assert_eq!(count(&mut client, EVENTS), 1);

    for (name, web) in [
        ("expired", serve(&own, Presents::Expired)),
        ("for another host", serve(&own, Presents::OtherHost)),
        ("self-signed", serve(&own, Presents::SelfSigned)),
        ("of another authority", serve(&other, Presents::Good)),
    ] {
        subscribe(&mut client, name, &web.url("/team.ics"));
        let error = sync(&mut client, name);
        assert!(error.contains("no trusted connection"), "{name}: {error}");
        assert!(web.requests("/team.ics").is_empty(), "{name}: nothing is said to it");
    }
    let old = DeadEnd::of_old();
    subscribe(&mut client, "TLS 1.0", &old.url("https", "/team.ics"));
    let error = sync(&mut client, "TLS 1.0");
    assert!(error.contains("no trusted connection"), "{error}");

    // The same file with another content counts at once.
    write_pem(&cluster, other.pem());
    assert_eq!(sync(&mut client, "of another authority"), "");
    assert!(sync(&mut client, "good").contains("no trusted connection"));
    write_pem(&cluster, "no certificate");
    assert!(sync(&mut client, "good").contains("http_ca_file cannot be used: it holds no certificate"));
}

#[test]
fn without_a_setting_the_platforms_certificates_are_trusted() {
    let authority = Authority::new();
    let folder = std::env::temp_dir().join(format!("calendar_sync_roots_{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let file = folder.join("roots.pem");
    let platform = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
    std::fs::write(&file, platform + authority.pem()).expect("write");
    let mut launcher = Command::new("env");
    launcher.arg(format!("SSL_CERT_FILE={}", file.display()));
    let cluster = Cluster::start_through(launcher, &SETTINGS);
    let mut client = cluster.create_database("crm");
    let web = FakeWeb::start_tls(&authority, Presents::Good);
    web.serve("/team.ics", ONE_EVENT);
    subscribe(&mut client, "team", &web.url("/team.ics"));
    assert_eq!(sync(&mut client, "team"), "");
    std::fs::write(&file, "").expect("write");
    assert_eq!(sync(&mut client, "team"), "", "they are not read for every connection");
    let other = write_pem(&cluster, Authority::new().pem());
    set(&mut client, "http_ca_file", &other);
    assert!(sync(&mut client, "team").contains("no trusted connection"), "ones own replace them");
    std::fs::remove_dir_all(folder).expect("remove");
}

#[test]
fn what_a_hostile_server_sends_ends_at_a_limit_and_changes_no_event() {
    let (_cluster, mut client) = start();
    let web = FakeWeb::start();
    web.serve("/team.ics", ONE_EVENT);
    subscribe(&mut client, "team", &web.url("/team.ics"));
    assert_eq!(sync(&mut client, "team"), "");
    let before = "select string_agg(e::text, ' ') from calendar_events e";
    let events: String = client.query_one(before, &[]).expect("events").get(0);
    set(&mut client, "http_max_bytes", "1MB");
    let headers: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    let endless = format!("HTTP/1.1 200 OK\r\n{}", "X: y\r\n".repeat(100_000));
    let hop = |location: String| Fault::Status(302, vec![format!("Location: {location}")]);
    let far = format!("/{}", "x".repeat(9_000));
    for (fault, said) in [
        (Fault::GzipBomb(50), "larger than 1048576 bytes"),
        (Fault::Raw(format!("HTTP/1.1 200 OK\r\n{headers}\r\n").into()), "the answer"),
        (Fault::Raw(endless.into()), "the answer"),
        (Fault::Raw(b"\0\x01\x02\r\n\r\n".to_vec()), "breaks the rules of HTTP"),
        (Fault::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nBEGIN:VCALENDAR\r\n".to_vec()), "connection failed"),
        (Fault::Raw(b"HTTP/1.1 200 OK\r\n\r\nBEGIN:VCALENDAR\r\n".to_vec()), "cut off"),
        (Fault::Drip(Duration::from_millis(20)), "too slow"),
        (Fault::DripHead(Duration::from_millis(20)), "too slow"),
        (Fault::StallInHead, "too slow"),
        (Fault::Stall, "too slow"),
        (Fault::Hold, "too slow"),
        (hop("/team.ics".into()), "more than 5 redirects"),
        (hop("file:///etc/passwd".into()), "not followed"),
        (hop(far), "not followed"),
        (hop("http://[::1".into()), "not followed"),
    ] {
        web.set_fault("/team.ics", fault.clone());
        set(&mut client, "http_timeout", if said == "too slow" { "500ms" } else { "60s" });
        let error = sync(&mut client, "team");
        let fault: String = format!("{fault:?}").chars().take(60).collect();
        assert!(error.contains(said), "{fault}: {error}");
        assert!(!error.contains("team.ics") && error.len() < 300, "{fault}: {error}");
        assert_eq!(client.query_one(before, &[]).expect("events").get::<_, String>(0), events, "{fault}");
    }
    web.set_fault("/team.ics", Fault::NewUids);
    assert_eq!(sync(&mut client, "team"), "");
    assert_eq!(sync(&mut client, "team"), "");
    assert_eq!(count(&mut client, EVENTS), 1, "another UID each time is no other event");
}

#[test]
fn a_pull_is_cancelled_wherever_it_hangs_by_a_time_out_or_by_somebody_else() {
    let web = FakeWeb::start();
    let (nowhere, mute) = (DeadEnd::unreachable(), DeadEnd::mute());
    let names = NameServer::start();
    let folder = std::env::temp_dir().join(format!("calendar_sync_{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let cluster = match &names {
        Some(names) => Cluster::start_through(names.launcher(&folder), &SETTINGS),
        None => Cluster::start_with(&SETTINGS),
    };
    let mut client = cluster.create_database("crm");
    // Long enough that what is not cancelled is seen as such.
    cluster.set("calendar_sync.http_timeout", "10min");
    let mut places = vec![
        ("connecting", nowhere.url("http", "/")),
        ("TLS", mute.url("https", "/")),
        ("before the head", web.url("/stall")),
        ("amid the head", web.url("/stall_in_head")),
        ("amid a slow head", web.url("/drip_head")),
        ("amid the body", web.url("/hold")),
        ("amid a slow body", web.url("/drip")),
        ("behind redirects", web.url("/away")),
    ];
    if names.is_some() {
        places.push(("resolving a name", "http://no-answer.example/".to_owned()));
    }
    for (path, fault) in [
        ("/stall", Fault::Stall),
        ("/stall_in_head", Fault::StallInHead),
        ("/drip_head", Fault::DripHead(Duration::from_millis(100))),
        ("/hold", Fault::Hold),
        ("/drip", Fault::Drip(Duration::from_millis(100))),
        ("/away", Fault::Status(307, vec!["Location: /stall".into()])),
    ] {
        web.serve(path, ONE_EVENT.repeat(100));
        web.set_fault(path, fault);
    }
    for (name, url) in &places {
        subscribe(&mut client, name, url);
    }
    for (name, _) in &places {
        let mut session = cluster.connect("crm");
        session.batch_execute("set statement_timeout = '300ms'").expect("set");
        let pull = "select * from calendar_sync_now('ada', name => $1)";
        let error = session.query(pull, &[name]).expect_err(name);
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{name}: {error:?}");
        session.batch_execute("reset statement_timeout").expect("reset");

        let cancel = session.cancel_token();
        let own = name.to_string();
        let pulling = std::thread::spawn(move || (session.query(pull, &[&own]).map(|_| ()), session));
        let waits = "select count(*) from pg_stat_activity
                     where query = $$select * from calendar_sync_now('ada', name => $1)$$
                       and wait_event_type = 'Extension'";
        eventually("it hangs", || count(&mut client, waits) == 1);
        cancel.cancel_query(postgres::NoTls).expect("cancel");
        let (outcome, mut session) = pulling.join().expect("the session goes on");
        let error = outcome.expect_err(name);
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{name}: {error:?}");
        assert_eq!(count(&mut session, "select count(*) from calendar_connections"), places.len() as i64, "{name}");
    }
    let log = cluster.log();
    assert!(!log.contains("terminated by signal") && !log.contains("PANIC"), "what was left to itself harms nobody");
    std::fs::remove_dir_all(folder).expect("remove");
}

#[test]
fn a_name_is_as_good_as_the_address_that_is_connected_to() {
    let Some(names) = NameServer::start() else { return };
    let web = FakeWeb::start();
    web.serve("/team.ics", ONE_EVENT);
    let folder = std::env::temp_dir().join(format!("calendar_sync_names_{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let cluster = Cluster::start_through(names.launcher(&folder), &SETTINGS);
    let mut client = cluster.create_database("crm");
    let inside = Ipv4Addr::LOCALHOST;
    let outside = Ipv4Addr::new(127, 0, 0, 2);
    let port = web.address().port();
    for name in ["inside", "both", "rebinding", "metadata"] {
        subscribe(&mut client, name, &format!("http://{name}.example:{port}/team.ics"));
    }
    names.set("metadata.example", &[&[Ipv4Addr::new(169, 254, 169, 254)]]);
    names.set("inside.example", &[&[inside]]);
    set(&mut client, "http_allow_private", "off");
    assert!(sync(&mut client, "inside").contains("loopback"));
    assert!(sync(&mut client, "metadata").contains("link-local"));
    assert!(web.requests("/team.ics").is_empty());

    // One address stands for the inside: nothing listens on the other.
    set(&mut client, "http_allow_private", "on");
    set(&mut client, "http_deny_hosts", "127.0.0.1");
    names.set("both.example", &[&[inside, outside]]);
    names.set("rebinding.example", &[&[outside], &[inside]]);
    assert!(sync(&mut client, "inside").contains("http_deny_hosts"));
    assert!(sync(&mut client, "both").contains("refused"), "the other one is asked, and refuses");
    assert!(sync(&mut client, "rebinding").contains("refused"));
    assert!(sync(&mut client, "rebinding").contains("http_deny_hosts"), "its answer is another now");
    assert!(web.requests("/team.ics").is_empty());
    set(&mut client, "http_deny_hosts", "");
    assert_eq!(sync(&mut client, "inside"), "");
    std::fs::remove_dir_all(folder).expect("remove");
}

#[test]
fn a_proxy_is_asked_where_the_setting_says_so_whatever_the_environment_says() {
    let mut launcher = Command::new("env");
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        launcher.arg(format!("{name}=http://127.0.0.1:9"));
    }
    launcher.arg("NO_PROXY=*");
    let cluster = Cluster::start_through(launcher, &SETTINGS);
    let mut client = cluster.create_database("crm");
    let authority = Authority::new();
    let file = write_pem(&cluster, authority.pem());
    set(&mut client, "http_ca_file", &file);
    for (web, scheme) in [(FakeWeb::start(), "http"), (FakeWeb::start_tls(&authority, Presents::Good), "https")] {
        web.serve("/team.ics", ONE_EVENT);
        let proxy = Proxy::start(web.address());
        subscribe(&mut client, scheme, &web.url("/team.ics").replace("127.0.0.1", "localhost"));
        assert_eq!(sync(&mut client, scheme), "", "without a setting no proxy is asked");
        set(&mut client, "http_proxy", &format!("http://ada:pass@{}", proxy.address()));
        assert_eq!(sync(&mut client, scheme), "");
        let asked = proxy.requests();
        assert_eq!((asked.len(), asked[0].method.as_str()), (1, "CONNECT"));
        assert_eq!(asked[0].headers["proxy-authorization"], "Basic YWRhOnBhc3M=");
        assert_eq!(web.requests("/team.ics").len(), 2);
        assert!(!web.requests("/team.ics")[1].headers.contains_key("proxy-authorization"));

        set(&mut client, "http_allow_private", "off");
        assert!(sync(&mut client, scheme).contains("loopback"), "a name of this host is no other behind a proxy");
        assert_eq!(proxy.requests().len(), 1);
        client.batch_execute("reset calendar_sync.http_allow_private").expect("reset");
        set(&mut client, "http_proxy", "");
    }
    set(&mut client, "http_proxy", "http://ada:planted-password@127.0.0.1:9");
    let error = sync(&mut client, "http");
    assert!(!error.is_empty() && !error.contains("planted"), "{error}");
    set(&mut client, "http_proxy", "no proxy:planted-password@");
    let error = sync(&mut client, "http");
    assert!(error.contains("http_proxy") && !error.contains("planted"), "{error}");

    client.batch_execute("create role app; set role app").expect("a role");
    let shown = "select count(*) from pg_settings where name = 'calendar_sync.http_proxy'";
    assert_eq!(count(&mut client, shown), 0, "it may hold a password");
}
