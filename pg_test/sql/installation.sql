-- What CREATE EXTENSION leaves behind: nothing for PUBLIC, and a comment on every object.

-- Functions that PUBLIC may call, tables that PUBLIC may read.
select p.oid::regprocedure
from pg_depend d
join pg_proc p on p.oid = d.objid
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
  and d.classid = 'pg_proc'::regclass
  and d.deptype = 'e'
  and has_function_privilege('public', p.oid, 'execute');

select c.oid::regclass
from pg_depend d
join pg_class c on c.oid = d.objid
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
  and d.classid = 'pg_class'::regclass
  and d.deptype = 'e'
  and c.relkind in ('r', 'v', 'p')
  and has_table_privilege('public', c.oid, 'select, insert, update, delete, truncate, references, trigger');

-- Functions, types, tables and views without a comment; then columns without one.
select pg_describe_object(d.classid, d.objid, 0) as uncommented
from pg_depend d
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
  and d.deptype = 'e'
  and obj_description(d.objid, d.classid::regclass::name) is null
  -- From 16 on the row and array types of tables are members, too.
  and not exists (
      select from pg_type t
      where d.classid = 'pg_type'::regclass
        and t.oid = d.objid
        and (t.typtype = 'c' or t.typelem <> 0)
  )
order by 1;

select a.attrelid::regclass, a.attname
from pg_depend d
join pg_class c on c.oid = d.objid and d.classid = 'pg_class'::regclass
join pg_attribute a on a.attrelid = c.oid
where d.refobjid = (select oid from pg_extension where extname = 'calendar_sync')
  and d.deptype = 'e'
  and c.relkind in ('r', 'v', 'p')
  and a.attnum > 0
  and not a.attisdropped
  and col_description(a.attrelid, a.attnum) is null
order by 1, 2;
