//! The calendar reader takes any bytes.
#![no_main]

use calendar_sync_fuzz::{round_trip, times};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: times::warm_up(), |file: &[u8]| round_trip::check(file));
