-- Channels that providers notify us through.

create table calendar_webhook_subscriptions (
    webhook_id uuid not null default calendar_uuid_v7() primary key,
    connection_id uuid not null,
    provider text not null
        check (provider in ('google', 'microsoft', 'notion')),
    subscription_id text collate "C",
    resource_id text,
    resource_path text,
    expiration timestamptz,
    client_state bytea,
    client_state_hash bytea,
    notification_url text not null,
    last_notification_at timestamptz,
    last_message_number bigint,
    is_active boolean not null default true,
    renew_at timestamptz,
    stop_at timestamptz,
    unannounced int not null default 0,
    failures int not null default 0,
    last_error text,
    created_at timestamptz not null default now(),
    constraint calendar_webhook_subscriptions_key unique (subscription_id, provider)
);

create index calendar_webhook_subscriptions_connection_idx on calendar_webhook_subscriptions (connection_id);
create index calendar_webhook_subscriptions_renew_idx on calendar_webhook_subscriptions (renew_at)
    where renew_at is not null;
create index calendar_webhook_subscriptions_stop_idx on calendar_webhook_subscriptions (stop_at)
    where stop_at is not null;

comment on table calendar_webhook_subscriptions is 'channels that providers say through that a calendar has changed';
comment on column calendar_webhook_subscriptions.webhook_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_webhook_subscriptions.connection_id is 'whose calendar';
comment on column calendar_webhook_subscriptions.provider is 'google, microsoft or notion';
comment on column calendar_webhook_subscriptions.subscription_id is 'the provider''s name of the channel; NULL until it is registered, and for Notion, whose channels are of a whole integration';
comment on column calendar_webhook_subscriptions.resource_id is 'the provider''s name of what is watched';
comment on column calendar_webhook_subscriptions.resource_path is 'its path';
comment on column calendar_webhook_subscriptions.expiration is 'when the channel ends by itself; NULL: never';
comment on column calendar_webhook_subscriptions.client_state is 'what proves that a notification is the provider''s, AES-256-GCM ciphertext; NULL where there is none yet, or no more';
comment on column calendar_webhook_subscriptions.client_state_hash is 'keyed hash of it where several channels share one (Notion)';
comment on column calendar_webhook_subscriptions.notification_url is 'where the provider sends notifications';
comment on column calendar_webhook_subscriptions.last_notification_at is 'when the last one came';
comment on column calendar_webhook_subscriptions.last_message_number is 'its number, where the provider counts';
comment on column calendar_webhook_subscriptions.is_active is 'notifications are taken';
comment on column calendar_webhook_subscriptions.renew_at is 'when the worker registers or renews it; NULL: never';
comment on column calendar_webhook_subscriptions.stop_at is 'when the worker ends it at the provider; NULL: never, or done';
comment on column calendar_webhook_subscriptions.unannounced is 'polls in a row that found changes of which no notification had come';
comment on column calendar_webhook_subscriptions.failures is 'tries to register, renew or end it that failed in a row';
comment on column calendar_webhook_subscriptions.last_error is 'why the last one failed; NULL after a success';
comment on column calendar_webhook_subscriptions.created_at is 'when it was asked for';

-- Whoever has the connection's row locked is not waited for. A notice is a row of its own, so that no two of them meet.
create table calendar_webhook_notices (
    notice_id uuid not null default calendar_uuid_v7() primary key,
    connection_id uuid not null
);

comment on table calendar_webhook_notices is 'connections that a notification came for while their rows were locked: the worker makes them due as soon as it can';
comment on column calendar_webhook_notices.notice_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_webhook_notices.connection_id is 'what is to be pulled';

-- Notifications that are refused are logged, but no more of them than is good.
create index calendar_sync_log_refused_idx on calendar_sync_log (created_at)
    where action = 'webhook' and status = 'failed';
