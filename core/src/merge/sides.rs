//! One value of both sides, before and after.

use serde::Serialize;
use serde_json::Value;

use crate::event::Series;

/// Who wins where both changed the same field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Local,
    Remote,
}

impl Side {
    /// As calendar_conflict_resolve and conflict_data have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Remote => "remote",
        }
    }
}

/// What becomes of the other side's change of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Treatment {
    /// It is taken, unless the field was changed here, too: see [`Rules::winner`].
    Merge,
    /// The field is ours: it stays as it is here, and that is sent back.
    Ours,
    /// The field is not shared: it may be anything there.
    Ignore,
}

/// How two sides are merged.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// Takes the fields in conflict.
    pub winner: Side,
    /// By the name of a field ([`Field::name`], without the occurrence).
    pub treatment: &'a dyn Fn(&str) -> Treatment,
    /// Whether a series can start when it does by the rule that it has: asked where one side has given it the one, and the
    /// other side the other ([`crate::recurrence::gives_its_start`]).
    pub fits: &'a dyn Fn(&Series) -> bool,
}

impl Rules<'_> {
    /// Everything is shared, any rule fits, and the other side wins.
    pub const MERGE: Rules<'static> = Rules { winner: Side::Remote, treatment: &|_| Treatment::Merge, fits: &|_| true };
}

/// A field that both sides have changed; or one of them, so that it does not go with what the other one has changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// `title`, `time`, `attendees`, ...; of an occurrence of a series its original start stands before it.
    pub name: String,
    pub base: Value,
    pub local: Value,
    pub remote: Value,
}

/// Something of both sides, now and when they last agreed.
#[derive(Debug, Clone, Copy)]
pub struct Sides<T> {
    pub base_local: T,
    pub base_remote: T,
    pub local: T,
    pub remote: T,
}

impl<T> Sides<T> {
    /// The same of each.
    pub fn map<U>(self, of: impl Fn(T) -> U) -> Sides<U> {
        Sides {
            base_local: of(self.base_local),
            base_remote: of(self.base_remote),
            local: of(self.local),
            remote: of(self.remote),
        }
    }

    /// What that side has now.
    pub const fn of(&self, side: Side) -> &T {
        match side {
            Side::Local => &self.local,
            Side::Remote => &self.remote,
        }
    }

    /// References to all four.
    pub const fn as_ref(&self) -> Sides<&T> {
        Sides { base_local: &self.base_local, base_remote: &self.base_remote, local: &self.local, remote: &self.remote }
    }
}

/// What is known of the time when both sides agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// What differs from the base has changed since.
    ThreeWay,
    /// There is no base: what the other side does not have is none of its business, all else is its change. Gives what
    /// its base would have been.
    Assume,
}

/// A merge under way.
pub struct Merge<'a> {
    pub mode: Mode,
    pub rules: &'a Rules<'a>,
    /// Stands before the names of fields.
    pub place: String,
    pub conflicts: Vec<Field>,
    pub overruled: Vec<Field>,
    pub takes_remote: bool,
    pub keeps_local: bool,
}

impl<'a> Merge<'a> {
    /// Of a whole item, with nothing merged yet.
    pub const fn new(mode: Mode, rules: &'a Rules<'a>) -> Self {
        Self {
            mode,
            rules,
            place: String::new(),
            conflicts: Vec::new(),
            overruled: Vec::new(),
            takes_remote: false,
            keeps_local: false,
        }
    }

    /// Takes over what came of a part.
    pub fn join(&mut self, part: Merge) {
        self.conflicts.extend(part.conflicts);
        self.overruled.extend(part.overruled);
        self.takes_remote |= part.takes_remote;
        self.keeps_local |= part.keeps_local;
    }

    /// One value, as a whole.
    pub fn value<T>(&mut self, name: &str, of: Sides<&T>) -> T
    where
        T: Clone + PartialEq + Serialize,
    {
        let side = match self.mode {
            Mode::Assume if is_empty(of.remote) => Side::Remote,
            Mode::Assume => Side::Local,
            Mode::ThreeWay => self.side(name, of),
        };
        match side {
            Side::Local => of.local.clone(),
            Side::Remote => of.remote.clone(),
        }
    }

    /// Whose version of a value it is to be.
    pub fn side<T: PartialEq + Serialize>(&mut self, name: &str, of: Sides<&T>) -> Side {
        let treatment = (self.rules.treatment)(name);
        let local_changed = of.local != of.base_local;
        let remote_changed = of.remote != of.base_remote;
        if treatment == Treatment::Ignore || !remote_changed || of.remote == of.local {
            self.keeps_local |= local_changed && of.local != of.remote;
            return Side::Local;
        }
        if treatment == Treatment::Ours {
            self.overruled.push(self.field(name, of));
            self.keeps_local = true;
            return Side::Local;
        }
        if local_changed { self.conflict(name, of, self.rules.winner) } else { self.won(Side::Remote) }
    }

    /// Notes that it was changed on both sides, or can't be merged.
    pub fn conflict<T: Serialize>(&mut self, name: &str, of: Sides<&T>, winner: Side) -> Side {
        self.conflicts.push(self.field(name, of));
        self.won(winner)
    }

    fn won(&mut self, side: Side) -> Side {
        match side {
            Side::Local => self.keeps_local = true,
            Side::Remote => self.takes_remote = true,
        }
        side
    }

    fn field<T: Serialize>(&self, name: &str, of: Sides<&T>) -> Field {
        let json = |value: &T| serde_json::to_value(value).unwrap_or_default();
        let name = format!("{}{name}", self.place);
        Field { name, base: json(of.base_local), local: json(of.local), remote: json(of.remote) }
    }

    /// Elements with a key, each as a value: of lists in which the order says nothing. In the order here, then what is
    /// new from there.
    pub fn keyed<T, K>(&mut self, name: &str, lists: Sides<&Vec<T>>, key: impl Fn(&T) -> K) -> Vec<T>
    where
        T: Clone + PartialEq + Serialize,
        K: PartialEq,
    {
        let mut merged: Vec<T> = Vec::new();
        let mut done: Vec<K> = Vec::new();
        for element in lists.local.iter().chain(lists.remote) {
            let wanted = key(element);
            if done.contains(&wanted) {
                continue;
            }
            let found = lists.map(|list| list.iter().find(|other| key(other) == wanted).cloned());
            merged.extend(self.value(name, found.as_ref()));
            done.push(wanted);
        }
        merged
    }
}

/// Says nothing: null, "", [], {}, or the default of an enum.
fn is_empty<T: Serialize>(value: &T) -> bool {
    match serde_json::to_value(value).unwrap_or_default() {
        Value::Null => true,
        Value::String(text) => DEFAULTS.contains(&text.as_str()),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.values().all(|value| value.is_null() || *value == Value::Array(vec![])),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What calendars say where nobody has said anything, by serde's names.
const DEFAULTS: [&str; 5] = ["", "Scheduled", "Busy", "Public", "Normal"];
