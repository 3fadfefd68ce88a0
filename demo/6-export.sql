\echo 'All of it as a calendar file, for any calendar program (BEGIN:VEVENT ... with rules and time zones):'
\pset tuples_only on
\pset format unaligned
\o :file
select calendar_ics_export('ada@example.com');
\o
