//! A CRM's own tables, for stories about interactions.

use postgres::Client;

/// Makes the tables `app_user`, `customer` and `interaction`, a user (ada@example.com) and a customer, creates the
/// extension and attaches `interaction` with events owned by the user's e-mail address.
pub fn create_crm(client: &mut Client) {
    client
        .batch_execute(
            r#"
            create table app_user (user_id uuid primary key, email text not null);
            create table customer (customer_id uuid primary key, name text not null);
            create table interaction (
                interaction_id uuid primary key default gen_random_uuid(),
                subject text,
                description text,
                location text,
                interaction_date timestamptz,
                duration_minutes int,
                archived boolean not null default false,
                customer_id uuid,
                created_by uuid,
                updated_by uuid,
                created_at timestamptz not null default now(),
                updated_at timestamptz not null default now()
            );
            insert into app_user values ('a0000000-0000-4000-8000-000000000001', 'ada@example.com');
            insert into customer values ('c0000000-0000-4000-8000-000000000001', 'Kestrel Ltd');
            create extension if not exists calendar_sync;
            select calendar_attach('interaction', '{
                "user": {"column": "created_by", "table": "app_user", "key": "user_id", "name": "email"}
            }');
            "#,
        )
        .unwrap_or_else(|error| panic!("the CRM's tables: {error:?}"));
}

/// A statement that inserts interactions numbered from $1 to $2, an hour from now on, each a minute after the other.
pub const INSERT_INTERACTIONS: &str = "
    insert into interaction (subject, interaction_date, duration_minutes, customer_id, created_by)
    select 'visit ' || n, now() + interval '1 hour' + n * interval '1 minute', 30,
           'c0000000-0000-4000-8000-000000000001', 'a0000000-0000-4000-8000-000000000001'
    from generate_series($1::int, $2::int) as n";
