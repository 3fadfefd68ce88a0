-- What the functions on published feeds do.

comment on function calendar_feed_create(text, text, text, jsonb) is
    'publishes a user''s calendar under a secret token, which is shown this once; visibility details, or busy for times alone; filter such as {"event_type": ["meeting"], "categories": [..], "external_source": [..], "metadata": {..}}';
comment on function calendar_feed(text) is
    'the calendar (text/calendar) that is published under that token, for whoever knows it; one and the same error for a token that is unknown, replaced or switched off';
comment on function calendar_feed_rotate(uuid) is
    'gives a feed a new token, which is shown this once; the old one opens nothing from then on. One that was switched off is switched on again';
comment on function calendar_feed_disable(uuid) is
    'switches a feed off: its token opens nothing until calendar_feed_rotate gives it a new one';
