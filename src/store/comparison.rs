//! What belongs at a connection, compared with what is there: what each item is to become.

/// Items of one kind, at the connections that they concern.
///
/// `$1` a connection, `$2` start of the window, `$3` priority, `$4` max_retries. `item`: the items. `lives`: it takes place.
/// The queue is not read where nothing is to be withdrawn: planned when nothing waited, that might be all that waits by now.
/// `which`: the connections that are meant, as a condition on connection_id. What came from a connection is new there only
/// after it was deleted there: an edit elsewhere has brought it back.
macro_rules! operations {
    (
        id: $id:literal, table: $table:literal, end: $end:literal, single: $single:literal,
        lives: $lives:literal, which: $which:literal, item: $item:literal, noted: $noted:expr, joins: $joins:literal
    ) => {
        concat!(
            "with item (id) as materialized (", $item, "),
             wanted as materialized (
                 select t.", $id, " as id, c.connection_id, t.changed_at,
                     ", $end, " > $2
                         and (
                             t.connection_id is distinct from c.connection_id
                             or exists (
                                 select
                                 from @calendar_event_links g
                                 where g.", $id, " = t.", $id, "
                                   and g.connection_id = c.connection_id
                                   and g.sync_status = 'deleted'
                             )
                         ) as may_be_new
                 ", belonging!(id: $id, table: $table, single: $single, lives: $lives, item: "item i"), "
                   and c.connection_id ", $which, "
             ),
             linked as materialized (
                 select l.id, l.connection_id, l.external_id, l.etag, l.external_id is not null as is_there, l.last_sync_at,
                     l.sync_status in ('error', 'conflict') as is_troubled, l.sync_status = 'pending' as is_behind
                 from (
                     select i.id, l.*
                     from item i
                     cross join lateral (
                         select connection_id, external_id, etag, last_sync_at, sync_status
                         from @calendar_event_links
                         where ", $id, " = i.id and sync_status <> 'deleted'
                         offset 0
                     ) l
                     offset 0
                 ) l
                 join @calendar_connections c on c.connection_id = l.connection_id
                 where c.account_id is not null
                   and c.direction <> 'pull'
                   and c.status <> 'removed'
                   and c.connection_id ", $which, "
                 union all
                 select i.id, q.connection_id, null, null, true, null, false, false
                 from @calendar_sync_queue q
                 join item i on i.id = q.", $id, "
                 where q.status = 'processing'
                   and q.connection_id ", $which, "
                   and not exists (
                       select
                       from @calendar_event_links l
                       where l.", $id, " = q.", $id, "
                         and l.connection_id = q.connection_id
                         and l.sync_status <> 'deleted'
                   )
             ),
             pair as materialized (
                 select coalesce(w.id, l.id) as id, coalesce(w.connection_id, l.connection_id) as connection_id,
                     case when w.id is null then 'delete' when l.is_there then 'update' else 'create' end as operation,
                     case
                         when w.id is null then jsonb_build_object('external_id', l.external_id, 'etag', l.etag)
                     end as payload,
                     w.changed_at > l.last_sync_at or l.is_behind as is_newer, w.changed_at,
                     coalesce(l.is_troubled, false) as is_troubled
                 from wanted w
                 full join linked l on l.id = w.id and l.connection_id = w.connection_id
                 where l.id is not null or w.may_be_new
             ),
             obsolete as materialized (
                 select q.queue_id
                 from item i
                 cross join lateral (
                     select * from @calendar_sync_queue where ", $id, " = i.id and status = 'pending' offset 0
                 ) q
                 where q.connection_id ", $which, "
                   and (i.id, q.connection_id) not in (select id, connection_id from pair)
             ),
             withdrawn as (
                 delete from @calendar_sync_queue
                 where exists (select from obsolete)
                   and queue_id = any (array(select queue_id from obsolete))
                   and status = 'pending'
                 returning 1
             ),
             queued as (
                 insert into @calendar_sync_queue as q (operation, ", $id, ", connection_id, payload, priority, max_retries)
                 select operation, id, connection_id, payload, $3, $4
                 from pair
                 where ", $noted, "
                 order by id, connection_id
                 on conflict (", $id, ", connection_id) where ", $id, " is not null and status = 'pending'
                 do update ", $joins, "
                 returning 1
             )
             select (select count(*) from queued) > 0,
                 (select count(*) from obsolete) > (select count(*) from withdrawn)"
        )
    };
}

pub(super) use operations;
