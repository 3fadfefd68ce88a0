-- The last of the script: nothing for anybody but the owner, neither what PUBLIC has by default nor what ALTER DEFAULT
-- PRIVILEGES may give to others here. calendar_grant is how a role comes to its rights.

do $$
declare
    entry record;
begin
    for entry in
        select m.kind, m.name, case when a.grantee = 0 then 'public' else a.grantee::regrole::text end as grantee
        from (
            select 'function' as kind, p.oid::regprocedure::text as name, p.proowner as owner,
                coalesce(p.proacl, acldefault('f', p.proowner)) as acl, p.tableoid as class, p.oid
            from pg_catalog.pg_proc p
            union all
            select 'table', c.oid::regclass::text, c.relowner, c.relacl, c.tableoid, c.oid
            from pg_catalog.pg_class c
            where c.relkind in ('r', 'p', 'v')
            union all
            select 'type', t.oid::regtype::text, t.typowner,
                coalesce(t.typacl, acldefault('T', t.typowner)), t.tableoid, t.oid
            from pg_catalog.pg_type t
            where t.typtype = 'e'
        ) m
        join pg_catalog.pg_depend d on d.classid = m.class and d.objid = m.oid
        cross join lateral aclexplode(m.acl) a
        where d.refclassid = 'pg_catalog.pg_extension'::regclass
          and d.refobjid = (select oid from pg_catalog.pg_extension where extname = 'calendar_sync')
          and d.deptype = 'e'
          and a.grantee <> m.owner
        group by 1, 2, 3
    loop
        execute format('revoke all on %s %s from %s', entry.kind, entry.name, entry.grantee);
    end loop;
end
$$;
