-- CREATE EXTENSION attaches by itself if exactly one table named interaction with the required columns is there. That it
-- can't, for whatever reason, is no reason for the extension not to be created.

do $$
declare
    candidates regclass[];
begin
    select array_agg(c.oid)
    into candidates
    from pg_catalog.pg_class c
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relname = 'interaction'
      and c.relkind in ('r', 'p')
      and c.relpersistence <> 't'
      and not c.relispartition
      and n.nspname <> 'information_schema'
      and n.nspname not like 'pg\_%'
      and (
          select count(*)
          from pg_catalog.pg_attribute a
          where a.attrelid = c.oid
            and not a.attisdropped
            and a.attname in ('interaction_id', 'subject', 'interaction_date', 'created_by')
      ) = 4;

    if cardinality(candidates) = 1 then
        perform calendar_attach(candidates[1]);
    elsif cardinality(candidates) > 1 then
        raise info 'calendar_sync: no table is attached, there are several named interaction: %', candidates
            using hint = 'SELECT calendar_attach(''schema.table'') for each that is to have a calendar.';
    else
        raise info 'calendar_sync: no table is attached yet'
            using hint = 'SELECT calendar_attach(''schema.table'') for the table that holds the CRM''s interactions.';
    end if;
exception
    when others then
        raise info 'calendar_sync: % was not attached: %', candidates[1], sqlerrm
            using hint = 'SELECT calendar_attach(''schema.table'', ''{...}'') with a mapping that fits it.';
end
$$;
