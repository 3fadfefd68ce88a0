\echo 'Ada subscribes to her team''s calendar by its address. It is stored encrypted; the worker fetches it from here on.'
select calendar_subscribe('ada@example.com', :'url', name => 'Sales team') is not null as subscribed;
