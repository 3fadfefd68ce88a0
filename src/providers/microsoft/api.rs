//! Where things are, and what every request says.

use serde_json::Value;

use crate::http::{Address, Method};
use crate::providers::account::{Ask, FoundCalendar};
use crate::providers::api::{ApiError, Call, Failure, call};

/// Identifiers that stay when an event is moved must be asked for with every request; so must times in UTC, and bodies
/// as text.
const PREFER: &str = "IdType=\"ImmutableId\", outlook.timezone=\"UTC\", outlook.body-content-type=\"text\"";
/// The same with bodies as they are.
const PREFER_HTML: &str = "IdType=\"ImmutableId\", outlook.timezone=\"UTC\"";
/// Codes by which Graph says, with other statuses than 410, too, that a round can't go on.
const LOST: [&str; 3] = ["syncStateNotFound", "syncStateInvalid", "resyncRequired"];
/// Pages of calendars that are followed.
const MAX_PAGES: usize = 100;

/// Whose mailbox: `/me`, or `/users/{mailbox}`.
pub fn owner(ask: &Ask) -> Vec<&str> {
    ask.mailbox.as_deref().map_or_else(|| vec!["me"], |mailbox| vec!["users", mailbox])
}

/// Whether the owner's own calendar is meant. Somebody else's goes by the mailbox, too: its id can't be looked up.
pub fn is_own(ask: &Ask) -> bool {
    ask.calendar.is_empty() || ask.mailbox.as_ref() == Some(&ask.calendar)
}

/// Below the calendar.
pub fn in_calendar(ask: &Ask, more: &[&str], query: &[(&str, &str)]) -> Address {
    let calendar = if is_own(ask) { vec!["calendar"] } else { vec!["calendars", &ask.calendar] };
    ask.api.below(&[owner(ask), calendar, more.to_vec()].concat(), query)
}

/// An event by its identifier, whichever calendar it is in.
pub fn event(ask: &Ask, id: &str, more: &[&str], query: &[(&str, &str)]) -> Address {
    ask.api.below(&[owner(ask), vec!["events", id], more.to_vec()].concat(), query)
}

/// The answer's JSON, with immutable identifiers.
pub fn get(ask: &Ask, address: Address) -> Result<Value, ApiError> {
    send(ask, Call::get(address).with("prefer", PREFER))
}

/// As [`get`], in pages of so many.
pub fn get_page(ask: &Ask, address: Address, size: usize) -> Result<Value, ApiError> {
    let prefer = format!("{PREFER}, odata.maxpagesize={size}");
    send(ask, Call::get(address).with("prefer", prefer))
}

/// As [`get`], with bodies in HTML where they are.
pub fn get_html(ask: &Ask, address: Address) -> Result<Value, ApiError> {
    send(ask, Call::get(address).with("prefer", PREFER_HTML))
}

/// Writes; with an etag only where that is still the version there.
pub fn write(
    ask: &Ask,
    method: Method,
    address: Address,
    etag: Option<&str>,
    json: Option<&Value>,
) -> Result<Value, ApiError> {
    let mut call = Call::send(method, address, json).with("prefer", PREFER);
    if let Some(etag) = etag {
        call = call.with("if-match", etag);
    }
    send(ask, call)
}

/// Makes an event, and has its times in this zone.
pub fn create(ask: &Ask, address: Address, zone: &str, json: &Value) -> Result<Value, ApiError> {
    let prefer = PREFER.replace("=\"UTC\"", &format!("=\"{zone}\""));
    send(ask, Call::send(Method::POST, address, Some(json)).with("prefer", prefer))
}

fn send(ask: &Ask, request: Call) -> Result<Value, ApiError> {
    call(&ask.client, &ask.token, request).map_err(|error| match error {
        ApiError::Failed(failure) if failure.status == 429 => ApiError::Throttled(failure.address, failure.retry_after),
        other => other,
    })
}

