//! This side: the ways in which an application changes a calendar.

use std::collections::BTreeMap;

use calendar_sync_e2e::Random;
use chrono::{DateTime, Utc};
use postgres::Client;
use serde_json::json;

use super::ledger::{Noted, Origin};
use crate::there::{Field, LENGTH, Shown, description, number_of};

/// How an event came to be here; it is changed in the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// calendar_upsert_event.
    Application,
    /// INSERT into calendar_events. What comes from the other side is changed so, too.
    Sql,
    /// The CRM's own table.
    Interaction,
}

impl Way {
    pub const ALL: [Self; 3] = [Self::Application, Self::Sql, Self::Interaction];

    pub fn origin(self) -> Origin {
        if self == Self::Interaction { Origin::Interaction } else { Origin::Either }
    }
}

/// The CRM's table; its events belong to whom its column created_for names.
pub const CRM: &str = r#"
    create table visit (
        interaction_id uuid primary key default gen_random_uuid(),
        subject text,
        description text,
        location text,
        interaction_date timestamptz,
        duration_minutes int,
        archived boolean not null default false,
        created_by uuid,
        updated_by uuid,
        created_at timestamptz not null default now(),
        updated_at timestamptz not null default now()
    );
    select calendar_attach('visit', '{}');"#;

/// The database as one user's applications see it.
pub struct Here<'c> {
    pub client: &'c mut Client,
    pub user: &'c str,
}

