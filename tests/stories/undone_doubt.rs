//! What was sent in a transaction that came to nothing, and may or may not be there.

use calendar_sync_e2e::count;

use crate::there::Field;
use crate::undone_there::{CONFLICTS, World, worlds};

#[test]
fn what_had_been_taken_away_there_and_came_back_otherwise_in_vain_is_there_as_it_is_here() {
    for mut world in worlds() {
        let connect = |world: &mut World, sources: &str| {
            let options = format!(r#"{{ "filter": {{ "external_source": ["{sources}"] }} }}"#);
            let sql = format!(
                "select calendar_connect(account_id, external_calendar_id, options => '{options}') from calendar_connections"
            );
            world.run(&sql);
        };
        world.upsert(1, "one");
        world.come_to_rest();
        connect(&mut world, "other");
        world.come_to_rest();
        assert_eq!(world.shown().len(), 0);
        connect(&mut world, "crm");
        world.in_vain(|world| world.upsert(1, "another"));
        world.edit(Field::Location, "theirs");
        world.come_to_rest();
        assert_eq!((world.shown().join("; "), world.here()), ("one, theirs".into(), "one, theirs, visit, 3".into()));
        connect(&mut world, "other");
        world.come_to_rest();
        connect(&mut world, "crm");
        world.in_vain(|world| world.upsert(1, "a third"));
        connect(&mut world, "other");
        world.come_to_rest();
        assert_eq!((world.shown().len(), world.here()), (0, "one, theirs, visit, 3".into()));
        assert_eq!(count(&mut world.client, CONFLICTS), 0);
    }
}
