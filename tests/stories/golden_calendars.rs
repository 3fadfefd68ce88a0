//! Each golden calendar is subscribed to over HTTP, pulled by the worker, and compared with what an independent reader
//! finds in the file; then it is exported, and the same reader must find the same in the export. One cluster and one
//! worker serve all of them, as in life.

use std::sync::Arc;

use calendar_sync_e2e::{
    Cluster, FakeWeb, GoldenCalendar, count, eventually, golden_calendars, read_occurrences, read_with_libical,
};
use chrono::NaiveDate;
use libtest_mimic::{Arguments, Failed, Trial};
use postgres::Client;

/// What libical reads otherwise than RFC 5545 has it.
const LIBICAL_OTHERWISE: &[(&str, &str)] = &[
    ("issue42.ics", "leaves out a DTSTART that its rule does not give (3.8.5.3)"),
    ("issue_75_range_parameter.ics", "does not know RANGE=THISANDFUTURE (3.8.4.4)"),
    ("rdate.ics", "gives an RDATE that the rule gives, too, twice (3.8.5.2)"),
];

fn main() {
    let arguments = Arguments::from_args();
    let Some(calendars) = golden_calendars() else {
        let absent = Trial::test("golden calendars (absent: name their folder in CALENDAR_SYNC_GOLDEN)", || Ok(()));
        libtest_mimic::run(&arguments, vec![absent.with_ignored_flag(true)]).exit();
    };
    if arguments.list {
        let names = calendars.iter().flat_map(|it| [format!("{}, pulled", it.file), format!("{}, exported", it.file)]);
        libtest_mimic::run(&arguments, names.map(|name| Trial::test(name, || Ok(()))).collect()).exit();
    }

    let cluster = Cluster::start_with(&[("calendar_sync.worker_threads", "4")]);
    let web = FakeWeb::start();
    let mut client = cluster.create_database("crm");
    for calendar in &calendars {
        let path = format!("/{}", calendar.file);
        web.serve(&path, calendar.ics.clone());
        client
            .execute("select calendar_subscribe($1, $2, name => $1)", &[&calendar.file, &web.url(&path)])
            .unwrap_or_else(|error| panic!("subscribe to {}: {error:?}", calendar.file));
    }
    let calendars_pulled = "select count(*) from calendar_sync_log where action = 'pull'";
    eventually("every calendar is pulled", || count(&mut client, calendars_pulled) >= calendars.len() as i64);

    let cluster = Arc::new(cluster);
    let trials = calendars.into_iter().flat_map(|calendar| {
        let (file, calendar) = (calendar.file.clone(), Arc::new(calendar));
        let (pulled_from, exported_from) = (cluster.clone(), cluster.clone());
        let exported = calendar.clone();
        [
            Trial::test(format!("{file}, pulled"), move || compare_pulled(&pulled_from, &calendar)),
            Trial::test(format!("{file}, exported"), move || compare_exported(&exported_from, &exported)),
        ]
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    drop(cluster);
    conclusion.exit();
}

fn compare_pulled(cluster: &Cluster, calendar: &GoldenCalendar) -> Result<(), Failed> {
    let mut client = cluster.connect("crm");
    let log = client.query_one(
        "select l.status, coalesce(l.fetched, 0)::bigint, coalesce(l.error_message, ''), coalesce(l.details::text, '')
         from calendar_sync_log l
         join calendar_connections c using (connection_id)
         where c.user_id = $1 and l.action = 'pull'
         order by l.log_id limit 1",
        &[&calendar.file],
    )?;
    let (status, fetched, error, details): (String, i64, String, String) =
        (log.get(0), log.get(1), log.get(2), log.get(3));
    if fetched != calendar.vevents {
        return Err(format!("{fetched} events fetched of {}: {status} {error} {details}", calendar.vevents).into());
    }
    let Some((from, to)) = &calendar.window else { return Ok(()) };
    let starts = agenda(&mut client, &calendar.file, *from, *to)?;
    calendar.differences(starts).map_err(|difference| format!("{difference}; {status} {error} {details}").into())
}

/// Starts of everything in the agenda, in UTC, or dates.
fn agenda(client: &mut Client, user: &str, from: NaiveDate, to: NaiveDate) -> Result<Vec<String>, Failed> {
    let rows = client.query(
        "select case
                    when all_day then to_char(starts_at at time zone 'UTC', 'YYYYMMDD')
                    else to_char(starts_at at time zone 'UTC', 'YYYYMMDD\"T\"HH24MISS')
                end
         from calendar_agenda($1, $2::text::timestamptz, $3::text::timestamptz)",
        &[&user, &format!("{from} 00:00Z"), &format!("{to} 00:00Z")],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What is exported is read as it was: by the reader that the golden data is from, by libical, and by ourselves for
/// another user.
fn compare_exported(cluster: &Cluster, calendar: &GoldenCalendar) -> Result<(), Failed> {
    let Some((first, last)) = calendar.window else { return Ok(()) };
    let mut client = cluster.connect("crm");
    let [from, to] = [first, last].map(|date| format!("{date}T00:00:00+00:00"));
    let export = "select calendar_ics_export($1, $2::text::timestamptz, $3::text::timestamptz)";
    let ics: String = client.query_one(export, &[&calendar.file, &from, &to])?.get(0);
    let starts = read_occurrences(&ics, &from, &to).into_iter().map(|occurrence| occurrence.start);
    calendar.differences(starts)?;
    if !LIBICAL_OTHERWISE.iter().any(|(file, _)| *file == calendar.file) {
        let starts = read_with_libical(&ics, &from, &to).into_iter().map(|occurrence| occurrence.start);
        calendar.differences(starts).map_err(|difference| format!("by libical: {difference}"))?;
    }
    let another = format!("{}, again", calendar.file);
    client.execute("select calendar_ics_import($1, $2)", &[&another, &ics])?;
    let (found, expected) =
        (agenda(&mut client, &another, first, last)?, agenda(&mut client, &calendar.file, first, last)?);
    if found == expected { Ok(()) } else { Err(format!("imported again: {found:?}, expected {expected:?}").into()) }
}
