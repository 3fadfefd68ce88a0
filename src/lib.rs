//! calendar_sync: a PostgreSQL extension that makes a CRM's own database its calendar hub.

::pgrx::pg_module_magic!(name, version);
