//! Reading a rule: RFC 5545, 3.3.10, with errors that name the part.
//!
//! More than the RFC asks is accepted where nothing can be misunderstood: lower case, the property's name before the
//! rule, blanks around parts, a semicolon at the end, `RSCALE=GREGORIAN` with `SKIP=OMIT` (RFC 7529, which changes
//! nothing). COUNT together with UNTIL is refused, as the RFC does.

use chrono::{NaiveDate, Weekday};

use super::civil::day_of;
use super::error::{RuleError, quoted};
use super::rule::{Frequency, Rule, Until, WeekdayNumber};

/// Longest text that is read; every value of every part once takes less.
const MAX_LENGTH: usize = 32_768;

const GRAMMAR: &str = "A rule looks like FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=10 (RFC 5545, 3.3.10).";
const FREQUENCIES: &str = "Use one of YEARLY, MONTHLY, WEEKLY, DAILY, HOURLY, MINUTELY, SECONDLY.";
const UNTIL_FORMS: &str = "Write 20301231 for a date, 20301231T170000Z for an instant in UTC.";
const PARTS: &str = "The parts are FREQ, UNTIL, COUNT, INTERVAL, BYSECOND, BYMINUTE, BYHOUR, BYDAY, BYMONTHDAY, \
                     BYYEARDAY, BYWEEKNO, BYMONTH, BYSETPOS and WKST.";

fn error<T>(part: &str, problem: impl Into<String>, hint: &'static str) -> Result<T, RuleError> {
    Err(RuleError { part: part.to_owned(), problem: problem.into(), hint })
}

impl Rule {
    /// Reads the value of an RRULE or EXRULE property, with or without the property's name before it.
    ///
    /// # Errors
    /// [`RuleError`] names the first part that is wrong, unknown, doubled, or not allowed with this FREQ.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        if text.len() > MAX_LENGTH {
            return error("rule", format!("is longer than {MAX_LENGTH} bytes"), GRAMMAR);
        }
        let upper = text.trim().to_ascii_uppercase();
        let body = ["RRULE:", "EXRULE:"].iter().find_map(|name| upper.strip_prefix(name)).unwrap_or(&upper);
        let body = body.trim();
        let mut reader = Reader::default();
        for part in body.strip_suffix(';').unwrap_or(body).split(';') {
            let Some((name, value)) = part.split_once('=') else {
                let problem = if part.trim().is_empty() {
                    "is empty or has an empty part".to_owned()
                } else {
                    format!("{} is not of the form NAME=VALUE", quoted(part))
                };
                return error("rule", problem, GRAMMAR);
            };
            reader.part(name.trim(), value.trim())?;
        }
        reader.finish()
    }
}

impl std::str::FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        Self::parse(text)
    }
}

struct Reader {
    rule: Rule,
    frequency: Option<Frequency>,
    seen: Vec<String>,
}

impl Default for Reader {
    fn default() -> Self {
        Self { rule: Rule::every(Frequency::Daily), frequency: None, seen: Vec::new() }
    }
}

impl Reader {
    fn part(&mut self, name: &str, value: &str) -> Result<(), RuleError> {
        if self.seen.iter().any(|seen| seen == name) {
            return error(name, "is given twice", "Give each part once; lists are separated by commas.");
        }
        if value.is_empty() {
            return error(&quoted_name(name), "has no value", GRAMMAR);
        }
        let rule = &mut self.rule;
        match name {
            "FREQ" => self.frequency = Some(frequency(value)?),
            "UNTIL" => rule.until = Some(until(value)?),
            "COUNT" => rule.count = Some(positive(name, value)?),
            "INTERVAL" => rule.interval = positive(name, value)?,
            "BYSECOND" => rule.by_second = list(name, value, |v| number(name, v, 0, 60).map(|n| n as u8))?,
            "BYMINUTE" => rule.by_minute = list(name, value, |v| number(name, v, 0, 59).map(|n| n as u8))?,
            "BYHOUR" => rule.by_hour = list(name, value, |v| number(name, v, 0, 23).map(|n| n as u8))?,
            "BYMONTH" => rule.by_month = list(name, value, |v| number(name, v, 1, 12).map(|n| n as u8))?,
            "BYMONTHDAY" => rule.by_month_day = list(name, value, |v| ordinal(name, v, 31).map(|n| n as i8))?,
            "BYYEARDAY" => rule.by_year_day = list(name, value, |v| ordinal(name, v, 366))?,
            "BYWEEKNO" => rule.by_week_number = list(name, value, |v| ordinal(name, v, 53).map(|n| n as i8))?,
            "BYSETPOS" => rule.by_set_position = list(name, value, |v| ordinal(name, v, 366))?,
            "BYDAY" => rule.by_day = weekday_numbers(value)?,
            "WKST" => {
                rule.week_start = match weekday(value) {
                    Some(weekday) => weekday,
                    None => return error(name, format!("{} is not a weekday", quoted(value)), WEEKDAYS),
                };
            }
            "RSCALE" if value == "GREGORIAN" => {}
            "RSCALE" => {
                return error(name, format!("{} is not supported", quoted(value)), "Only RSCALE=GREGORIAN is.");
            }
            "SKIP" if value == "OMIT" => {}
            "SKIP" => return error(name, format!("{} is not supported", quoted(value)), "Only SKIP=OMIT is."),
            _ => return error(&quoted_name(name), "is not a part of a recurrence rule", PARTS),
        }
        self.seen.push(name.to_owned());
        Ok(())
    }

