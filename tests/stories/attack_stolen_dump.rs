//! A dump, a replica or a backup in the wrong hands holds no secret: the key stands elsewhere, can be replaced, and is
//! refused where others can read it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use calendar_sync_e2e::{Cluster, FakeLogin, FakeWeb, Fault, LOGIN_CLIENT, ONE_EVENT, REDIRECT_URI, count, eventually};
use postgres::Client;
use postgres::error::DbError;
use uuid::Uuid;

/// 32 bytes in base64.
const NEW_KEY: &str = "bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmV3bmU=";

fn start() -> (Cluster, Client, FakeWeb) {
    let cluster = Cluster::start_with(&[("calendar_sync.worker", "off"), ("calendar_sync.manual_sync_limit", "1000")]);
    let client = cluster.create_database("crm");
    let web = FakeWeb::start();
    web.serve("/team.ics", ONE_EVENT);
    (cluster, client, web)
}

fn subscribe(client: &mut Client, user_id: &str, url: &str) {
    client.execute("select calendar_subscribe($1, $2)", &[&user_id, &url]).expect("subscribe");
}

/// Status and error of one pull of the user's only connection.
fn sync(client: &mut Client, user_id: &str) -> (String, String) {
    let query = "select status, coalesce(error, '') from calendar_sync_now($1, force => true)";
    let row = client.query_one(query, &[&user_id]).expect("a row for the connection");
    (row.get(0), row.get(1))
}

/// A flow's run may go on, without `force`.
fn sync_flow(client: &mut Client) {
    client.query("select * from calendar_sync_now('flo')", &[]).expect("sync");
}

fn rotate(client: &mut Client) -> i64 {
    client.query_one("select calendar_rotate_key()", &[]).expect("rotate").get(0)
}

fn refused(client: &mut Client, query: &str) -> DbError {
    client.query(query, &[]).expect_err(query).as_db_error().expect("the server's error").clone()
}

