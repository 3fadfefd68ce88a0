//! Connecting a calendar of an account.

use std::ffi::CString;

use calendar_sync_core::filter::Filter;
use pgrx::datum::Interval;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{IntoDatum, PgSqlErrorCode, direct_function_call, pg_sys};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::calendars::{calendars, login};
use super::site::Site;
use crate::errors::{KNOWN_ZONES, SqlResult, error, invalid_argument};
use crate::providers::account::FoundCalendar;
use crate::store::account_connections::{self, Known, Settings};
use crate::store::{self, Installation, channels, installation_row, queue, subscriptions};
use crate::sync::feed::bad_filter;
use crate::sync::subscribe;
use crate::zones::PgZones;

const KEYS: &str =
    "The keys are mirror_from, conflict_policy, filter, delegate_email, poll_interval, time_zone and properties.";

const PRIMARY: &str = "primary";

/// What calendar_connect is asked for.
pub struct Wish<'a> {
    pub account_id: Uuid,
    pub user_id: &'a str,
    pub calendar: &'a str,
    pub direction: &'a str,
    pub visibility: &'a str,
    pub name: Option<&'a str>,
    pub options: &'a Value,
}

/// Connects a calendar that the account can see, or changes how it is connected.
///
/// # Errors
/// 22023 for what can't be asked for, before anything is asked; 42704 for a calendar that the account can't see.
pub fn connect(wish: &Wish) -> SqlResult<Uuid> {
    let options = Options::read(wish.options)?;
    if !["pull", "push", "both"].contains(&wish.direction) {
        return Err(invalid_argument(format!("direction can't be \"{}\"", wish.direction))
            .set_hint("It is pull, push or both."));
    }
    let calendar = seen(wish, options.delegate_email.as_deref())?;
    if wish.direction != "pull" && !calendar.writable {
        return Err(invalid_argument("this calendar can only be read")
            .set_detail(format!("The account may not write to \"{}\".", calendar.name))
            .set_hint("Connect it with direction => 'pull'."));
    }
    store::as_owner(|installation| keep(installation, wish, &options, &calendar))
}

/// The calendar as the provider has it.
fn seen(wish: &Wish, mailbox: Option<&str>) -> SqlResult<FoundCalendar> {
    let mut found = calendars(wish.account_id, mailbox)?;
    let place = |id: &str| found.iter().position(|calendar| calendar.external_calendar_id == id);
    let place = match place(wish.calendar) {
        // Google's word for the calendar that has the login's name.
        None if wish.calendar == PRIMARY => login(wish.account_id)?.and_then(|login| place(&login)),
        place => place,
    };
    place.map(|place| found.swap_remove(place)).ok_or_else(|| {
        error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "the account cannot see this calendar")
            .set_hint("calendar_account_calendars(account_id) lists those that it can see.")
    })
}

fn keep(installation: &Installation, wish: &Wish, options: &Options, calendar: &FoundCalendar) -> SqlResult<Uuid> {
    installation_row::ensure(installation)?;
    let (provider, origin) = account_connections::provider(installation, wish.account_id)?
        .map(|provider| Site::of(installation, &provider).map(|site| (provider, site.origin())))
        .transpose()?
        .ok_or_else(|| {
            error(PgSqlErrorCode::ERRCODE_UNDEFINED_OBJECT, "the account was removed meanwhile")
                .set_hint("calendar_oauth_begin and calendar_account_add make accounts.")
        })?;
    let settings = Settings {
        direction: wish.direction,
        visibility: wish.visibility,
        conflict_policy: options.conflict_policy.as_deref().unwrap_or("last_write"),
        filter: &options.filter,
        options: &options.rest,
        delegate_email: options.delegate_email.as_deref(),
        poll_interval: options.poll_interval,
        time_zone: options.time_zone.as_deref().or(calendar.time_zone.as_deref()),
        calendar_name: &calendar.name,
        origin: &origin,
    };
    loop {
        if let Some(known) =
            account_connections::by_calendar(installation, wish.account_id, &calendar.external_calendar_id)?
        {
            return change(installation, wish, &known, &settings);
        }
        if let Some(id) = add(installation, wish, &calendar.external_calendar_id, &provider, &settings)? {
            return Ok(id);
        }
        // Somebody else has just connected it.
        pgrx::check_for_interrupts!();
    }
}

fn change(installation: &Installation, wish: &Wish, known: &Known, settings: &Settings) -> SqlResult<Uuid> {
    if let Some(name) = wish.name
        && name != known.name
    {
        if subscriptions::by_name(installation, wish.user_id, name)?.is_some() {
            return Err(taken(name));
        }
        account_connections::rename(installation, known.id, name)?;
    }
    account_connections::change(installation, known.id, settings)?;
    if known.visibility != settings.visibility {
        account_connections::send_anew(installation, known.id)?;
    }
    match settings.direction {
        "push" => channels::stop_all(installation, known.id, true)?,
        _ if known.is_paused => {}
        _ => channels::go_on(installation, known.id)?,
    }
    settle(installation, known.id, settings)?;
    Ok(known.id)
}