    fn finish(self) -> Result<Rule, RuleError> {
        let Some(frequency) = self.frequency else {
            return error("FREQ", "is missing", FREQUENCIES);
        };
        let rule = Rule { frequency, ..self.rule };
        allowed_together(&rule)?;
        Ok(rule)
    }
}

/// An unknown part's name as it may stand before a colon in a message.
fn quoted_name(name: &str) -> String {
    if name.is_empty() { "rule".to_owned() } else { name.chars().take(40).collect() }
}

/// The combinations that RFC 5545, 3.3.10 forbids.
fn allowed_together(rule: &Rule) -> Result<(), RuleError> {
    use Frequency::{Daily, Monthly, Weekly, Yearly};
    let frequency = rule.frequency;
    let with = format!("cannot be used with FREQ={} (RFC 5545, 3.3.10)", frequency.word());
    if rule.count.is_some() && rule.until.is_some() {
        return error("COUNT", "cannot be used together with UNTIL (RFC 5545, 3.3.10)", "Keep one of the two.");
    }
    if !rule.by_week_number.is_empty() && frequency != Yearly {
        return error("BYWEEKNO", with, "Use it with FREQ=YEARLY.");
    }
    if !rule.by_year_day.is_empty() && matches!(frequency, Daily | Weekly | Monthly) {
        return error("BYYEARDAY", with, "Use it with FREQ=YEARLY, HOURLY, MINUTELY or SECONDLY.");
    }
    if !rule.by_month_day.is_empty() && frequency == Weekly {
        return error("BYMONTHDAY", with, "Use it with FREQ=MONTHLY or FREQ=YEARLY.");
    }
    if rule.by_day.iter().any(|day| day.nth != 0) {
        if !matches!(frequency, Monthly | Yearly) {
            return error("BYDAY", format!("a weekday with a number {with}"), "Give weekdays without numbers.");
        }
        if !rule.by_week_number.is_empty() {
            let problem = "a weekday with a number cannot be used together with BYWEEKNO (RFC 5545, 3.3.10)";
            return error("BYDAY", problem, "Give weekdays without numbers.");
        }
    }
    if !rule.by_set_position.is_empty() && !has_other_by_part(rule) {
        let problem = "needs another BY part to choose from (RFC 5545, 3.3.10)";
        return error("BYSETPOS", problem, "For example, BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1 is the last working day.");
    }
    Ok(())
}

fn has_other_by_part(rule: &Rule) -> bool {
    !(rule.by_second.is_empty()
        && rule.by_minute.is_empty()
        && rule.by_hour.is_empty()
        && rule.by_day.is_empty()
        && rule.by_month_day.is_empty()
        && rule.by_year_day.is_empty()
        && rule.by_week_number.is_empty()
        && rule.by_month.is_empty())
}

fn frequency(value: &str) -> Result<Frequency, RuleError> {
    use Frequency::{Daily, Hourly, Minutely, Monthly, Secondly, Weekly, Yearly};
    [Yearly, Monthly, Weekly, Daily, Hourly, Minutely, Secondly]
        .into_iter()
        .find(|frequency| frequency.word() == value)
        .map_or_else(|| error("FREQ", format!("{} is not a frequency", quoted(value)), FREQUENCIES), Ok)
}

fn positive(part: &str, value: &str) -> Result<u32, RuleError> {
    let hint = "Give a whole number from 1 to 4294967295.";
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<u32>() {
        Ok(number) if digits && number > 0 => Ok(number),
        _ => error(part, format!("{} is not a number from 1 to 4294967295", quoted(value)), hint),
    }
}

