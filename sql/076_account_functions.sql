-- What the functions on accounts do.

comment on function calendar_oauth_register(text, text, text, jsonb) is
    'says how this application is registered at a provider (google, microsoft or notion), in place of what was said before; options: redirect_uris, scopes, api_url, authorize_url, token_url, revoke_url, for microsoft tenant; for the extension''s owner alone';
comment on function calendar_oauth_begin(text, text, text) is
    'the URL to send a user to who is to log in at a provider; redirect_uri must be a registered one. Good for ten minutes, once, for this user';
comment on function calendar_oauth_finish(text, text, text) is
    'stores the login that the provider has sent back to the redirect_uri with state and code; returns the account. The same login again is the same account. The code is spent even if the transaction is rolled back';
comment on function calendar_account_add(text, text, text, text, timestamptz, text) is
    'stores the tokens of an application that did OAuth itself, or a token of a Notion integration; returns the account. The account_email that the user has an account of (or none, again) gets these tokens; without a refresh_token it keeps the one that it has';
comment on function calendar_account_remove(uuid) is
    'ends an account: its tokens are wiped, and revoked at the provider where it can be; its connections end as with calendar_unsubscribe, past events stay';
comment on function calendar_account_calendars(uuid) is
    'the calendars that an account can see (of Notion: its databases), as the provider says now';
comment on function calendar_connect(uuid, text, text, text, text, jsonb) is
    'connects a calendar that an account can see: direction pull, push or both; visibility of what is sent: details, or busy (time only); options: conflict_policy, filter, mirror_from, delegate_email, poll_interval, time_zone, properties. Called again it changes all of these; what was unsubscribed from revives';
