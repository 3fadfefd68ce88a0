\echo 'Ada plans three visits and a phone call of unknown length; the CRM writes to its own table and nothing else.'
insert into interaction (subject, interaction_type, location, interaction_date, duration_minutes, customer_id, contact_id, created_by)
select v.subject, v.type, v.location, v.starts, v.minutes, c.customer_id, p.contact_id, u.user_id
from (values
    ('Annual review', 'visit', 'Kestrel, Hamburg', date_trunc('day', now()) + interval '1 day 9 hours', 60, 'Kestrel Ltd', 'Rosa'),
    ('Installation', 'visit', 'Osprey, Bremen', date_trunc('day', now()) + interval '1 day 13 hours', 180, 'Osprey GmbH', 'Piet'),
    ('Contract talks', 'meeting', null, date_trunc('day', now()) + interval '2 days 10 hours', 90, 'Heron SA', null),
    ('Call back', 'call', null, date_trunc('day', now()) + interval '2 days 15 hours', null, 'Kestrel Ltd', 'Rosa')
) as v (subject, type, location, starts, minutes, customer, contact)
join customer c on c.name = v.customer
left join contact p on p.first_name = v.contact
cross join (select user_id from app_user where email = 'ada@example.com') u;

\echo
\echo 'calendar_events: one row each, in the same transaction. The call has no length, so it is all-day and blocks nothing.'
select user_id, title, event_type, event_date at time zone 'Europe/Berlin' as starts, start_time, end_time, all_day, show_as, participants
from calendar_events
order by event_date;

\echo 'The review is put off by a day, the contract talks are archived, the call is deleted.'
update interaction set interaction_date = interaction_date + interval '1 day' where subject = 'Annual review';
update interaction set archived = true where subject = 'Contract talks';
delete from interaction where subject = 'Call back';

\echo
\echo 'The first has moved, the second is cancelled but stays as history, the third is gone.'
select title, event_status, event_date at time zone 'Europe/Berlin' as starts, start_time, end_time, participants
from calendar_events
order by event_date;

\echo 'Bad data never fails the CRM: an interaction of minus ten minutes is kept, what could not be synced is on record.'
insert into interaction (subject, interaction_date, duration_minutes, created_by)
select 'Typing error', date_trunc('hour', now()) + interval '3 days', -10, user_id from app_user where email = 'ada@example.com';
\x on
select * from calendar_failures_pending;
\x off
\echo 'Corrected in the CRM, it resolves itself.'
update interaction set duration_minutes = 10 where subject = 'Typing error';
select count(*) as failures_pending from calendar_failures_pending;
