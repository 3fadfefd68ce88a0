//! The reader of flows' answers takes any bytes, and tells each event that it does not take.
#![no_main]

use calendar_sync_core::providers::Document;
use calendar_sync_core::providers::power_automate::Answer;
use calendar_sync_fuzz::times::{self, FewZones};
use libfuzzer_sys::fuzz_target;

/// Events of an answer that are read.
const MAX_EVENTS: usize = 1_000;

fuzz_target!(init: times::warm_up(), |body: &[u8]| {
    let Ok(answer) = Answer::read(body, MAX_EVENTS) else { return };
    let (len, deleted) = (answer.len(), answer.deleted().len());
    let Ok(mut items) = Document::PowerAutomate(answer).resolve(&FewZones, "Europe/Berlin") else { return };
    let mut found = 0;
    while let Some(item) = items.next_unless(|_, _| false) {
        found += 1;
        if let Err(bad) = item {
            assert!(!bad.message.is_empty());
        }
    }
    assert!(found + deleted <= len);
});
