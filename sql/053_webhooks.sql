-- Channels that providers notify us through.

create table calendar_webhook_subscriptions (
    webhook_id uuid not null default calendar_uuid_v7() primary key,
    connection_id uuid not null,
    provider text not null
        check (provider in ('google', 'microsoft', 'notion')),
    subscription_id text,
    resource_id text,
    resource_path text,
    expiration timestamptz,
    client_state bytea,
    notification_url text not null,
    last_notification_at timestamptz,
    last_message_number bigint,
    is_active boolean not null default true,
    renew_at timestamptz,
    failures int not null default 0,
    last_error text,
    created_at timestamptz not null default now(),
    constraint calendar_webhook_subscriptions_key unique (subscription_id, provider)
);

create index calendar_webhook_subscriptions_connection_idx on calendar_webhook_subscriptions (connection_id);
create index calendar_webhook_subscriptions_renew_idx on calendar_webhook_subscriptions (renew_at)
    where is_active;

comment on table calendar_webhook_subscriptions is 'channels that providers say through that a calendar has changed';
comment on column calendar_webhook_subscriptions.webhook_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_webhook_subscriptions.connection_id is 'whose calendar';
comment on column calendar_webhook_subscriptions.provider is 'google, microsoft or notion';
comment on column calendar_webhook_subscriptions.subscription_id is 'the provider''s name of the channel; NULL until it is registered';
comment on column calendar_webhook_subscriptions.resource_id is 'the provider''s name of what is watched';
comment on column calendar_webhook_subscriptions.resource_path is 'its path';
comment on column calendar_webhook_subscriptions.expiration is 'when the channel ends by itself; NULL: never';
comment on column calendar_webhook_subscriptions.client_state is 'what proves that a notification is the provider''s, AES-256-GCM ciphertext';
comment on column calendar_webhook_subscriptions.notification_url is 'where the provider sends notifications';
comment on column calendar_webhook_subscriptions.last_notification_at is 'when the last one came';
comment on column calendar_webhook_subscriptions.last_message_number is 'its number, where the provider counts';
comment on column calendar_webhook_subscriptions.is_active is 'notifications are taken';
comment on column calendar_webhook_subscriptions.renew_at is 'when the worker renews it, or tries to register it again';
comment on column calendar_webhook_subscriptions.failures is 'tries to register or renew it that failed in a row';
comment on column calendar_webhook_subscriptions.last_error is 'why the last one failed';
comment on column calendar_webhook_subscriptions.created_at is 'when it was asked for';