fn number(part: &str, value: &str, least: i16, most: i16) -> Result<i16, RuleError> {
    let digits = (1..=3).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_digit());
    match value.parse::<i16>() {
        Ok(number) if digits && (least..=most).contains(&number) => Ok(number),
        _ => {
            let problem = format!("{} is not a number from {least} to {most}", quoted(value));
            error(part, problem, "Give numbers separated by commas.")
        }
    }
}

/// A number from 1 to `most`, or from its negative to -1.
fn ordinal(part: &str, value: &str, most: i16) -> Result<i16, RuleError> {
    let digits = value.strip_prefix(['+', '-']).unwrap_or(value);
    let sign = if value.starts_with('-') { -1 } else { 1 };
    match number(part, digits, 1, most) {
        Ok(number) => Ok(sign * number),
        Err(_) => {
            let problem = format!("{} is not a number from 1 to {most} or from -{most} to -1", quoted(value));
            error(part, problem, "Give numbers separated by commas; negative ones count from the end.")
        }
    }
}

fn list<T: Ord>(part: &str, value: &str, read: impl Fn(&str) -> Result<T, RuleError>) -> Result<Vec<T>, RuleError> {
    let mut values = Vec::new();
    for item in value.split(',') {
        let item = item.trim();
        if item.is_empty() {
            return error(part, "has an empty value in its list", "Give values separated by single commas.");
        }
        values.push(read(item)?);
    }
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

const WEEKDAYS: &str = "Weekdays are MO, TU, WE, TH, FR, SA and SU.";

fn weekday(word: &str) -> Option<Weekday> {
    Some(match word {
        "MO" => Weekday::Mon,
        "TU" => Weekday::Tue,
        "WE" => Weekday::Wed,
        "TH" => Weekday::Thu,
        "FR" => Weekday::Fri,
        "SA" => Weekday::Sat,
        "SU" => Weekday::Sun,
        _ => return None,
    })
}

fn weekday_numbers(value: &str) -> Result<Vec<WeekdayNumber>, RuleError> {
    let sorted = list("BYDAY", value, |item| {
        let split = item.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(item.len());
        let (nth, word) = item.split_at(split);
        let Some(weekday) = weekday(word) else {
            return error("BYDAY", format!("{} is not a weekday", quoted(item)), WEEKDAYS);
        };
        let nth = if nth.is_empty() { 0 } else { ordinal("BYDAY", nth, 53)? };
        Ok((nth as i8, weekday.num_days_from_monday()))
    })?;
    let weekdays = [Weekday::Mon, Weekday::Tue, Weekday::Wed, Weekday::Thu, Weekday::Fri, Weekday::Sat, Weekday::Sun];
    Ok(sorted.into_iter().map(|(nth, day)| WeekdayNumber { nth, weekday: weekdays[day as usize] }).collect())
}

/// `YYYYMMDD`, `YYYYMMDDTHHMMSS` or `YYYYMMDDTHHMMSSZ`.
fn until(value: &str) -> Result<Until, RuleError> {
    let wrong = || error("UNTIL", format!("{} is not a date or a date-time", quoted(value)), UNTIL_FORMS);
    let (local, is_utc) = match value.strip_suffix('Z') {
        Some(local) => (local, true),
        None => (value, false),
    };
    let (date, time) = match local.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (local, None),
    };
    let digits = |text: &str, length: usize| text.len() == length && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(date, 8) || time.is_some_and(|time| !digits(time, 6)) || (is_utc && time.is_none()) {
        return wrong();
    }
    let field = |text: &str, from: usize, to: usize| text[from..to].parse::<u32>().unwrap_or(u32::MAX);
    let (year, month, day) = (field(date, 0, 4), field(date, 4, 6), field(date, 6, 8));
    if NaiveDate::from_ymd_opt(year as i32, month, day).is_none() {
        return error("UNTIL", format!("{} is not a date of the calendar", quoted(date)), UNTIL_FORMS);
    }
    let day = day_of(i64::from(year), month, day);
    let Some(time) = time else { return Ok(Until::Date(day)) };
    let (hour, minute, second) = (field(time, 0, 2), field(time, 2, 4), field(time, 4, 6));
    if hour > 23 || minute > 59 || second > 60 {
        return error("UNTIL", format!("{} is not a time of day", quoted(time)), UNTIL_FORMS);
    }
    let seconds = day * super::civil::DAY + i64::from(hour * 3600 + minute * 60 + second);
    Ok(if is_utc { Until::Utc(seconds) } else { Until::Local(seconds) })
}
