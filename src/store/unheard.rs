//! What is about to be created elsewhere, noted in links: whether it was nobody may ever hear.

use calendar_sync_core::content;
use pgrx::pg_sys;
use uuid::Uuid;

use super::datum::{column, uuid, within_scratch};
use super::links::{Base, ItemId, base_json};
use super::{Installation, Statement};
use crate::errors::SqlResult;

const NOTES: &[pg_sys::Oid] =
    &[pg_sys::UUIDOID, pg_sys::UUIDARRAYOID, pg_sys::UUIDARRAYOID, pg_sys::TEXTARRAYOID, pg_sys::BYTEAARRAYOID];

thread_local! {
    static LINK: Statement = const { Statement::new(
        "insert into @calendar_event_links (connection_id, event_id, series_id, base, local_version)
         select $1, r.event_id, r.series_id, r.base::jsonb, r.local_version
         from unnest($2, $3, $4, $5) r (event_id, series_id, base, local_version)
         on conflict do nothing",
        NOTES,
    ) };
    // What an earlier try may have made is what there is: later ones write nothing over it.
    static NOTE: Statement = const { Statement::new(
        "update @calendar_event_links l
         set base = r.base::jsonb, local_version = r.local_version
         from unnest($2, $3, $4, $5) r (event_id, series_id, base, local_version)
         where l.connection_id = $1
           and (l.event_id = r.event_id or l.series_id = r.series_id)
           and l.external_id is null
           and l.base is null",
        NOTES,
    ) };
}

/// Links of what is about to be created there: as far as is known it is from now on.
pub fn note(installation: &Installation, connection: Uuid, created: &[(ItemId, &Base)]) -> SqlResult<()> {
    if created.is_empty() {
        return Ok(());
    }
    let bases = created.iter().map(|(_, base)| base_json(base)).collect::<SqlResult<Vec<_>>>()?;
    within_scratch(|| {
        let arguments = || {
            [
                uuid(connection).into(),
                column(created, |(item, _)| item.event().map(uuid)),
                column(created, |(item, _)| item.series().map(uuid)),
                column(&bases, |base| base.as_str()),
                column(created, |(_, base)| content::of_body(&base.local).to_vec()),
            ]
        };
        let linked = LINK.with(|statement| statement.execute(installation, &arguments()))?;
        if linked < created.len() as u64 {
            NOTE.with(|statement| statement.execute(installation, &arguments()))?;
        }
        Ok(())
    })
}
