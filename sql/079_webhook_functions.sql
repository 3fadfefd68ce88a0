-- What the functions on webhooks do.

comment on function calendar_webhook_register(uuid, text) is
    'has the provider of a connection''s calendar call that address (https) when something changes; the front end there hands its calls to calendar_webhook_receive';
comment on function calendar_webhook_stop(uuid) is 'ends a channel, here and at the provider';
comment on function calendar_webhook_receive(text, jsonb, jsonb, text) is
    'takes a provider''s call as a front end passes it on (headers as an object; query as an object of decoded parameters, or as it came; the body, byte for byte) and says what to answer; a notification whose secret is right makes its connection due, nothing else does anything';
comment on function calendar_webhook_token(uuid) is
    'the verification token that Notion has sent to a channel, to be pasted into its settings; until the first notification signed with it has come';
