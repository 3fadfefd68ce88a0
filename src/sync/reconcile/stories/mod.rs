//! Whole pulls of an account's calendar against the tables, without a network: what is taken, what is kept, what is sent.

mod changes;
mod deleted;
mod interactions;
mod limits;
mod series;

use std::time::Duration;

use calendar_sync_core::content;
use calendar_sync_core::event::{Body, Details, Event, EventStatus, Item, Override, Series, ShowAs, Timing};
use calendar_sync_core::providers::BadItem;
use chrono::{DateTime, TimeDelta, Utc};
use pgrx::prelude::*;
use uuid::Uuid;

use crate::providers::account::{Changes, Instance, Read, Remote};
use crate::store::agreement::{self, Agreed};
use crate::store::links::{self, Base, ItemId};
use crate::store::{as_owner, connections, installation_row, items};
use crate::sync::pull::Counts;
use crate::sync::reconcile::reconcile;

const CONNECTION: Uuid = Uuid::from_u128(7);

/// So that no clock has a say in what is upcoming.
fn at(hours: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(Utc::now().timestamp() / 86_400 * 86_400, 0).unwrap() + TimeDelta::hours(48 + hours)
}

/// A calendar of an account, both ways; `policy` settles conflicts.
fn connect(policy: &str) {
    as_owner(installation_row::ensure).unwrap();
    Spi::run(&format!(
        "insert into calendar_accounts (account_id, user_id, provider) values ('{CONNECTION}', 'ada', 'google');
         insert into calendar_connections (connection_id, user_id, name, provider, account_id, external_calendar_id,
             direction, conflict_policy, cursor)
         values ('{CONNECTION}', 'ada', 'work', 'google', '{CONNECTION}', 'primary', 'both', '{policy}', 'first')"
    ))
    .unwrap();
}

fn set(what: &str) {
    Spi::run(&format!("update calendar_connections set {what} where connection_id = '{CONNECTION}'")).unwrap();
}

fn event(title: &str) -> Event {
    Event {
        timing: Timing {
            start: at(0),
            end: Some(at(1)),
            all_day: false,
            time_zone: Some("Europe/Berlin".into()),
            floating: false,
        },
        details: Details { title: title.into(), ..Details::default() },
    }
}

fn there(id: &str, etag: &str, event: Event) -> Read {
    remote(id, etag, Body::Single(Box::new(event)), vec![])
}

fn remote(id: &str, etag: &str, body: Body, instances: Vec<Instance>) -> Read {
    let item = Item { external_id: id.into(), body };
    Ok(Remote { item, etag: Some(etag.into()), instances, mark: None })
}

fn titled(id: &str, etag: &str, title: &str) -> Read {
    there(id, etag, event(title))
}

fn weekly(title: &str, overrides: Vec<Override>) -> Body {
    Body::Series(Box::new(Series {
        template: event(title),
        local_start: None,
        duration: None,
        rrules: vec!["FREQ=DAILY;COUNT=5".into()],
        exrules: vec![],
        rdates: vec![],
        rdate_ends: vec![],
        exdates: vec![],
        overrides,
    }))
}

fn own(day: i64, change: impl FnOnce(&mut Event)) -> Override {
    let mut event = event("exception");
    event.timing.start = at(day * 24);
    event.timing.end = Some(at(day * 24 + 1));
    change(&mut event);
    Override { recurrence_id: at(day * 24), this_and_future: false, duration: None, event }
}

fn pull_with(read: Vec<Read>, changes: Changes, force: bool) -> (Counts, Option<String>) {
    as_owner(|installation| {
        let connection = connections::take(installation, CONNECTION)?.unwrap();
        reconcile(installation, &connection, read, &changes, (Duration::ZERO, force))
    })
    .unwrap()
}

fn pull(read: Vec<Read>) -> Counts {
    pull_with(read, Changes { cursor: Some("next".into()), ..Changes::default() }, false).0
}

fn gone(ids: &[&str]) -> Counts {
    let deleted = ids.iter().map(|id| (*id).to_owned()).collect();
    pull_with(vec![], Changes { deleted, cursor: Some("next".into()), ..Changes::default() }, false).0
}

