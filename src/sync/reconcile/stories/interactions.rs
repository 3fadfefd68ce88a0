//! Events of the CRM's interactions: what is theirs is not taken from a calendar.

#[pgrx::pg_schema]
mod tests {
    use super::super::*;

    fn interaction() {
        Spi::run(&format!(
            "create table interaction (
                 interaction_id uuid primary key default gen_random_uuid(), subject text, description text, location text,
                 interaction_date timestamptz, duration_minutes int, archived boolean default false, created_by text,
                 updated_by uuid, created_at timestamptz default now(), updated_at timestamptz default now(),
                 customer_id uuid, contact_id uuid
             );
             select calendar_attach('interaction');
             insert into interaction (subject, interaction_date, duration_minutes, created_by)
             values ('visit', '{}', 60, 'ada')",
            at(0)
        ))
        .unwrap();
    }

    #[pg_test]
    fn what_is_the_crms_stays_and_is_sent_back_and_the_rest_is_taken() {
        connect("remote");
        interaction();
        assert_eq!(send_all(), ["create visit"]);
        let id = text("select external_id from calendar_event_links");
        let mut changed = event("moved");
        changed.timing.start = at(5);
        changed.details.organizer = Some("bob@example.com".into());
        changed.details.categories = vec!["red".into()];
        assert_eq!(counts(&pull(vec![there(&id, "2", changed)])), [0, 1, 0, 0, 1]);
        let row = text(
            "select concat_ws(' ', title, organizer, categories::text, event_date = interaction_date)
             from calendar_events, interaction",
        );
        assert_eq!(row, "visit bob@example.com {red} t");
        assert_eq!(text("select policy || ' ' || winner from calendar_sync_conflicts"), "interaction local");
        assert_eq!(send_all(), ["update visit"]);
    }

    #[pg_test]
    fn a_visit_deleted_there_stays_and_is_not_created_again_until_the_crm_changes_it() {
        connect("last_write");
        interaction();
        send_all();
        let id = text("select external_id from calendar_event_links");
        gone(&[&id]);
        assert_eq!((titles(), waiting()), (vec!["visit".to_owned()], vec![]));
        assert_eq!(text("select sync_status from calendar_event_links"), "deleted");
        Spi::run("update interaction set subject = 'visit again'").unwrap();
        assert_eq!(waiting(), ["create"]);
    }
}
