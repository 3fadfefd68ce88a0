-- calendar_sync itself, which also stamps each interaction and isolates each row's failure.

set client_min_messages = error;
select calendar_attach('crm.interaction');
