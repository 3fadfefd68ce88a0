-- pg_dump carries every row of these tables (a table that an extension makes is otherwise dumped without its rows).

select pg_extension_config_dump('calendar_installation', '');
select pg_extension_config_dump('calendar_tracked_tables', '');
select pg_extension_config_dump('calendar_oauth_clients', '');
select pg_extension_config_dump('calendar_accounts', '');
select pg_extension_config_dump('calendar_connections', '');
select pg_extension_config_dump('calendar_event_links', '');
select pg_extension_config_dump('calendar_sync_queue', '');
select pg_extension_config_dump('calendar_webhook_subscriptions', '');
select pg_extension_config_dump('calendar_webhook_notices', '');
select pg_extension_config_dump('calendar_feeds', '');
-- What there is a policy for: a role that was dropped, or renamed, leaves its row here, and its name may be another's by now.
select pg_extension_config_dump('calendar_grants', $$
    where exists (
        select
        from pg_catalog.pg_class grants
        join pg_catalog.pg_class events on events.relnamespace = grants.relnamespace
        join pg_catalog.pg_policy p on p.polrelid = events.oid
        join pg_catalog.pg_roles r on p.polroles = array[r.oid]
        where grants.oid = calendar_grants.tableoid
          and events.relname = 'calendar_events'
          and starts_with(p.polname, 'calendar_' || level || '_')
          and r.rolname = role
    )
$$);
select pg_extension_config_dump('calendar_series', '');
select pg_extension_config_dump('calendar_events', '');
select pg_extension_config_dump('calendar_sync_log', '');
select pg_extension_config_dump('calendar_sync_failures', '');
