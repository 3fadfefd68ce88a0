//! What the fuzz targets share: values made of a fuzzer's bytes, and what must hold for them.

pub mod calendars;
pub mod expansion;
pub mod round_trip;
pub mod rules;
pub mod times;

/// The oracle of the property tests: an evaluator of rules that is slow and shares nothing with the expander.
#[path = "../../tests/oracle/mod.rs"]
pub mod oracle;
