\echo 'A bulk load: one statement, one batch.'
\timing on
insert into interaction (subject, interaction_date, duration_minutes, customer_id, created_by)
select 'Imported visit ' || n, now() + n * interval '10 minutes', 30, c.customer_id, u.user_id
from generate_series(1, :rows) as n
cross join (select customer_id from customer where name = 'Osprey GmbH') c
cross join (select user_id from app_user where email = 'grace@example.com') u;
\timing off
select count(*) as events, count(*) filter (where title like 'Imported%') as from_the_bulk_load from calendar_events;
\echo 'The log says it for each (kept for 90 days), newest first in a view:'
select action, status, count(*) from calendar_sync_log group by action, status order by action, status;
select * from calendar_sync_recent limit 3;
