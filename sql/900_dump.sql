-- pg_dump carries every row of these tables (a table that an extension makes is otherwise dumped without its rows).

select pg_extension_config_dump('calendar_installation', '');
select pg_extension_config_dump('calendar_tracked_tables', '');
select pg_extension_config_dump('calendar_connections', '');
select pg_extension_config_dump('calendar_feeds', '');
select pg_extension_config_dump('calendar_grants', 'where exists (select from pg_catalog.pg_roles where rolname = role)');
select pg_extension_config_dump('calendar_series', '');
select pg_extension_config_dump('calendar_events', '');
select pg_extension_config_dump('calendar_sync_log', '');
select pg_extension_config_dump('calendar_sync_failures', '');
