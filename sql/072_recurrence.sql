-- Recurrence rules (RFC 5545, 3.3.10) as functions.
--
-- A set-returning C function in FROM is materialised before its first row is seen. An SQL function around one in the
-- select list is inlined and streams: therefore the pairs below. The outer ones must not be STRICT, SET anything or be
-- SECURITY DEFINER.

create function calendar_rrule_occurrences_each(
    rule text,
    dtstart timestamptz,
    time_zone text,
    range_start timestamptz,
    range_end timestamptz,
    exdates timestamptz[],
    rdates timestamptz[],
    max_count int
) returns setof timestamptz
    immutable parallel safe
    language c as 'MODULE_PATHNAME', 'calendar_rrule_occurrences_each_wrapper';
comment on function calendar_rrule_occurrences_each(
    text, timestamptz, text, timestamptz, timestamptz, timestamptz[], timestamptz[], int
) is 'the work of calendar_rrule_occurrences, value per call; call that instead';

create function calendar_rrule_occurrences(
    rule text,
    dtstart timestamptz,
    time_zone text default 'UTC',
    range_start timestamptz default null,
    range_end timestamptz default null,
    exdates timestamptz[] default '{}',
    rdates timestamptz[] default '{}',
    max_count int default 10000
) returns setof timestamptz
    immutable parallel safe
    language sql
begin atomic
    select calendar_rrule_occurrences_each(
        rule, dtstart, time_zone, range_start, range_end, exdates, rdates, max_count
    );
end;
comment on function calendar_rrule_occurrences(
    text, timestamptz, text, timestamptz, timestamptz, timestamptz[], timestamptz[], int
) is 'occurrences of a recurrence rule in order, on the wall clock of time_zone (NULL: UTC), both ends of the range inclusive (NULL: none); with rdates, without exdates; the first max_count (NULL: all). DTSTART is among them only if the rule gives it. No rule or no dtstart: no rows';

create function calendar_rrule_dates_each(
    rule text,
    dtstart date,
    range_start date,
    range_end date,
    exdates date[],
    rdates date[],
    max_count int
) returns setof date
    immutable parallel safe
    language c as 'MODULE_PATHNAME', 'calendar_rrule_dates_each_wrapper';
comment on function calendar_rrule_dates_each(text, date, date, date, date[], date[], int) is
    'the work of calendar_rrule_dates, value per call; call that instead';

create function calendar_rrule_dates(
    rule text,
    dtstart date,
    range_start date default null,
    range_end date default null,
    exdates date[] default '{}',
    rdates date[] default '{}',
    max_count int default 10000
) returns setof date
    immutable parallel safe
    language sql
begin atomic
    select calendar_rrule_dates_each(rule, dtstart, range_start, range_end, exdates, rdates, max_count);
end;
comment on function calendar_rrule_dates(text, date, date, date, date[], date[], int) is
    'dates of an all-day series'' recurrence rule, as calendar_rrule_occurrences gives instants; FREQ is DAILY or longer';

create function calendar_rrule_next(
    rule text,
    dtstart timestamptz,
    time_zone text,
    after timestamptz
) returns timestamptz
    immutable parallel safe
    language c as 'MODULE_PATHNAME', 'calendar_rrule_next_wrapper';
comment on function calendar_rrule_next(text, timestamptz, text, timestamptz) is
    'the first occurrence of a recurrence rule strictly after a time, on the wall clock of time_zone (NULL: UTC); NULL if there is none';

create function calendar_rrule_is_valid(rule text) returns boolean
    immutable strict parallel safe
    language c as 'MODULE_PATHNAME', 'calendar_rrule_is_valid_wrapper';
comment on function calendar_rrule_is_valid(text) is
    'whether a text is a recurrence rule by RFC 5545, 3.3.10, with or without RRULE: before it';

create function calendar_rrule_text(rule text) returns text
    immutable strict parallel safe
    language c as 'MODULE_PATHNAME', 'calendar_rrule_text_wrapper';
comment on function calendar_rrule_text(text) is
    'a recurrence rule in plain English: every 2 weeks on Monday and Friday, 10 times';
