//! Any valid rule from any start, in any zone and window: bounded, ascending, the same from wherever it is looked at.
#![no_main]

use calendar_sync_core::recurrence::{Rule, Window};
use calendar_sync_fuzz::expansion::{check_dates, check_oracle, check_times};
use calendar_sync_fuzz::{rules, times};
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Case {
    rule: Rule,
    /// For what the fuzzer prints: the rule as it is written.
    #[expect(dead_code, reason = "printed")]
    text: String,
    start: i64,
    zone: &'static str,
    window: Window,
}

impl<'a> Arbitrary<'a> for Case {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let rule = rules::rule(u)?;
        let start = times::instant(u)?;
        let from = match u.int_in_range(0..=9)? {
            0 => i64::MIN,
            1 => times::instant(u)?,
            _ => start.saturating_add(times::distance(u)?),
        };
        let to = match u.int_in_range(0..=9)? {
            0 | 1 => i64::MAX,
            2 => times::instant(u)?,
            _ => from.saturating_add(times::length(u)?),
        };
        Ok(Self { text: rule.to_string(), rule, start, zone: times::zone_name(u)?, window: Window { from, to } })
    }
}

fuzz_target!(init: times::warm_up(), |case: Case| {
    let Case { rule, start, zone, window, .. } = case;
    assert_eq!(Rule::parse(&rule.to_string()).as_ref(), Ok(&rule));
    check_times(&rule, start, &times::zone(zone), window);
    check_dates(&rule, start, window);
    check_oracle(&rule, start);
});