/// Everything that is stored of URLs; other columns may change.
fn sealed(client: &mut Client) -> Vec<(Vec<u8>, Vec<u8>)> {
    let rows = client.query("select url, url_hash from calendar_connections order by user_id", &[]).expect("urls");
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The file that the server reads its keys from.
fn key_file(cluster: &Cluster) -> PathBuf {
    cluster.folder().join("key")
}

/// Puts a file there that belongs to the server's user.
fn put(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    let _ = fs::remove_file(path);
    fs::write(path, content).expect("write");
    hand_over(path, mode);
}

fn hand_over(path: &Path, mode: u32) {
    let owner = fs::metadata(path.parent().expect("a folder")).expect("the folder").uid();
    chown(path, Some(owner), None).expect("chown");
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn after_a_rotation_the_old_key_is_no_longer_needed_and_urls_are_found_as_before() {
    let (cluster, mut client, web) = start();
    for user_id in ["ada", "bob", "eve"] {
        subscribe(&mut client, user_id, &web.url("/team.ics"));
    }
    // A flow that is still running: where its answer will be is a secret, too.
    let pending = Fault::Status(202, vec!["Location: /run?sig=1".into(), "Retry-After: 7200".into()]);
    web.set_fault("/flow", pending);
    web.serve("/run", "[]");
    client.execute("select calendar_subscribe('flo', $1, 'powerautomate')", &[&web.url("/flow")]).expect("subscribe");
    sync_flow(&mut client);
    let before = sealed(&mut client);
    let key = key_file(&cluster);
    let old = fs::read_to_string(&key).expect("the key");
    put(&key, format!("# of this year\r\n{NEW_KEY}\r\n\r\n# of last year\n{old}"), 0o600);
    assert_eq!(rotate(&mut client), 4 + 1);
    assert_eq!(rotate(&mut client), 4 + 1, "again is no harm");
    let after = sealed(&mut client);
    for (one, other) in before.iter().zip(&after) {
        assert_ne!(one.0, other.0, "another ciphertext");
        assert_eq!(one.1, other.1, "the same hash");
    }
    put(&key, NEW_KEY, 0o400);
    for user_id in ["ada", "bob", "eve"] {
        assert_eq!(sync(&mut client, user_id), ("success".into(), String::new()));
    }
    assert!(web.requests("/run").is_empty());
    sync_flow(&mut client);
    assert_eq!((web.requests("/flow").len(), web.requests("/run").len()), (1, 1), "it is asked for where it will be");
    subscribe(&mut client, "ada", &web.url("/team.ics"));
    assert_eq!(count(&mut client, "select count(*) from calendar_connections"), 4, "found by its hash");

    put(&key, old, 0o600);
    assert!(sync(&mut client, "ada").1.contains("sealed with a key that the key file does not hold"));
}

#[test]
fn after_a_rotation_logins_go_on_and_a_dump_holds_nothing_of_them() {
    let (cluster, mut client, _web) = start();
    let login = FakeLogin::start();
    let register = "select calendar_oauth_register('microsoft', $1, $2, $3)";
    client.execute(register, &[&LOGIN_CLIENT.0, &LOGIN_CLIENT.1, &login.options()]).expect("register");
    let (access, refresh) = login.grant("ada@contoso.com");
    let add = "select calendar_account_add('ada', 'microsoft', $1, $2, now(), 'ada@contoso.com')";
    let account: Uuid = client.query_one(add, &[&access, &refresh]).expect("add").get(0);
    let begin = "select calendar_oauth_begin('ada', 'microsoft', $1)";
    let address: String = client.query_one(begin, &[&REDIRECT_URI]).expect("begin").get(0);
    let (state, code) = login.consent(&address, "ada@contoso.com");

    let key = key_file(&cluster);
    let old = fs::read_to_string(&key).expect("the key");
    put(&key, format!("{NEW_KEY}\n{old}"), 0o600);
    assert_eq!(rotate(&mut client), 4, "the application's secret, two tokens, the proof of a login under way");
    put(&key, NEW_KEY, 0o600);
    let calendars = "select calendar_account_calendars($1)";
    assert_eq!(client.query(calendars, &[&account]).expect("renewed with what was sealed anew").len(), 3);
    let finish = "select calendar_oauth_finish($1, $2, 'ada')";
    assert_eq!(client.query_one(finish, &[&state, &code]).expect("finish").get::<_, Uuid>(0), account);
    let dump = cluster.run_program("pg_dump", "crm", &[]);
    let of_the_stories = dump.lines().filter(|line| line.contains("-of-the-stories")).collect::<Vec<_>>();
    assert_eq!(of_the_stories.len(), 1, "the client's id alone: {of_the_stories:?}");
    assert!(!dump.contains("COPY public.calendar_oauth_states"));

    put(&key, old, 0o600);
    assert_eq!(
        refused(&mut client, "select calendar_account_calendars(account_id) from calendar_accounts").code().code(),
        "55000"
    );
}

#[test]
fn a_rotation_is_all_or_nothing_and_names_what_does_not_open() {
    let (cluster, mut client, web) = start();
    for user_id in ["ada", "bob", "eve"] {
        subscribe(&mut client, user_id, &web.url("/team.ics"));
    }
    // Bob's secret stands in Eve's row, too.
    client
        .batch_execute("update calendar_connections set url = (select url from calendar_connections where user_id = 'bob') where user_id = 'eve'")
        .expect("copy");
    assert!(sync(&mut client, "eve").1.contains("was copied from another row"));
    let key = key_file(&cluster);
    let old = fs::read_to_string(&key).expect("the key");
    put(&key, format!("{NEW_KEY}\n{old}"), 0o600);
    let before = sealed(&mut client);
    let error = refused(&mut client, "select calendar_rotate_key()");
    assert_eq!(error.code().code(), "55000");
    assert_eq!(error.message(), "nothing was encrypted anew: 1 of the stored secrets cannot be opened");
    let eve: String = client
        .query_one("select connection_id::text from calendar_connections where user_id = 'eve'", &[])
        .expect("eve's")
        .get(0);
    assert!(error.detail().is_some_and(|detail| detail.contains(&eve)), "{error:?}");
    assert_eq!(sealed(&mut client), before);

    subscribe(&mut client, "eve", &web.url("/team.ics"));
    assert_eq!(rotate(&mut client), 3);
    put(&key, NEW_KEY, 0o600);
    assert_eq!(sync(&mut client, "eve").0, "success");
}

#[test]
fn a_rotation_waits_for_who_stores_a_secret_or_pulls_and_loses_nothing() {
    let (cluster, mut client, web) = start();
    subscribe(&mut client, "ada", &web.url("/team.ics"));
    let key = key_file(&cluster);
    let old = fs::read_to_string(&key).expect("the key");
    for amid in ["select calendar_subscribe('bob', $1)", "select calendar_sync_now('ada'), $1::text"] {
        let mut other = cluster.connect("crm");
        other.batch_execute("begin").expect("begin");
        other.query(amid, &[&web.url("/team.ics")]).expect(amid);
        put(&key, format!("{NEW_KEY}\n{old}"), 0o600);
        let mut rotating = cluster.connect("crm");
        let rotation = std::thread::spawn(move || rotate(&mut rotating));
        let waits = "select count(*) from pg_stat_activity
                     where query = 'select calendar_rotate_key()' and wait_event_type = 'Extension'";
        eventually("it waits", || count(&mut client, waits) == 1);
        assert!(!rotation.is_finished());
        other.batch_execute("commit").expect("commit");
        assert_eq!(rotation.join().expect("it rotates"), 2);
        put(&key, NEW_KEY, 0o600);
        for user_id in ["ada", "bob"] {
            assert_eq!(sync(&mut client, user_id), ("success".into(), String::new()), "{amid}");
        }
        put(&key, format!("{old}\n{NEW_KEY}"), 0o600);
        assert_eq!(rotate(&mut client), 2);
        put(&key, &old, 0o600);
    }
}

#[test]
fn the_worker_goes_by_the_key_file_as_it_is_now() {
    let cluster = Cluster::start();
    let mut client = cluster.create_database("crm");
    let web = FakeWeb::start();
    web.serve("/team.ics", ONE_EVENT);
    subscribe(&mut client, "ada", &web.url("/team.ics"));
    let synced = "select count(*) from calendar_connections where last_synced_at is not null and last_error is null";
    eventually("it is pulled", || count(&mut client, synced) == 1);
    let key = key_file(&cluster);
    let old = fs::read_to_string(&key).expect("the key");
    let mut asked_with = |key_text: &str, outcome: &str| {
        put(&key, key_text, 0o600);
        client
            .execute("update calendar_connections set last_synced_at = null, last_error = null", &[])
            .expect("update");
        client.execute("select calendar_sync_request()", &[]).expect("request");
        eventually(outcome, || count(&mut client, outcome) == 1);
    };
    let lost = "select count(*) from calendar_connections where last_error like '%sealed with a key that%'";
    asked_with(NEW_KEY, lost);
    asked_with(&format!("{NEW_KEY}\n{old}"), synced);
    asked_with("", "select count(*) from calendar_connections where last_error like '%holds no key%'");
    asked_with(&old, synced);
}

/// A transaction that holds one calendar and wants another: were that one kept by the rotation meanwhile, each would wait for
/// the other.
#[test]
fn a_rotation_does_not_stand_in_the_way_of_whom_it_waits_for() {
    let (cluster, mut client, web) = start();
    subscribe(&mut client, "ada", &web.url("/team.ics"));
    subscribe(&mut client, "bob", &web.url("/team.ics"));
    let mut other = cluster.connect("crm");
    other.batch_execute("begin; select calendar_pause(connection_id) from calendar_sync_status('ada')").expect("pause");
    let mut rotating = cluster.connect("crm");
    let rotation = std::thread::spawn(move || rotate(&mut rotating));
    let waits = "select count(*) from pg_stat_activity
                 where query = 'select calendar_rotate_key()' and wait_event_type = 'Extension'";
    eventually("it waits", || count(&mut client, waits) == 1);
    other.execute("select calendar_pause(connection_id) from calendar_sync_status('bob')", &[]).expect("pause");
    other.execute("select calendar_subscribe('eve', $1)", &[&web.url("/team.ics")]).expect("subscribe");
    assert!(!rotation.is_finished());
    other.batch_execute("commit").expect("commit");
    assert_eq!(rotation.join().expect("it rotates"), 3);
}

#[test]
fn only_administrators_rotate_keys() {
    let (_cluster, mut client, _web) = start();
    client.batch_execute("create role app; set role app").expect("a role");
    assert_eq!(refused(&mut client, "select calendar_rotate_key()").code().code(), "42501");
    client
        .batch_execute("reset role; grant execute on function calendar_rotate_key() to app; set role app")
        .expect("grant");
    assert_eq!(refused(&mut client, "select calendar_rotate_key()").code().code(), "42501");
}

#[test]
fn a_key_file_that_is_not_as_it_must_be_is_refused_and_nothing_is_stored_in_plain() {
    let (cluster, mut client, web) = start();
    subscribe(&mut client, "ada", &web.url("/team.ics"));
    let key = key_file(&cluster);
    let good = fs::read_to_string(&key).expect("the key");
    let junk = "planted-junk-that-is-no-key";
    let folder = cluster.folder();
    let fifo = || {
        let _ = fs::remove_file(&key);
        assert!(Command::new("mkfifo").arg(&key).status().expect("mkfifo").success());
        hand_over(&key, 0o600);
    };
    type Fault<'a> = (&'a str, Box<dyn Fn() + 'a>);
    let faults: Vec<Fault> = vec![
        ("can be read by its group or by everybody (mode 0644)", Box::new(|| put(&key, &good, 0o644))),
        ("can be read by its group or by everybody (mode 0640)", Box::new(|| put(&key, &good, 0o640))),
        ("holds no key", Box::new(|| put(&key, "", 0o600))),
        ("holds no key", Box::new(|| put(&key, "# later\n", 0o600))),
        ("line 2 of the key file is not a key", Box::new(|| put(&key, format!("{good}{junk}"), 0o600))),
        ("line 1 of the key file is not a key", Box::new(|| put(&key, &good[..20], 0o600))),
        ("cannot be read", Box::new(|| put(&key, [0xff, 0xfe, 0x00], 0o600))),
        ("not a plain file", Box::new(|| put(&key, "x".repeat(100_000), 0o600))),
        ("not a plain file", Box::new(fifo)),
        ("cannot be read", Box::new(|| fs::remove_file(&key).expect("remove"))),
    ];
    for (said, fault) in &faults {
        fault();
        let error = client
            .query("select calendar_subscribe('bob', $1)", &[&web.url("/team.ics")])
            .expect_err(said)
            .as_db_error()
            .expect("the server's error")
            .clone();
        let text = format!("{error:?}");
        assert_eq!(error.code().code(), "55000", "{said}: {text}");
        assert!(error.message().contains(said), "{said}: {text}");
        assert!(error.hint().is_some(), "{said}: {text}");
        assert!(!text.contains(junk) && !text.contains(good.trim()), "{said}: {text}");
        assert!(!text.contains(folder.to_str().expect("a path")), "{said}: {text}");
        assert_eq!(count(&mut client, "select count(*) from calendar_connections"), 1, "{said}");
        assert!(sync(&mut client, "ada").1.contains(said), "{said}");
    }
    // What is mended counts at once, in this session, too; a link to a good file is one.
    let elsewhere = folder.join("mounted_key");
    put(&elsewhere, &good, 0o600);
    let _ = fs::remove_file(&key);
    symlink(&elsewhere, &key).expect("a link");
    assert_eq!(sync(&mut client, "ada"), ("success".into(), String::new()));
    put(&elsewhere, &good, 0o644);
    assert!(sync(&mut client, "ada").1.contains("mode 0644"));

    // A server without it starts, and does what needs no secret.
    fs::remove_file(&key).expect("remove");
    cluster.restart("fast");
    let mut client = cluster.connect("crm");
    client
        .query("select calendar_upsert_event('ada', 'app', '1', '{\"title\": \"x\", \"start\": \"2030-01-01T09:00:00Z\"}')", &[])
        .expect("an event");
    assert!(sync(&mut client, "ada").1.contains("cannot be read"));
    put(&key, &good, 0o600);
    assert_eq!(sync(&mut client, "ada").0, "success");
}

#[test]
fn a_dump_opens_with_the_key_alone() {
    let (cluster, mut client, web) = start();
    let secret = "planted-path-5c1e";
    web.serve(&format!("/{secret}.ics"), ONE_EVENT);
    subscribe(&mut client, "ada", &web.url(&format!("/{secret}.ics")));
    let dump = cluster.folder().join("dump");
    cluster.run_program("pg_dump", "crm", &["-Fp", "-f", dump.to_str().expect("a path")]);
    let plain = fs::read_to_string(&dump).expect("the dump");
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert!(plain.contains("COPY public.calendar_connections") && !plain.contains(secret) && !plain.contains(&hex));

    let thief = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    thief.connect("postgres").batch_execute("create database crm").expect("create database");
    thief.run_program("psql", "crm", &["-q", "-v", "ON_ERROR_STOP=1", "-f", dump.to_str().expect("a path")]);
    let mut stolen = thief.connect("crm");
    assert!(sync(&mut stolen, "ada").1.contains("sealed with a key that the key file does not hold"));
    assert_eq!(refused(&mut stolen, "select calendar_rotate_key()").code().code(), "55000");
    put(&key_file(&thief), fs::read(key_file(&cluster)).expect("the key"), 0o600);
    assert_eq!(sync(&mut stolen, "ada").0, "success");
}
