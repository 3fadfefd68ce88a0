-- What a DBA looks at: the channels that providers notify us through.

create view calendar_webhook_health as
select
    provider,
    count(*) as total,
    count(*) filter (where is_active and coalesce(expiration > now(), true)) as active,
    count(*) filter (where is_active and expiration > now() and expiration <= now() + interval '1 hour') as expiring_within_hour,
    count(*) filter (where is_active and expiration <= now()) as expired,
    count(*) filter (where failures > 0) as failing,
    max(last_notification_at) as last_notification_at
from calendar_webhook_subscriptions
group by provider;
comment on view calendar_webhook_health is 'channels that providers notify us through, by provider';
comment on column calendar_webhook_health.provider is 'google, microsoft or notion';
comment on column calendar_webhook_health.total is 'channels that there are, those included that have ended and those that are not registered yet';
comment on column calendar_webhook_health.active is 'those that notifications are taken from';
comment on column calendar_webhook_health.expiring_within_hour is 'of these, those that end within an hour: renewed a day before that, there should be none';
comment on column calendar_webhook_health.expired is 'those that have ended without anybody wanting it: the worker registers them again';
comment on column calendar_webhook_health.failing is 'those that could not be registered, renewed or ended at the last try; see last_error in calendar_webhook_subscriptions';
comment on column calendar_webhook_health.last_notification_at is 'when the last notification came';
