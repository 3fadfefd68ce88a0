//! Changes of a calendar: rounds of delta over one span of time.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::{Value, json};

use super::cursor::{self, Span};
use super::{api, series};
use crate::http::Address;
use crate::providers::account::{Ask, Changes, ChangesRequest, is_identifier};
use crate::providers::api::ApiError;

const PAGE_SIZE: usize = 200;
/// Events that are asked for one by one in a pull because we made them and no round has shown them. Usually there are none;
/// where somebody has thrown away a whole batch of ours, or a batch lies outside the span, the pull must still come to its
/// end within its lease, and leave the mailbox (four requests at once, 10,000 in ten minutes) to others. The next goes on.
const MOST_ASKED: usize = 50;

/// All changes since the cursor. One that Graph does not know any more, or of a span that has passed, is none: then
/// everything is asked for.
pub fn pull(ask: &Ask, request: &ChangesRequest) -> Result<Changes, ApiError> {
    let span = Span::of(request.window, request.connection_id);
    let known = request.cursor.as_deref().filter(|_| !request.everything);
    let link = known.and_then(|cursor| cursor::read(cursor, &span)).and_then(|link| api::link(ask, &link).ok());
    if let Some(link) = link {
        match Round::follow(ask, link, request.max_events) {
            Err(error) if api::is_lost(&error) => {}
            round => return round?.changes(ask, &span, request, false),
        }
    }
    let mut changes = match begin(ask, request, &span) {
        // Lost between two of its own pages: it is begun once more.
        Err(error) if api::is_lost(&error) => begin(ask, request, &span),
        round => round,
    }
    .map_err(api::no_access)?
    .changes(ask, &span, request, true)?;
    let calendar = api::get(ask, api::in_calendar(ask, &[], &[("$select", "name")])).map_err(api::no_access)?;
    changes.name = calendar["name"].as_str().map(str::to_owned);
    Ok(changes)
}

fn begin(ask: &Ask, request: &ChangesRequest, span: &Span) -> Result<Round, ApiError> {
    let query = span.query();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Round::follow(ask, api::in_calendar(ask, &["calendarView", "delta"], &query), request.max_events)
}

/// What the pages of one round said.
#[derive(Default)]
struct Round {
    singles: HashMap<String, Value>,
    /// In the order in which they were first named; those that were seen again later with an older version keep the newer.
    order: Vec<String>,
    /// Series of which anything was said, each with the occurrences that were.
    series: BTreeMap<String, BTreeSet<String>>,
    removed: BTreeSet<String>,
    next: Option<Address>,
}

impl Round {
    fn follow(ask: &Ask, first: Address, max_events: usize) -> Result<Self, ApiError> {
        let mut round = Self::default();
        let mut address = first;
        let mut seen = 0;
        let mut links = HashSet::new();
        loop {
            let mut page = api::get_page(ask, address.clone(), PAGE_SIZE)?;
            let Value::Array(values) = page["value"].take() else {
                return Err(ApiError::Unexpected(address, "the answer is no page of events".into()));
            };
            // A page may be empty and not the last; there are no more of these than events.
            seen += values.len().max(1);
            if seen > max_events {
                return Err(ApiError::Unexpected(address, format!("the calendar has more than {max_events} events")));
            }
            values.into_iter().for_each(|value| round.take(value));
            if let Some(link) = page["@odata.deltaLink"].as_str() {
                round.next = Some(api::link(ask, link)?);
                return Ok(round);
            }
            let Some(link) = page["@odata.nextLink"].as_str() else {
                return Err(ApiError::Unexpected(
                    address,
                    "the answer says neither how to go on nor that it ends".into(),
                ));
            };
            if !links.insert(link.to_owned()) {
                return Err(ApiError::Unexpected(address, "its pages lead in a circle".into()));
            }
            address = api::link(ask, link)?;
        }
    }

