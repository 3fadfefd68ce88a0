-- Everything that the extension is made of, as text, so that two installations can be compared line by line.
with member as (
    select d.classid, d.objid
    from pg_catalog.pg_depend d
    join pg_catalog.pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_catalog.pg_extension'::regclass
    where e.extname = 'calendar_sync' and d.deptype = 'e'
), relation as (
    select c.*
    from member m
    join pg_catalog.pg_class c on c.oid = m.objid and m.classid = 'pg_catalog.pg_class'::regclass
), line (text) as (
    select format('%s: comment %s', pg_describe_object(classid, objid, 0), quote_nullable(obj_description(objid, (select relname from pg_class where oid = classid))))
    from member

    union all
    select format('%s: kind %s, persistence %s, row security %s, options %s, acl %s',
        oid::regclass, relkind, relpersistence, relrowsecurity, reloptions, relacl)
    from relation

    union all
    select format('%s column %s %I: %s%s, default %s%s, comment %s',
        r.oid::regclass, row_number() over (partition by r.oid order by a.attnum), a.attname,
        format_type(a.atttypid, a.atttypmod), case when a.attnotnull then ' not null' else '' end,
        coalesce(pg_get_expr(d.adbin, d.adrelid), 'none'), a.attgenerated,
        quote_nullable(col_description(r.oid, a.attnum)))
    from relation r
    join pg_catalog.pg_attribute a on a.attrelid = r.oid and a.attnum > 0 and not a.attisdropped
    left join pg_catalog.pg_attrdef d on d.adrelid = r.oid and d.adnum = a.attnum
    where r.relkind in ('r', 'p', 'v', 'm')

    union all
    select format('%s constraint %I: %s', r.oid::regclass, c.conname, pg_get_constraintdef(c.oid))
    from relation r
    join pg_catalog.pg_constraint c on c.conrelid = r.oid

    union all
    select format('%s index: %s', r.oid::regclass, pg_get_indexdef(i.indexrelid))
    from relation r
    join pg_catalog.pg_index i on i.indrelid = r.oid

    union all
    select format('%s trigger: %s', r.oid::regclass, pg_get_triggerdef(t.oid))
    from relation r
    join pg_catalog.pg_trigger t on t.tgrelid = r.oid and not t.tgisinternal

    union all
    select format('%s rule: %s', r.oid::regclass, pg_get_ruledef(w.oid))
    from relation r
    join pg_catalog.pg_rewrite w on w.ev_class = r.oid

    union all
    select format('%s: acl %s, %s', p.oid::regprocedure, p.proacl, pg_get_functiondef(p.oid))
    from member m
    join pg_catalog.pg_proc p on p.oid = m.objid and m.classid = 'pg_catalog.pg_proc'::regclass
    where p.prokind in ('f', 'p')

    union all
    select format('%s: labels %s', t.oid::regtype, (select array_agg(enumlabel order by enumsortorder) from pg_catalog.pg_enum where enumtypid = t.oid))
    from member m
    join pg_catalog.pg_type t on t.oid = m.objid and m.classid = 'pg_catalog.pg_type'::regclass
    where t.typtype = 'e'

    union all
    select format('dumped: %s %s', config::regclass, condition)
    from pg_catalog.pg_extension e, unnest(e.extconfig, e.extcondition) as dumped (config, condition)
    where e.extname = 'calendar_sync'
)
select text
from line
order by text collate "C";
