-- The CRM that all alternatives share: customers, contacts, interactions; the extension's tables, to be written by
-- whichever trigger the alternative has.

create extension calendar_sync;
create schema crm;

create table crm.customer (
    customer_id uuid primary key default gen_random_uuid(),
    number int not null unique,
    name text not null
);
create table crm.contact (
    contact_id uuid primary key default gen_random_uuid(),
    number int not null unique,
    first_name text not null,
    last_name text not null
);
create table crm.interaction (
    interaction_id uuid primary key default gen_random_uuid(),
    customer_id uuid,
    contact_id uuid,
    interaction_type varchar(50),
    subject varchar(255),
    description text,
    location text,
    interaction_date timestamptz,
    duration_minutes int,
    archived boolean default false,
    opportunity_id uuid,
    internal_note text,
    created_by uuid,
    updated_by uuid,
    created_at timestamptz default now(),
    updated_at timestamptz default now(),
    calendar_synced_at timestamptz
);

insert into crm.customer (number, name) select i, 'Customer ' || i from generate_series(1, 5000) i;
insert into crm.contact (number, first_name, last_name) select i, 'First' || i, 'Last' || i from generate_series(1, 5000) i;

-- n interactions as a bulk load brings them.
create view crm.load as
select i,
       c.customer_id,
       k.contact_id,
       'Visit ' || i as subject,
       'What was said and agreed at visit ' || i as description,
       'Office ' || i % 100 as location,
       now() + i % 5000 * interval '1 hour' as interaction_date,
       15 * (1 + i % 8) as duration_minutes,
       md5((i % 50)::text)::uuid as created_by
from generate_series(1, 100000) i
join crm.customer c on c.number = 1 + i % 5000
join crm.contact k on k.number = 1 + i * 7 % 5000;

vacuum analyze crm.customer;
vacuum analyze crm.contact;
