-- The last of the script: nothing for PUBLIC. Tables give nothing by default; functions would.

do $$
declare
    member regprocedure;
begin
    for member in
        select d.objid
        from pg_catalog.pg_depend d
        where d.refclassid = 'pg_catalog.pg_extension'::regclass
          and d.refobjid = (select oid from pg_catalog.pg_extension where extname = 'calendar_sync')
          and d.classid = 'pg_catalog.pg_proc'::regclass
          and d.deptype = 'e'
    loop
        execute format('revoke all on function %s from public', member);
    end loop;
end
$$;
