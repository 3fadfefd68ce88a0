//! Whole stories with real processes: servers, workers, web servers, dumps.
//!
//! Each story makes its own cluster (`calendar_sync_e2e::Cluster`, under a second) and so disturbs no other.

mod access;
mod accounts;
mod accounts_tokens;
mod attack_leaks;
mod attack_leaks_accounts;
mod attack_roles;
mod attack_stolen_dump;
mod attack_web;
mod cleanup;
mod crash;
mod crash_points;
mod disappearing_events;
mod documentation;
mod export;
mod golden_rules;
mod hostile_input;
mod many_feeds;
mod meanwhile;
mod microsoft;
mod monitoring;
mod on_call;
mod outside_calendars;
mod polling;
mod power_automate;
mod prometheus;
mod published_feed;
mod push;
mod push_failures;
mod queries;
mod random_calendars;
mod real_servers;
mod replication;
mod restore;
mod standby;
mod upgrade;
mod web_server;
mod webhooks;
mod worker_commands;
mod worker_crash;
mod worker_databases;
mod worker_extension;
mod worker_life;
mod worker_standby;
mod worker_transactions;