fn listing(read: Vec<Read>, force: bool) -> (Counts, Option<String>) {
    pull_with(read, Changes { complete: true, cursor: Some("next".into()), ..Changes::default() }, force)
}

/// Does what sending does: all that waits is there from now on, as `held` makes of it.
fn send(held: impl Fn(Body) -> Body) -> Vec<String> {
    let sent = texts(
        "select operation || ' ' || coalesce(e.title, s.title, '')
         from calendar_sync_queue q
         left join calendar_events e using (event_id)
         left join calendar_series s on s.series_id = q.series_id
         where status = 'pending'
         order by 1",
    );
    let ids = texts(
        "select coalesce(event_id, series_id) || case when series_id is null then 'e' else 's' end
         from calendar_sync_queue
         where status = 'pending' and operation <> 'delete'",
    );
    as_owner(|installation| {
        let wanted: Vec<ItemId> = ids
            .iter()
            .map(|id| {
                let uuid = id[..36].parse().unwrap();
                if id.ends_with('e') { ItemId::Event(uuid) } else { ItemId::Series(uuid) }
            })
            .collect();
        let links = links::by_item(installation, CONNECTION, &wanted)?;
        let agreed: Vec<Agreed> = items::find(installation, &wanted)?
            .into_iter()
            .map(|one| {
                let known = links.iter().find(|link| link.item == one.item);
                let external_id = known.and_then(|link| link.external_id.clone());
                Agreed {
                    item: one.item,
                    external_id: external_id
                        .unwrap_or_else(|| format!("sent {}", crate::sync::reconcile::id_of(one.item))),
                    etag: Some("sent".into()),
                    local_version: content::of_body(&one.body),
                    remote_version: None,
                    base: Base::new(one.body.clone(), held(one.body)),
                    is_unseen: false,
                }
            })
            .collect();
        agreement::agree(installation, CONNECTION, &agreed, Utc::now())
    })
    .unwrap();
    Spi::run(
        "update calendar_event_links l set sync_status = 'deleted', deleted_at = now()
         from calendar_sync_queue q
         where q.status = 'pending' and operation = 'delete'
           and (q.event_id = l.event_id or q.series_id = l.series_id)",
    )
    .unwrap();
    Spi::run("update calendar_sync_queue set status = 'completed' where status = 'pending'").unwrap();
    sent
}

fn send_all() -> Vec<String> {
    send(|body| body)
}

/// created, updated, deleted, unchanged, conflicts
fn counts(counts: &Counts) -> [i32; 5] {
    [counts.created, counts.updated, counts.deleted, counts.unchanged, counts.conflicts]
}

fn count(query: &str) -> i64 {
    Spi::get_one(query).unwrap().unwrap()
}

fn text(query: &str) -> String {
    Spi::get_one(query).unwrap().unwrap_or_else(|| "none".to_owned())
}

fn texts(query: &str) -> Vec<String> {
    Spi::connect(|client| {
        let rows = client.select(query, None, &[]).unwrap();
        rows.map(|row| row.get::<String>(1).unwrap().unwrap_or_default()).collect()
    })
}

fn titles() -> Vec<String> {
    texts("select title from calendar_events where sync_status <> 'deleted' and series_id is null order by title")
}

fn waiting() -> Vec<String> {
    texts("select operation from calendar_sync_queue where status = 'pending' order by 1")
}

fn edit(title: &str, change: &str) {
    Spi::run(&format!("update calendar_events set {change} where title = '{title}'")).unwrap();
}

/// The version of every row: changes with every write.
fn versions() -> String {
    text(
        "select coalesce(string_agg(v, ' ' order by v), '')
         from (select 'e' || ctid::text || xmin::text || cmin::text from calendar_events
               union all
               select 'l' || ctid::text || xmin::text || cmin::text from calendar_event_links
               union all
               select 'q' || ctid::text || xmin::text || cmin::text from calendar_sync_queue
               union all
               select 's' || ctid::text || xmin::text || cmin::text from calendar_series) as r (v)",
    )
}
