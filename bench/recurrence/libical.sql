-- libical in the backend, in the form that streams, as the extension's own functions.

create function libical_occurrences_each(rule text, dtstart timestamptz, time_zone text) returns setof timestamptz
    immutable strict
    language c as :'library', 'libical_occurrences';

create function libical_occurrences(rule text, dtstart timestamptz, time_zone text) returns setof timestamptz
    immutable
    language sql
begin atomic
    select libical_occurrences_each(rule, dtstart, time_zone);
end;
