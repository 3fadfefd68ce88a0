-- Logins at providers, and the application's registration there. Every secret is AES-256-GCM ciphertext.

create table calendar_oauth_clients (
    provider text not null primary key
        check (provider in ('google', 'microsoft', 'notion')),
    oauth_client_id uuid not null default calendar_uuid_v7() unique,
    client_id text not null,
    client_secret bytea,
    api_url text,
    authorize_url text,
    token_url text,
    revoke_url text,
    redirect_uris text[] not null default '{}',
    scopes text[],
    options jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

comment on table calendar_oauth_clients is 'the application as it is registered at a provider, and where that is asked';
comment on column calendar_oauth_clients.provider is 'google, microsoft or notion';
comment on column calendar_oauth_clients.oauth_client_id is 'key of the row, which its secret is sealed for';
comment on column calendar_oauth_clients.client_id is 'what the provider calls the application';
comment on column calendar_oauth_clients.client_secret is 'AES-256-GCM ciphertext; NULL for a public client';
comment on column calendar_oauth_clients.api_url is 'base of the API; NULL for the provider''s usual one, as with the other addresses';
comment on column calendar_oauth_clients.authorize_url is 'where users are sent to log in';
comment on column calendar_oauth_clients.token_url is 'where codes and refresh tokens are exchanged';
comment on column calendar_oauth_clients.revoke_url is 'where tokens are revoked';
comment on column calendar_oauth_clients.redirect_uris is 'where users may be sent back to; others are refused';
comment on column calendar_oauth_clients.scopes is 'what users are asked to allow; NULL for what two-way sync needs';
comment on column calendar_oauth_clients.options is 'further settings of the registration';
comment on column calendar_oauth_clients.created_at is 'when it was registered';
comment on column calendar_oauth_clients.updated_at is 'when it was last registered';

-- Unlogged, and not dumped: a login that is under way does not outlive a crash.
create unlogged table calendar_oauth_states (
    state_hash bytea not null primary key,
    state_id uuid not null default calendar_uuid_v7() unique,
    provider text not null,
    user_id text not null,
    redirect_uri text not null,
    code_verifier bytea not null,
    expires_at timestamptz not null
);

comment on table calendar_oauth_states is 'logins under way, each for ten minutes and to be finished once';
comment on column calendar_oauth_states.state_hash is 'SHA-256 of the state that the provider hands back';
comment on column calendar_oauth_states.state_id is 'key of the row, which its secret is sealed for';
comment on column calendar_oauth_states.provider is 'where the user logs in';
comment on column calendar_oauth_states.user_id is 'who began it, and alone may finish it';
comment on column calendar_oauth_states.redirect_uri is 'where the provider sends the user back to';
comment on column calendar_oauth_states.code_verifier is 'PKCE verifier (RFC 7636), AES-256-GCM ciphertext';
comment on column calendar_oauth_states.expires_at is 'when it can be finished no more';

create table calendar_accounts (
    account_id uuid not null default calendar_uuid_v7() primary key,
    user_id text collate "C" not null,
    provider text not null
        check (provider in ('google', 'microsoft', 'notion')),
    account_email text,
    access_token bytea,
    refresh_token bytea,
    token_expires_at timestamptz,
    scopes text[],
    status text not null default 'active'
        check (status in ('active', 'reauth_required', 'disabled')),
    last_error text,
    token_generation bigint not null default 0,
    refresh_until timestamptz,
    refreshed_by int,
    refreshed_by_start timestamptz,
    refresh_not_before timestamptz,
    refresh_failures int not null default 0,
    rejected_generation bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create unique index calendar_accounts_email_key on calendar_accounts (user_id, provider, account_email)
    nulls not distinct
    where status <> 'disabled';

comment on table calendar_accounts is 'users'' logins at providers, with their tokens';
comment on column calendar_accounts.account_id is 'key; time-ordered (UUIDv7)';
comment on column calendar_accounts.user_id is 'owner';
comment on column calendar_accounts.provider is 'google, microsoft or notion';
comment on column calendar_accounts.account_email is 'the login''s name at the provider';
comment on column calendar_accounts.access_token is 'AES-256-GCM ciphertext';
comment on column calendar_accounts.refresh_token is 'AES-256-GCM ciphertext; NULL where the access token does not expire, or can''t be renewed';
comment on column calendar_accounts.token_expires_at is 'when the access token expires; NULL: not known, or never';
comment on column calendar_accounts.scopes is 'what the user has allowed';
comment on column calendar_accounts.status is 'active, reauth_required (the user has to log in again) or disabled (removed)';
comment on column calendar_accounts.last_error is 'why the tokens could not be renewed; NULL after a success';
comment on column calendar_accounts.token_generation is 'counts the tokens; who renews them replaces those of the generation that it read';
comment on column calendar_accounts.refresh_until is 'somebody renews the tokens until then at the latest';
comment on column calendar_accounts.refreshed_by is 'the process that does; once it is no more, somebody else may';
comment on column calendar_accounts.refreshed_by_start is 'when that was started';
comment on column calendar_accounts.refresh_not_before is 'not renewed before then, since it failed';
comment on column calendar_accounts.refresh_failures is 'failures in a row';
comment on column calendar_accounts.rejected_generation is
    'generation of the tokens that the provider refused last; NULL once those that came after have worked';
comment on column calendar_accounts.created_at is 'when it was added';
comment on column calendar_accounts.updated_at is 'when it was last added or renewed';
