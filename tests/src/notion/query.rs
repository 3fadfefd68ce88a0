//! Queries: filters, sorts, pages, and the limit of what a query gives.

use std::collections::BTreeSet;
use std::ops::Bound;

use chrono::{DateTime, NaiveDate, NaiveTime};
use serde_json::Value;

use super::dates::When;
use super::error::{Outcome, Refusal};
use super::table::{Place, Row, Table, minute};
use super::values::Stored;

const MAX_PAGE: u64 = 100;
/// A cursor that begins anew.
const START: &str = "start";

/// What a page of a query gives.
pub(super) struct Page {
    /// Numbers of rows.
    pub rows: Vec<u64>,
    pub next_cursor: Option<String>,
    /// There are more, but the query gives no more.
    pub is_incomplete: bool,
}

/// Gives no more than `most` rows, on all its pages.
pub(super) fn query(table: &Table, body: &Value, most: u64) -> Outcome<Page> {
    let filter = match &body["filter"] {
        Value::Null => Filter::All(vec![]),
        filter => Filter::parse(filter, table)?,
    };
    let in_trash = body["in_trash"].as_bool().or(body["archived"].as_bool()).unwrap_or(false);
    let size = page_size(body)?;
    let cursor = Cursor::of(body)?;
    let (edited, descending) = match body["sorts"].as_array().and_then(|sorts| sorts.first()) {
        None => (false, false),
        Some(sort) => {
            let descending = sort["direction"] == "descending";
            match sort["timestamp"].as_str() {
                Some("last_edited_time") => (true, descending),
                Some("created_time") => (false, descending),
                _ => return by_property(table, &filter, sort, in_trash, (size, most), cursor),
            }
        }
    };
    let few = few(table, &filter, edited, in_trash);
    let order = few.as_ref().unwrap_or_else(|| table.order(edited, in_trash));
    let lowest = (filter.lowest(edited), 0);
    let matches = |place: &&Place| table.row(place.1).is_some_and(|row| filter.holds(row));
    // Of a page, its end stands in the cursor: rows that are edited meanwhile move, others stay where they are.
    let room = usize::try_from(size).unwrap_or(usize::MAX);
    let found: Vec<Place> = if descending {
        let upper = cursor.place.map_or(Bound::Unbounded, Bound::Excluded);
        order.range((Bound::Included(lowest), upper)).rev().filter(matches).take(room + 1).copied().collect()
    } else {
        let lower = cursor.place.map_or(Bound::Included(lowest), Bound::Excluded);
        order.range((lower, Bound::Unbounded)).filter(matches).take(room + 1).copied().collect()
    };
    Ok(page(found, cursor.before, room, most))
}

/// Keys are not looked for among ten thousand rows.
fn few(table: &Table, filter: &Filter, edited: bool, in_trash: bool) -> Option<BTreeSet<Place>> {
    match filter {
        Filter::Text { property, operator, wanted } if operator == "equals" && !wanted.is_empty() => {
            Some(table.with_text(property, wanted, edited, in_trash)).filter(|_| table.has_text(property))
        }
        Filter::Any(any) => any.iter().try_fold(BTreeSet::new(), |mut all, one| {
            all.extend(few(table, one, edited, in_trash)?);
            Some(all)
        }),
        _ => None,
    }
}

fn page(mut found: Vec<Place>, before: u64, room: usize, most: u64) -> Page {
    let left = usize::try_from(most.saturating_sub(before)).unwrap_or(usize::MAX);
    let has_more = found.len() > room.min(left);
    found.truncate(room.min(left));
    let is_full = found.len() == left;
    let next = found.last().filter(|_| has_more && !is_full);
    let next_cursor = next.map(|place| Cursor { before: before + found.len() as u64, place: Some(*place) }.render());
    Page {
        is_incomplete: has_more && is_full,
        next_cursor,
        rows: found.into_iter().map(|(_, number)| number).collect(),
    }
}

