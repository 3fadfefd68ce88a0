//! The fields of an event.

use serde_json::{Map, Value};

use super::sides::{Merge, Sides};
use crate::event::{Attendee, Details, Event};

impl Merge<'_> {
    /// One event; and whether its time is as it is there.
    pub fn event(&mut self, events: Sides<&Event>) -> (Event, bool) {
        let (timing, is_remote) = self.timing(events.map(|event| &event.timing));
        let details = self.details(events.map(|event| &event.details));
        (Event { timing, details }, is_remote)
    }

    /// All but its time.
    pub fn details(&mut self, of: Sides<&Details>) -> Details {
        macro_rules! values {
            ($($field:ident),+ $(,)?) => {
                Details {
                    $($field: self.value(stringify!($field), of.map(|details| &details.$field)),)+
                    categories: self.keyed("categories", of.map(|details| &details.categories), String::clone),
                    attendees: self.keyed("attendees", of.map(|details| &details.attendees), person),
                    metadata: self.metadata(of.map(|details| &details.metadata)),
                    // Set below; changes of these alone are no changes.
                    ical_uid: None,
                    sequence: 0,
                    series_master_id: None,
                    conversation_id: None,
                    last_updated: None,
                }
            };
        }
        let details = values!(
            title,
            description,
            location,
            event_type,
            event_status,
            show_as,
            sensitivity,
            importance,
            organizer,
            participants,
            teams,
        );
        let Sides { base_remote, remote, local, .. } = of;
        Details {
            ical_uid: newer(&base_remote.ical_uid, &remote.ical_uid, &local.ical_uid),
            sequence: newer(&base_remote.sequence, &remote.sequence, &local.sequence),
            series_master_id: newer(&base_remote.series_master_id, &remote.series_master_id, &local.series_master_id),
            conversation_id: newer(&base_remote.conversation_id, &remote.conversation_id, &local.conversation_id),
            last_updated: newer(&base_remote.last_updated, &remote.last_updated, &local.last_updated),
            ..details
        }
    }

    /// Key by key.
    fn metadata(&mut self, of: Sides<&Option<Value>>) -> Option<Value> {
        fn members(value: &Option<Value>) -> Option<Vec<(String, Value)>> {
            match value {
                None => Some(Vec::new()),
                Some(Value::Object(members)) => {
                    Some(members.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
                }
                Some(_) => None,
            }
        }
        let parts = of.map(members);
        let Sides {
            base_local: Some(base_local),
            base_remote: Some(base_remote),
            local: Some(local),
            remote: Some(remote),
        } = parts
        else {
            return self.value("metadata", of);
        };
        let lists = Sides { base_local: &base_local, base_remote: &base_remote, local: &local, remote: &remote };
        let merged: Map<String, Value> = self.keyed("metadata", lists, |(key, _)| key.clone()).into_iter().collect();
        let had_none = local.is_empty() && of.local.is_some();
        (!merged.is_empty() || had_none).then_some(Value::Object(merged))
    }
}

/// Who an attendee is: an address in any case, or a name where there is none.
fn person(attendee: &Attendee) -> String {
    let name = || attendee.name.clone().unwrap_or_default();
    if attendee.address.is_empty() { name() } else { attendee.address.to_lowercase() }
}

/// What comes with a version and is not edited.
fn newer<T: Clone + PartialEq>(base_remote: &T, remote: &T, local: &T) -> T {
    if remote == base_remote { local.clone() } else { remote.clone() }
}