impl Here<'_> {
    fn run(&mut self, statement: &str, arguments: &[&(dyn postgres::types::ToSql + Sync)]) -> u64 {
        self.client.execute(statement, arguments).unwrap_or_else(|error| panic!("{statement}: {error:?}"))
    }

    pub fn add(&mut self, number: usize, way: Way, shown: &Shown) {
        let (title, location, start) = (&shown[&Field::Title], &shown[&Field::Location], &shown[&Field::Start]);
        let (note, from): (String, DateTime<Utc>) = (description(number), start.parse().expect("a start"));
        let user = self.user;
        match way {
            Way::Application => {
                let event = json!({
                    "title": title, "location": location, "description": note,
                    "start": start, "end": (from + LENGTH).to_rfc3339(),
                });
                self.upsert(number, event);
            }
            Way::Sql => {
                self.run(
                    "insert into calendar_events (user_id, title, location, description, event_date, event_end)
                     values ($1, $2, $3, $4, $5::text::timestamptz, $5::text::timestamptz + interval '30 minutes')",
                    &[&user, title, location, &note, start],
                );
            }
            Way::Interaction => {
                self.run(
                    "insert into visit (subject, location, description, interaction_date, duration_minutes, created_by)
                     values ($2, $3, $4, $5::text::timestamptz, 30, $1::text::uuid)",
                    &[&user, title, location, &note, start],
                );
            }
        }
    }

    fn upsert(&mut self, number: usize, event: serde_json::Value) {
        let (user, key) = (self.user, number.to_string());
        self.run("select calendar_upsert_event($1, 'crm', $2, $3)", &[&user, &key, &event]);
    }

    pub fn edit(&mut self, number: usize, way: Way, field: Field, value: &str) {
        let (user, note) = (self.user, description(number));
        let changed = match (way, field) {
            (Way::Application, Field::Title) => return self.upsert(number, json!({ "title": value })),
            (Way::Application, Field::Location) => return self.upsert(number, json!({ "location": value })),
            (Way::Application, Field::Start) => {
                let start: DateTime<Utc> = value.parse().expect("a start");
                let event = json!({ "start": value, "end": (start + LENGTH).to_rfc3339() });
                return self.upsert(number, event);
            }
            (Way::Sql, Field::Title) => "title = $3",
            (Way::Sql, Field::Location) => "location = $3",
            (Way::Sql, Field::Start) => {
                "event_date = $3::text::timestamptz, event_end = $3::text::timestamptz + interval '30 minutes'"
            }
            (Way::Interaction, Field::Title) => "subject = $3",
            (Way::Interaction, Field::Location) => "location = $3",
            (Way::Interaction, Field::Start) => "interaction_date = $3::text::timestamptz",
        };
        let statement = match way {
            Way::Interaction => {
                format!("update visit set {changed} where created_by = $1::text::uuid and description = $2")
            }
            _ => format!(
                "update calendar_events set {changed}
                 where user_id = $1 and description = $2 and sync_status <> 'deleted'"
            ),
        };
        assert_eq!(self.run(&statement, &[&user, &note, &value]), 1, "event {number} is there to be edited");
    }

    pub fn delete(&mut self, number: usize, way: Way, random: &mut Random) {
        let (user, note, key) = (self.user, description(number), number.to_string());
        match way {
            Way::Application => {
                self.run("select calendar_delete_event($1, 'crm', $2)", &[&user, &key]);
            }
            Way::Sql if random.chance(0.5) => {
                self.run(
                    "update calendar_events set sync_status = 'deleted', event_status = 'cancelled'
                     where user_id = $1 and description = $2 and sync_status <> 'deleted'",
                    &[&user, &note],
                );
            }
            Way::Sql => {
                self.run(
                    "delete from calendar_events where user_id = $1 and description = $2 and sync_status <> 'deleted'",
                    &[&user, &note],
                );
            }
            Way::Interaction => {
                self.run("delete from visit where created_by = $1::text::uuid and description = $2", &[&user, &note]);
            }
        }
    }

    /// Every event that is there, with how often it is.
    pub fn events(&mut self) -> BTreeMap<usize, (usize, Way, Shown)> {
        let rows = self
            .client
            .query(
                r#"select description, title, coalesce(location, ''),
                        to_char(event_date at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"+00:00"'),
                        case when related_table is not null then 'interaction'
                             when external_source = 'crm' then 'application' else 'sql' end
                 from calendar_events
                 where user_id = $1 and sync_status <> 'deleted' and event_status <> 'cancelled'"#,
                &[&self.user],
            )
            .expect("the user's events");
        let mut events: BTreeMap<usize, (usize, Way, Shown)> = BTreeMap::new();
        for row in rows {
            let note: Option<String> = row.get(0);
            let Some(number) = note.as_deref().and_then(number_of) else { continue };
            let shown =
                BTreeMap::from([(Field::Title, row.get(1)), (Field::Location, row.get(2)), (Field::Start, row.get(3))]);
            let way = match row.get(4) {
                "interaction" => Way::Interaction,
                "application" => Way::Application,
                _ => Way::Sql,
            };
            let entry = events.entry(number).or_insert((0, way, shown));
            entry.0 += 1;
        }
        events
    }

    /// Whether it is here, and nobody here has heard that it is anywhere else.
    pub fn is_unheard(&mut self, number: usize) -> bool {
        let unheard = "select exists (
                           select
                           from calendar_events e
                           where user_id = $1
                             and description = $2
                             and sync_status <> 'deleted'
                             and not exists (
                                 select
                                 from calendar_event_links l
                                 where l.event_id = e.event_id and l.external_id is not null
                             )
                       )";
        self.client.query_one(unheard, &[&self.user, &description(number)]).expect("the event").get(0)
    }

    /// What the log says of conflicts.
    pub fn noted(&mut self) -> Noted {
        let row = self.client.query_one(
            "select coalesce(string_agg((f -> case details ->> 'winner' when 'local' then 'remote' else 'local' end)::text, ' '), '')
             from calendar_sync_log, jsonb_array_elements(details -> 'fields') f
             where user_id = $1 and action = 'conflict' and details ->> 'winner' is not null",
            &[&self.user],
        );
        let outlived = self.client.query(
            "select distinct e.description
             from calendar_sync_log l
             join calendar_events e using (event_id)
             where l.user_id = $1
               and l.action = 'conflict'
               and l.details ->> 'policy' = 'edit beats delete'",
            &[&self.user],
        );
        let outlived = outlived.expect("deletes that were outlived").into_iter();
        Noted {
            lost: row.expect("conflicts").get(0),
            outlived: outlived.filter_map(|row| number_of(row.get::<_, Option<&str>>(0)?)).collect(),
        }
    }

    /// Links, operations and log, for whoever looks into a failure.
    pub fn trace(&mut self) -> String {
        let queries = [
            "select to_jsonb(l)::text from calendar_event_links l join calendar_connections c using (connection_id)
             where c.user_id = $1",
            "select to_jsonb(q)::text from calendar_sync_queue q join calendar_connections c using (connection_id)
             where c.user_id = $1 order by queue_id",
            "select to_jsonb(g)::text from calendar_sync_log g where user_id = $1 order by log_id",
            "select to_jsonb(e)::text from calendar_events e where user_id = $1",
        ];
        let all = queries.iter().flat_map(|query| self.client.query(*query, &[&self.user]).expect(query));
        all.map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
    }
}
