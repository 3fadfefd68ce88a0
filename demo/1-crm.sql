-- A CRM's own tables, as they may have stood for years.
create table app_user (
    user_id uuid primary key default gen_random_uuid(),
    email text not null unique
);
create table customer (
    customer_id uuid primary key default gen_random_uuid(),
    name text not null
);
create table contact (
    contact_id uuid primary key default gen_random_uuid(),
    first_name text,
    last_name text
);
create table interaction (
    interaction_id uuid primary key default gen_random_uuid(),
    interaction_type text not null default 'visit',
    subject text,
    description text,
    location text,
    interaction_date timestamptz,
    duration_minutes int,
    archived boolean not null default false,
    customer_id uuid references customer,
    contact_id uuid references contact,
    created_by uuid references app_user,
    updated_by uuid references app_user,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);
insert into app_user (email) values ('ada@example.com'), ('grace@example.com');
insert into customer (name) values ('Kestrel Ltd'), ('Osprey GmbH'), ('Heron SA');
insert into contact (first_name, last_name) values ('Rosa', 'Klein'), ('Piet', 'Visser');

\echo 'CREATE EXTENSION finds the one table named interaction and follows it from then on.'
create extension calendar_sync;

\echo
\echo 'Its events shall belong to the e-mail address of who made the interaction, and keep its type: that is a mapping.'
select calendar_attach('interaction', '{
    "user": {"column": "created_by", "table": "app_user", "key": "user_id", "name": "email"},
    "event_type": "interaction_type",
    "time_zone": "Europe/Berlin"
}') \g /dev/null
