//! Hunts for rules and windows that are slow to reach or that are given up: random rules of every kind, asked for a few
//! occurrences far from DTSTART. Prints the slowest and what was given up.
//!
//! `cargo run --release -p calendar_sync_core --example slowest_rules [-- <how many> [<seed>]]`

use std::time::{Duration, Instant};

use calendar_sync_core::recurrence::{Occurrences, RecurrenceError, Rule, Window};
use calendar_sync_core::zones::ChronoZones;

const DAY: i64 = 86_400;
/// 2040-01-01, 2100-06-30 and 9990-03-01.
const FAR: [i64; 3] = [2_208_988_800, 4_118_256_000, 253_086_768_000];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: i64) -> i64 {
        (self.next() % bound as u64) as i64
    }

    fn percent(&mut self, chance: i64) -> bool {
        self.below(100) < chance
    }

    fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len() as i64) as usize]
    }

    fn signed(&mut self, most: i64) -> i64 {
        let number = 1 + self.below(most);
        if self.percent(40) { -number } else { number }
    }

    fn list(&mut self, name: &str, chance: i64, most: i64, value: impl Fn(&mut Self) -> String) -> String {
        if !self.percent(chance) {
            return String::new();
        }
        let length = if self.percent(10) { 1 + self.below(100) } else { 1 + self.below(most) };
        let values: Vec<String> = (0..length).map(|_| value(self)).collect();
        format!(";{name}={}", values.join(","))
    }

    fn rule(&mut self) -> String {
        let frequencies = ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"];
        let mut rule = format!("FREQ={}", self.pick(&frequencies));
        let interval = match self.below(10) {
            0..4 => 1,
            4..7 => 2 + self.below(20),
            7 => 2 + self.below(2000),
            8 => 2 + self.below(200_000),
            _ => self.pick(&[1 << 31, u32::MAX.into(), 86_399, 86_401, 1441, 1439, 25, 61, 3601]),
        };
        rule += &format!(";INTERVAL={interval}");
        match self.below(10) {
            0 => rule += &format!(";COUNT={}", 1 + self.below(1000)),
            1..4 => rule += &format!(";COUNT={}", 1 + self.below(u32::MAX.into())),
            4 => rule += &format!(";COUNT={}", u32::MAX),
            _ => {}
        }
        let weekdays = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
        rule += &self.list("BYMONTH", 25, 3, |r| (1 + r.below(12)).to_string());
        rule += &self.list("BYWEEKNO", 8, 3, |r| r.signed(53).to_string());
        rule += &self.list("BYYEARDAY", 12, 4, |r| r.signed(366).to_string());
        rule += &self.list("BYMONTHDAY", 20, 3, |r| r.signed(31).to_string());
        rule += &self.list("BYDAY", 35, 4, |r| {
            let nth = if r.percent(25) { r.signed(5).to_string() } else { String::new() };
            nth + r.pick(&weekdays)
        });
        rule += &self.list("BYHOUR", 20, 4, |r| r.below(24).to_string());
        rule += &self.list("BYMINUTE", 20, 4, |r| r.below(60).to_string());
        rule += &self.list("BYSECOND", 20, 4, |r| r.below(61).to_string());
        rule += &self.list("BYSETPOS", 15, 3, |r| r.signed(9).to_string());
        rule + &format!(";WKST={}", self.pick(&weekdays))
    }
}

struct Result {
    time: Duration,
    text: String,
    given_up: bool,
}

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap_or(1));
    let (how_many, seed) = (arguments.next().unwrap_or(200_000), arguments.next().unwrap_or(1));
    let mut random = Random(seed);
    let zones = ChronoZones::default();
    let zone_names = ["UTC", "UTC", "America/New_York", "Europe/Berlin", "Africa/Casablanca"];
    let mut results = Vec::new();
    while results.len() < how_many as usize {
        let text = random.rule();
        let Ok(rule) = Rule::parse(&text) else { continue };
        let name = random.pick(&zone_names);
        let Some(zone) = zones.get(name) else { continue };
        let start = random.below(2 * 365 * DAY);
        let from = random.pick(&FAR) + random.below(365 * DAY);
        let to = if random.percent(50) { i64::MAX } else { from + random.below(30 * DAY) };
        let run = || {
            let before = Instant::now();
            let given_up = match Occurrences::new(&rule, start, zone.clone(), Window { from, to }) {
                Err(error) => error == RecurrenceError::LimitExceeded,
                Ok(found) => found.take(3).any(|at| at == Err(RecurrenceError::LimitExceeded)),
            };
            (before.elapsed(), given_up)
        };
        let mut best = run();
        for _ in 0..if best.0 > Duration::from_micros(50) { 8 } else { 1 } {
            best = best.min(run());
        }
        let text = format!("{text} from {start} in {name}, {from} to {to}");
        results.push(Result { time: best.0, text, given_up: best.1 });
    }
    results.sort_by_key(|result| std::cmp::Reverse(result.time));
    let count = |least| results.iter().filter(|result| result.time >= Duration::from_micros(least)).count();
    println!("{how_many} rules: {} over 100 us, {} over 1 ms, {} over 10 ms", count(100), count(1000), count(10_000));
    for given_up in [false, true] {
        let shown: Vec<&Result> = results.iter().filter(|result| result.given_up == given_up).collect();
        println!("{} {}; the slowest:", shown.len(), if given_up { "given up" } else { "answered" });
        for result in shown.iter().take(30) {
            println!("{:10.1} us  {}", result.time.as_secs_f64() * 1e6, result.text);
        }
    }
}
