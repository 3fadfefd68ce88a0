-- Functions over calendar files.

comment on function calendar_ics_export(text, timestamptz, timestamptz, text) is
    'the user''s calendar as an ICS file (RFC 5545): series with their rules, a VTIMEZONE for every zone; visibility details, or busy for times alone';
comment on function calendar_ics_import(text, text, text) is
    'takes the events of an ICS file under the name of a source: created, updated, or unchanged and not written; one that can''t be read gets its error in its row';