/// Rows without the property come last.
fn by_property(
    table: &Table,
    filter: &Filter,
    sort: &Value,
    in_trash: bool,
    (size, most): (u64, u64),
    cursor: Cursor,
) -> Outcome<Page> {
    let name = sort["property"].as_str().unwrap_or_default();
    let at = table.schema.find(name);
    let property =
        at.ok_or_else(|| Refusal::invalid(format!("Could not find sort property with name or id: {name}")))?;
    let id = &table.schema.properties[property].id;
    let rows = table.order(false, in_trash).iter().filter_map(|(_, number)| Some((*number, table.row(*number)?)));
    let mut rows: Vec<(u64, &Row)> = rows.filter(|(_, row)| filter.holds(row)).collect();
    let key = |row: &Row| match row.values.get(id) {
        None => (1, 0, String::new()),
        Some(Stored::Date(date)) => (0, date.start.instant(), String::new()),
        Some(Stored::Text(text)) => (0, 0, text.clone()),
        Some(Stored::Plain(value)) => (0, value.as_i64().unwrap_or_default(), value.to_string()),
        Some(Stored::Choices(ids) | Stored::People(ids)) => (0, 0, ids.join(",")),
    };
    rows.sort_by_cached_key(|(_, row)| key(row));
    if sort["direction"] == "descending" {
        rows.reverse();
    }
    let room = usize::try_from(size).unwrap_or(usize::MAX);
    let passed = usize::try_from(cursor.before).unwrap_or(usize::MAX);
    let found = rows.iter().skip(passed).take(room + 1).map(|(number, _)| (0, *number)).collect();
    Ok(page(found, cursor.before, room, most))
}

pub(super) fn page_size(body: &Value) -> Outcome<u64> {
    match &body["page_size"] {
        Value::Null => Ok(MAX_PAGE),
        size => match size.as_u64() {
            Some(size @ 1..=MAX_PAGE) => Ok(size),
            _ => Err(Refusal::invalid(format!("body.page_size should be ≤ `{MAX_PAGE}`, instead was `{size}`."))),
        },
    }
}

/// Where a page ends, and how many rows there were before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cursor {
    pub before: u64,
    place: Option<Place>,
}

impl Cursor {
    pub fn after(before: u64) -> Self {
        Self { before, place: Some((0, 0)) }
    }

    pub fn of(body: &Value) -> Outcome<Self> {
        let Some(text) = body["start_cursor"].as_str() else { return Ok(Self::default()) };
        let invalid = || Refusal::invalid(format!("The start_cursor provided is invalid: {text}"));
        if text == START {
            return Ok(Self::default());
        }
        let mut parts = text.split('_').map(|part| u64::from_str_radix(part, 16));
        let (Some(Ok(before)), Some(Ok(at)), Some(Ok(number))) = (parts.next(), parts.next(), parts.next()) else {
            return Err(invalid());
        };
        Ok(Self { before, place: Some((at.cast_signed(), number)) })
    }

    pub fn render(&self) -> String {
        let Some((at, number)) = self.place else { return START.to_owned() };
        format!("{:x}_{:x}_{number:x}", self.before, at.cast_unsigned())
    }
}

enum Filter {
    All(Vec<Filter>),
    Any(Vec<Filter>),
    Timestamp { edited: bool, test: Test },
    Date { property: String, test: Test },
    Text { property: String, operator: String, wanted: String },
    Chosen { choices: Vec<String>, property: String, negated: bool },
    Flag { property: String, wanted: bool },
    Empty { property: String, wanted: bool },
}

#[derive(Clone, Copy)]
enum Test {
    Equals(i64),
    Before(i64),
    After(i64),
    OnOrBefore(i64),
    OnOrAfter(i64),
}

impl Test {
    fn parse(condition: &Value) -> Outcome<Self> {
        let unknown = || Refusal::invalid("body.filter: the condition is not one of a date filter.");
        let (operator, value) = condition.as_object().and_then(|members| members.iter().next()).ok_or_else(unknown)?;
        let text = value.as_str().ok_or_else(unknown)?;
        let time = DateTime::parse_from_rfc3339(text).map(|time| time.timestamp());
        let day = || text.parse::<NaiveDate>().map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp());
        let at = time.or_else(|_| day()).map_err(|_| Refusal::invalid(format!("{text} is no ISO 8601 date.")))?;
        Ok(match operator.as_str() {
            "equals" => Self::Equals(at),
            "before" => Self::Before(at),
            "after" => Self::After(at),
            "on_or_before" => Self::OnOrBefore(at),
            "on_or_after" => Self::OnOrAfter(at),
            _ => return Err(unknown()),
        })
    }

    fn holds(self, at: i64) -> bool {
        match self {
            Self::Equals(than) => at == than,
            Self::Before(than) => at < than,
            Self::After(than) => at > than,
            Self::OnOrBefore(than) => at <= than,
            Self::OnOrAfter(than) => at >= than,
        }
    }
}