    fn take(&mut self, value: Value) {
        let Some(id) = value["id"].as_str().map(str::to_owned) else { return };
        if ![Some(id.as_str()), value["seriesMasterId"].as_str()].into_iter().flatten().all(is_identifier) {
            let why = "its identifier is none that can be asked for";
            return self.take_single(id.clone(), json!({ "id": id, "unreadable": why }));
        }
        if !value["@removed"].is_null() {
            self.removed.insert(id);
            return;
        }
        let kind = value["type"].as_str().unwrap_or_default();
        match value["seriesMasterId"].as_str() {
            Some(master) if kind != "singleInstance" && kind != "seriesMaster" => {
                self.series.entry(master.to_owned()).or_default().insert(id);
            }
            _ if kind == "seriesMaster" || value["recurrence"].is_object() => {
                self.series.entry(id).or_default();
            }
            _ => self.take_single(id, value),
        }
    }

    /// Of one that comes twice the one that was changed last counts, in whichever order they come.
    fn take_single(&mut self, id: String, value: Value) {
        let changed = |value: &Value| value["lastModifiedDateTime"].as_str().map(str::to_owned);
        match self.singles.get(&id) {
            Some(known) if changed(known) > changed(&value) => return,
            Some(_) => {}
            None => self.order.push(id.clone()),
        }
        self.singles.insert(id, value);
    }

    /// Those that need not be asked for again of what we made and no earlier round has shown. What this one does not show
    /// either is asked for here.
    fn look_for(&mut self, ask: &Ask, unseen: &[String], deleted: &mut Vec<String>) -> Result<Vec<String>, ApiError> {
        let shows =
            |id: &String| self.singles.contains_key(id) || self.series.contains_key(id) || self.removed.contains(id);
        let (mut seen, absent): (Vec<String>, Vec<String>) = unseen.iter().cloned().partition(shows);
        for id in absent.into_iter().take(MOST_ASKED) {
            match still_there(ask, &id) {
                Ok(Some(event)) => self.take(event),
                Ok(None) => deleted.push(id.clone()),
                Err(error) if error.is_of_account() => return Err(error),
                // Of this one alone nothing is said, and it stops no others.
                Err(error) if error.status().is_none_or(|status| status >= 500 || api::is_lost(&error)) => continue,
                Err(_) => {}
            }
            seen.push(id);
        }
        Ok(seen)
    }

    fn changes(
        mut self,
        ask: &Ask,
        span: &Span,
        request: &ChangesRequest,
        complete: bool,
    ) -> Result<Changes, ApiError> {
        let mut deleted = Vec::new();
        let seen = self.look_for(ask, &request.unseen, &mut deleted)?;
        let gone: HashSet<&str> = request.gone.iter().map(String::as_str).collect();
        for id in std::mem::take(&mut self.removed) {
            let is_shown = self.singles.contains_key(&id) || self.series.contains_key(&id);
            if gone.contains(id.as_str()) && !is_shown {
                continue;
            }
            match still_there(ask, &id)? {
                Some(event) => {
                    self.singles.remove(&id);
                    self.take(event);
                }
                None => {
                    self.singles.remove(&id);
                    self.series.remove(&id);
                    deleted.push(id);
                }
            }
        }
        let order = std::mem::take(&mut self.order);
        let mut values: Vec<Value> = order.iter().filter_map(|id| self.singles.remove(id)).collect();
        for (id, occurrences) in self.series {
            match series::whole_or_unreadable(ask, &id, span)? {
                Some(master) => values.push(master),
                None => {
                    // An occurrence can be shared without its series.
                    for occurrence in occurrences {
                        values.extend(series::plain(ask, &occurrence)?);
                    }
                    deleted.push(id);
                }
            }
        }
        let cursor = self.next.map(|link| cursor::write(&link, span));
        let window = Some((span.from, span.to));
        Ok(Changes { values, deleted, complete, window, cursor, seen, ..Changes::default() })
    }
}

/// What was said to be removed may have left the span of time, or gone to another calendar.
fn still_there(ask: &Ask, id: &str) -> Result<Option<Value>, ApiError> {
    let Some(event) = series::plain(ask, id)? else { return Ok(None) };
    let calendar = match api::get(ask, api::event(ask, id, &["calendar"], &[("$select", "id,isDefaultCalendar")])) {
        Err(error) if error.is_of_account() || error.is_unauthorized() => return Err(error),
        calendar => calendar.unwrap_or_default(),
    };
    let is_elsewhere = if api::is_own(ask) {
        calendar["isDefaultCalendar"].as_bool() == Some(false)
    } else {
        calendar["id"].as_str().is_some_and(|id| id != ask.calendar)
    };
    Ok(if is_elsewhere { None } else { Some(event) })
}
