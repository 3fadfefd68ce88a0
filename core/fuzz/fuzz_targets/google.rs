//! The reader of Google's events takes any JSON; what is written of what it took is the same again after a round.
#![no_main]

use calendar_sync_core::event::Item;
use calendar_sync_core::providers::google::{read, write};
use calendar_sync_fuzz::times::{self, FewZones};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

fuzz_target!(init: times::warm_up(), |body: &[u8]| {
    let Ok(values) = serde_json::from_slice::<Vec<Value>>(body) else { return };
    let Ok(found) = read(&values, &FewZones, "Europe/Berlin") else { return };
    assert!(found.len() <= values.len());
    for found in found {
        match found {
            Ok(found) => comes_back(&found.item),
            Err(bad) => assert!(!bad.message.is_empty()),
        }
    }
});

fn comes_back(item: &Item) {
    let Ok(written) = write(&item.body, &FewZones) else { return };
    let mut value = Value::Object(written.clone());
    value["id"] = json!(item.external_id);
    let again = read(&[value], &FewZones, "Europe/Berlin").expect("the zone is known").pop().expect("an item");
    assert_eq!(write(&again.expect("what was written can be read").item.body, &FewZones), Ok(written));
}