impl Filter {
    fn parse(filter: &Value, table: &Table) -> Outcome<Self> {
        let all = |list: &Value| {
            let list = list.as_array().cloned().unwrap_or_default();
            list.iter().map(|filter| Self::parse(filter, table)).collect::<Outcome<Vec<_>>>()
        };
        if !filter["and"].is_null() {
            return Ok(Self::All(all(&filter["and"])?));
        }
        if !filter["or"].is_null() {
            return Ok(Self::Any(all(&filter["or"])?));
        }
        if let Some(timestamp) = filter["timestamp"].as_str() {
            let test = Test::parse(&filter[timestamp])?;
            return Ok(Self::Timestamp { edited: timestamp == "last_edited_time", test });
        }
        let name = filter["property"].as_str().unwrap_or_default();
        let at = table.schema.find(name);
        let at = at.ok_or_else(|| Refusal::invalid(format!("Could not find property with name or id: {name}")))?;
        let property = &table.schema.properties[at];
        let condition = &filter[property.kind.as_str()];
        let (id, kind) = (property.id.clone(), property.kind.as_str());
        let Some((operator, value)) = condition.as_object().and_then(|members| members.iter().next()) else {
            return Err(Refusal::invalid(format!("database property {name} does not match filter {kind}.")));
        };
        if matches!(operator.as_str(), "is_empty" | "is_not_empty") {
            return Ok(Self::Empty { property: id, wanted: operator == "is_empty" });
        }
        Ok(match kind {
            "date" => Self::Date { property: id, test: Test::parse(condition)? },
            "checkbox" => Self::Flag { property: id, wanted: value == (operator == "equals") },
            "select" | "status" | "multi_select" => {
                let wanted = value.as_str().unwrap_or_default();
                let named = property.choices.iter().filter(|choice| choice.name == wanted);
                let choices = named.map(|choice| choice.id.clone()).collect();
                Self::Chosen { property: id, choices, negated: operator.starts_with("does_not") }
            }
            _ => {
                let wanted = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                Self::Text { property: id, operator: operator.clone(), wanted }
            }
        })
    }

    fn holds(&self, row: &Row) -> bool {
        match self {
            Self::All(filters) => filters.iter().all(|filter| filter.holds(row)),
            Self::Any(filters) => filters.iter().any(|filter| filter.holds(row)),
            Self::Timestamp { edited, test } => test.holds(minute(if *edited { row.edited } else { row.created })),
            Self::Date { property, test } => match row.values.get(property) {
                Some(Stored::Date(date)) => test.holds(When::instant(date.start)),
                _ => false,
            },
            Self::Text { property, operator, wanted } => {
                let text = match row.values.get(property) {
                    Some(Stored::Text(text)) => text.as_str(),
                    Some(Stored::Plain(value)) => value.as_str().unwrap_or_default(),
                    _ => "",
                };
                match operator.as_str() {
                    "equals" => text == wanted,
                    "does_not_equal" => text != wanted,
                    "contains" => text.contains(wanted.as_str()),
                    "does_not_contain" => !text.contains(wanted.as_str()),
                    "starts_with" => text.starts_with(wanted.as_str()),
                    "ends_with" => text.ends_with(wanted.as_str()),
                    _ => false,
                }
            }
            Self::Chosen { property, choices, negated } => {
                let chosen = match row.values.get(property) {
                    Some(Stored::Choices(ids)) => ids.iter().any(|id| choices.contains(id)),
                    _ => false,
                };
                chosen != *negated
            }
            Self::Flag { property, wanted } => {
                matches!(row.values.get(property), Some(Stored::Plain(Value::Bool(true)))) == *wanted
            }
            Self::Empty { property, wanted } => row.values.contains_key(property) != *wanted,
        }
    }

    /// No row before that minute of the order holds.
    fn lowest(&self, of_edited: bool) -> i64 {
        match self {
            Self::All(filters) => filters.iter().map(|filter| filter.lowest(of_edited)).max().unwrap_or(i64::MIN),
            Self::Timestamp { edited, test: Test::OnOrAfter(at) | Test::After(at) } if *edited == of_edited => *at,
            _ => i64::MIN,
        }
    }
}
