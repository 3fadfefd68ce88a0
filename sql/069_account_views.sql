-- What a DBA sees of accounts. No token in it.

create view calendar_account_status as
select
    a.account_id,
    a.user_id,
    a.provider,
    a.account_email,
    a.status,
    a.token_expires_at,
    a.scopes,
    (
        select count(*)
        from calendar_connections c
        where c.account_id = a.account_id
          and c.status <> 'removed'
    ) as connections,
    a.last_error
from calendar_accounts a;
comment on view calendar_account_status is 'every login at a provider, and how it is';
comment on column calendar_account_status.account_id is 'the account';
comment on column calendar_account_status.user_id is 'its owner';
comment on column calendar_account_status.provider is 'google, microsoft or notion';
comment on column calendar_account_status.account_email is 'the login''s name at the provider';
comment on column calendar_account_status.status is
    'active, reauth_required (the user has to log in again) or disabled (removed)';
comment on column calendar_account_status.token_expires_at is
    'when the access token expires, which is renewed before; NULL: not known, or never';
comment on column calendar_account_status.scopes is 'what the user has allowed';
comment on column calendar_account_status.connections is 'calendars that are reached through it';
comment on column calendar_account_status.last_error is 'why its tokens could not be renewed; NULL after a success';
