//! The rule parser takes any text; what it takes, it writes, says in English, and reads again as the same.
#![no_main]

use calendar_sync_core::recurrence::Rule;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match Rule::parse(text) {
        Ok(rule) => {
            let written = rule.to_string();
            assert_eq!(Rule::parse(&written).as_ref(), Ok(&rule), "{written}");
            assert!(!rule.to_english().is_empty());
        }
        Err(error) => assert!(!error.problem.is_empty() && error.to_string().len() < 1_000, "{error}"),
    }
});
