-- What everything else stands on: a schema that can be trusted, the encoding, and the types.

-- This script runs as a superuser with this schema in its search_path. A function or operator in it that fits arguments
-- better than PostgreSQL's own of that name, or than one of ours, would be taken for it, here and in the views. (Nothing is
-- left to chance in this block. Tables, types and functions just like ours are refused by CREATE itself.)
do $$
declare
    trap pg_catalog.text;
begin
    select t.what
    into trap
    from (
        select p.oid::pg_catalog.regprocedure::pg_catalog.text as what, p.pronamespace as schema, p.proowner as owner
        from pg_catalog.pg_proc p
        where pg_catalog.starts_with(p.proname::pg_catalog.text, 'calendar_')
           or exists (
               select
               from pg_catalog.pg_proc b
               where b.proname operator(pg_catalog.=) p.proname
                 and b.pronamespace operator(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
           )
        union all
        select o.oid::pg_catalog.regoperator::pg_catalog.text, o.oprnamespace, o.oprowner
        from pg_catalog.pg_operator o
        where exists (
            select
            from pg_catalog.pg_operator b
            where b.oprname operator(pg_catalog.=) o.oprname
              and b.oprnamespace operator(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace
        )
    ) t
    join pg_catalog.pg_roles r on r.oid operator(pg_catalog.=) t.owner
    join pg_catalog.pg_namespace n on n.oid operator(pg_catalog.=) t.schema
    where n.nspname operator(pg_catalog.=) pg_catalog.current_schema()
      and r.rolname operator(pg_catalog.<>) current_user
      and not r.rolsuper
    limit 1;

    if found then
        raise exception 'calendar_sync is not safe in a schema where % could take the place of another of that name', trap
            using errcode = 'insufficient_privilege',
                  detail = 'It belongs to a role that is not a superuser, and would run with the rights of one.',
                  hint = 'CREATE SCHEMA calendar; CREATE EXTENSION calendar_sync SCHEMA calendar;';
    end if;
end
$$;

do $$
begin
    if getdatabaseencoding() <> 'UTF8' then
        raise exception 'calendar_sync needs a database in UTF8, this one is in %', getdatabaseencoding()
            using errcode = 'feature_not_supported',
                  hint = 'Create a database with ENCODING ''UTF8'' and create the extension there.';
    end if;
end
$$;

create type calendar_importance as enum ('LOW', 'NORMAL', 'HIGH');
comment on type calendar_importance is 'importance of an event, as Outlook has it';

create function calendar_uuid_v7() returns uuid
    volatile strict parallel safe
    language c as 'MODULE_PATHNAME', 'calendar_uuid_v7_wrapper';
comment on function calendar_uuid_v7() is
    'a new time-ordered UUID (RFC 9562, version 7); the default of the calendar tables'' keys';