/// The next page. Links lead nowhere but to where the API is: the token goes along.
pub fn link(ask: &Ask, text: &str) -> Result<Address, ApiError> {
    match Address::parse(text) {
        Ok(address) if address.origin() == ask.api.origin() => Ok(address),
        _ => Err(ApiError::Unexpected(ask.api.clone(), "a link leads to another host, which is not asked".into())),
    }
}

/// The failure behind an error, if that is one of this status.
pub fn failed(error: &ApiError, status: u16) -> Option<&Failure> {
    match error {
        ApiError::Failed(failure) if failure.status == status => Some(failure),
        _ => None,
    }
}

/// Why a request was refused, in Graph's words for programs.
pub fn code(failure: &Failure) -> &str {
    failure.json["error"]["code"].as_str().unwrap_or_default()
}

/// A round of delta can't go on.
pub fn is_lost(error: &ApiError) -> bool {
    matches!(error.status(), Some(410)) || says_lost(error)
}

/// An event is not there: it is that, and no round, that is gone.
pub fn is_gone(error: &ApiError) -> bool {
    matches!(error.status(), Some(404 | 410)) && !says_lost(error)
}

fn says_lost(error: &ApiError) -> bool {
    let ApiError::Failed(failure) = error else { return false };
    (400..500).contains(&failure.status) && LOST.iter().any(|lost| lost.eq_ignore_ascii_case(code(failure)))
}

/// A calendar that is not there, or not for this account, is no failure of the network.
pub fn no_access(error: ApiError) -> ApiError {
    match error {
        ApiError::Failed(failure) if matches!(failure.status, 403 | 404) => {
            let said = failure.said();
            let why = if said.is_empty() { said } else { format!(": {said}") };
            ApiError::NoAccess(failure.address, why)
        }
        other => other,
    }
}

/// The mailbox's address, or the name that its owner logs in by. Where the application may not read that (it needs
/// User.Read) the calendar says whose it is.
pub fn login(ask: &Ask) -> Result<Option<String>, ApiError> {
    match get(ask, ask.api.below(&["me"], &[("$select", "mail,userPrincipalName")])) {
        Err(error) if error.status() == Some(403) => {
            let own = get(ask, ask.api.below(&["me", "calendar"], &[]))?;
            Ok(found_calendar(&own).and_then(|own| own.owner_email))
        }
        me => me.map(|me| me["mail"].as_str().or(me["userPrincipalName"].as_str()).map(str::to_owned)),
    }
}

/// All calendars of the owner. Of a mailbox that shares no more, its own one, by the mailbox' address.
pub fn calendars(ask: &Ask) -> Result<Vec<FoundCalendar>, ApiError> {
    let Some(mailbox) = &ask.mailbox else { return listed(ask) };
    let own = get(ask, ask.api.below(&[owner(ask), vec!["calendar"]].concat(), &[])).map_err(no_access)?;
    let own = found_calendar(&own);
    let by_address = own.clone().map(|own| FoundCalendar { external_calendar_id: mailbox.clone(), ..own });
    let all = match listed(ask) {
        Err(ApiError::Failed(failure)) if matches!(failure.status, 403 | 404) => own.into_iter().collect(),
        listed => listed?,
    };
    Ok(all.into_iter().chain(by_address).collect())
}

fn listed(ask: &Ask) -> Result<Vec<FoundCalendar>, ApiError> {
    let mut next = Some(ask.api.below(&[owner(ask), vec!["calendars"]].concat(), &[("$top", "100")]));
    let mut found = Vec::new();
    for _ in 0..MAX_PAGES {
        let Some(address) = next.take() else { break };
        let page = get(ask, address)?;
        found.extend(page["value"].as_array().into_iter().flatten().filter_map(found_calendar));
        next = page["@odata.nextLink"].as_str().map(|text| link(ask, text)).transpose()?;
    }
    Ok(found)
}

fn found_calendar(calendar: &Value) -> Option<FoundCalendar> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(FoundCalendar {
        external_calendar_id: text(&calendar["id"])?,
        name: text(&calendar["name"]).unwrap_or_default(),
        writable: calendar["canEdit"].as_bool().unwrap_or_default(),
        owner_email: text(&calendar["owner"]["address"]),
        time_zone: None,
    })
}
