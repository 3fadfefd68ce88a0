//! Logical replication apply: a subscriber's attached table has its events, where its mapping says so.

use calendar_sync_e2e::{Cluster, count, eventually};

#[test]
fn rows_that_arrive_by_logical_replication_have_their_events_where_the_mapping_says_replica() {
    let publisher = Cluster::start_with(&[("calendar_sync.worker", "off"), ("wal_level", "logical")]);
    let mut source = publisher.create_database("crm");
    source
        .batch_execute(
            "create table interaction (
                 interaction_id uuid primary key, subject text, interaction_date timestamptz, duration_minutes int,
                 archived boolean default false, created_by uuid);
             create table unfollowed (like interaction including all);
             create publication crm for table interaction, unfollowed;",
        )
        .expect("the publisher's tables");

    let subscriber = Cluster::start_with(&[("calendar_sync.worker", "off")]);
    let mut client = subscriber.create_database("crm");
    let connection = publisher.connection_string("crm").replace('\'', "''");
    client
        .batch_execute(
            "create table interaction (
                 interaction_id uuid primary key, subject text, interaction_date timestamptz, duration_minutes int,
                 archived boolean default false, created_by uuid);
             create table unfollowed (like interaction including all);
             create extension if not exists calendar_sync;
             select calendar_attach('interaction', '{\"replica\": true, \"synced_at\": false}');
             select calendar_attach('unfollowed', '{\"synced_at\": false}');",
        )
        .expect("the subscriber's tables");
    // Not within a transaction, as several statements at once would be.
    client
        .batch_execute(&format!("create subscription crm connection '{connection}' publication crm"))
        .expect("the subscription");
    // What is copied at first comes as it is by then; what this is about is the stream of changes after it.
    eventually("the tables follow", || {
        count(&mut client, "select count(*) from pg_subscription_rel where srsubstate = 'r'") == 2
    });

    source
        .batch_execute(
            "insert into interaction
             select gen_random_uuid(), 'Visit ' || i, now() + i * interval '1 hour', 30, false, gen_random_uuid()
             from generate_series(1, 100) i;
             insert into unfollowed select * from interaction;
             update interaction set subject = subject || '!' where subject like '%1';
             update interaction set archived = true where subject like '%2';
             delete from interaction where subject like '%3';",
        )
        .expect("the publisher's changes");

    let left = count(&mut source, "select count(*) from interaction");
    eventually("all has arrived", || {
        count(&mut client, "select count(*) from interaction where archived or subject like '%!'") == 20
            && count(&mut client, "select count(*) from interaction") == left
            && count(&mut client, "select count(*) from unfollowed") == 100
    });
    let events = "select count(*) from calendar_events e join interaction i on i.interaction_id = e.related_id
                  where e.title = i.subject and (e.event_status = 'cancelled') = i.archived";
    assert_eq!(count(&mut client, events), left);
    assert_eq!(count(&mut client, "select count(*) from calendar_events"), left, "nothing of what is not followed");
    client.batch_execute("drop subscription crm").expect("the subscription goes");
}
