-- What everything else stands on: the encoding, and the types.

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
