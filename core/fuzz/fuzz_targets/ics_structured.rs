//! Calendar files that are well-formed enough to get deep into the reader: zones with rules, series, overrides,
//! versions, in every form that a value can have.
#![no_main]

use calendar_sync_fuzz::{calendars, round_trip, times};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: times::warm_up(), |file: calendars::File| round_trip::check(file.0.as_bytes()));