/// What waits to be sent there is what is to be there.
fn settle(installation: &Installation, id: Uuid, settings: &Settings) -> SqlResult<()> {
    if settings.direction == "pull" {
        return queue::drop_pending(installation, id);
    }
    queue::reconcile(installation, id, true)
}

fn add(
    installation: &Installation,
    wish: &Wish,
    id_there: &str,
    provider: &str,
    settings: &Settings,
) -> SqlResult<Option<Uuid>> {
    subscribe::check_room(installation, wish.user_id)?;
    let id = store::new_id();
    let usual = settings.calendar_name.trim();
    let usual = if usual.is_empty() { provider } else { usual };
    for number in 1.. {
        let name = match wish.name {
            Some(name) => name.to_owned(),
            None if number == 1 => usual.to_owned(),
            None => format!("{usual} ({number})"),
        };
        let calendar = account_connections::New {
            id,
            user_id: wish.user_id,
            name: &name,
            provider,
            account_id: wish.account_id,
            calendar: id_there,
        };
        if account_connections::add(installation, &calendar, settings)? {
            settle(installation, id, settings)?;
            return Ok(Some(id));
        }
        if account_connections::by_calendar(installation, wish.account_id, id_there)?.is_some() {
            return Ok(None);
        }
        if wish.name.is_some() {
            return Err(taken(&name));
        }
    }
    Ok(None)
}

fn taken(name: &str) -> ErrorReport {
    error(PgSqlErrorCode::ERRCODE_DUPLICATE_OBJECT, format!("the user has another connection named \"{name}\""))
        .set_hint("Give another name.")
}

/// The options, read.
#[derive(Default)]
struct Options {
    conflict_policy: Option<String>,
    filter: Value,
    delegate_email: Option<String>,
    /// In seconds.
    poll_interval: Option<f64>,
    time_zone: Option<String>,
    /// What stays among the connection's options.
    rest: Value,
}

impl Options {
    fn read(options: &Value) -> SqlResult<Self> {
        let given =
            options.as_object().ok_or_else(|| invalid_argument("options is not a JSON object").set_hint(KEYS))?;
        let mut read = Self { filter: Value::Object(Map::new()), ..Self::default() };
        let mut rest = Map::new();
        for (key, value) in given.iter().filter(|(_, value)| !value.is_null()) {
            match key.as_str() {
                "conflict_policy" => read.conflict_policy = Some(policy(value)?),
                "filter" => {
                    Filter::parse(value).map_err(bad_filter)?;
                    read.filter = value.clone();
                }
                "delegate_email" => read.delegate_email = Some(text(key, value)?),
                "poll_interval" => read.poll_interval = Some(interval(&text(key, value)?)?),
                "time_zone" => read.time_zone = Some(zone(text(key, value)?)?),
                "mirror_from" if is_names(value) => drop(rest.insert(key.clone(), value.clone())),
                "properties" if value.is_object() => drop(rest.insert(key.clone(), value.clone())),
                // What was learned of a data source comes with options that are handed in again; it is learned anew.
                "schema" => {}
                "mirror_from" => return Err(wrong(key, "a list of names of the user's connections")),
                "properties" => return Err(wrong(key, "a JSON object")),
                _ => {
                    return Err(invalid_argument(format!("options: the key \"{key}\" is not known")).set_hint(KEYS));
                }
            }
        }
        read.rest = rest.into();
        Ok(read)
    }
}

fn is_names(value: &Value) -> bool {
    value.as_array().is_some_and(|list| list.iter().all(Value::is_string))
}

fn text(key: &str, value: &Value) -> SqlResult<String> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| wrong(key, "a text"))
}

fn policy(value: &Value) -> SqlResult<String> {
    let known = |policy: &&str| ["last_write", "local", "remote", "manual"].contains(policy);
    value
        .as_str()
        .filter(known)
        .map(str::to_owned)
        .ok_or_else(|| wrong("conflict_policy", "a policy").set_hint("It is last_write, local, remote or manual."))
}

/// In seconds. What is no interval at all PostgreSQL refuses.
fn interval(text: &str) -> SqlResult<f64> {
    let text = CString::new(text).map_err(|_| wrong("poll_interval", "an interval"))?;
    let (text, kind, modifier) =
        (text.as_c_str().into_datum(), pg_sys::INTERVALOID.into_datum(), (-1_i32).into_datum());
    // SAFETY: interval_in takes a string, the type's oid and its modifier, and gives an interval.
    let interval: Option<Interval> = unsafe { direct_function_call(pg_sys::interval_in, &[text, kind, modifier]) };
    let interval = interval.ok_or_else(|| wrong("poll_interval", "an interval"))?;
    subscribe::check_interval(&interval)?;
    Ok(interval.as_micros() as f64 / 1e6)
}

fn zone(name: String) -> SqlResult<String> {
    if PgZones.get(&name).is_some() {
        return Ok(name);
    }
    Err(wrong("time_zone", "a zone").set_hint(KNOWN_ZONES))
}

fn wrong(key: &str, what: &str) -> ErrorReport {
    invalid_argument(format!("options: {key} is not {what}")).set_hint(KEYS)
}
