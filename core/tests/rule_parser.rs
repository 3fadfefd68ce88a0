//! What the rule parser takes, and what it says about the rest.

use calendar_sync_core::recurrence::{Frequency, Rule, RuleError, Until};

fn error(rule: &str) -> RuleError {
    Rule::parse(rule).expect_err(rule)
}

#[test]
fn reads_a_rule_with_or_without_its_name_in_any_case() {
    let expected = Rule::parse("FREQ=WEEKLY;BYDAY=MO,-1FR".replace("-1", "").as_str()).unwrap();
    for rule in ["RRULE:FREQ=WEEKLY;BYDAY=MO,FR", "rrule:freq=weekly;byday=fr,mo", " FREQ=WEEKLY ; BYDAY=MO, FR;"] {
        assert_eq!(Rule::parse(rule).unwrap(), expected, "{rule}");
    }
    assert_eq!(expected.frequency, Frequency::Weekly);
}

#[test]
fn writes_a_rule_in_its_usual_form() {
    for (rule, written) in [
        ("rrule:count=3;byday=+1mo,-1su;freq=monthly;interval=1", "FREQ=MONTHLY;COUNT=3;BYDAY=-1SU,1MO"),
        ("FREQ=DAILY;UNTIL=19971224T000000Z", "FREQ=DAILY;UNTIL=19971224T000000Z"),
        ("FREQ=DAILY;UNTIL=00011224", "FREQ=DAILY;UNTIL=00011224"),
        ("FREQ=WEEKLY;WKST=MO", "FREQ=WEEKLY"),
        ("RSCALE=GREGORIAN;FREQ=YEARLY;SKIP=OMIT", "FREQ=YEARLY"),
    ] {
        assert_eq!(Rule::parse(rule).unwrap().to_string(), written);
    }
}

#[test]
fn knows_the_three_forms_of_until() {
    let until = |text: &str| Rule::parse(&format!("FREQ=DAILY;UNTIL={text}")).unwrap().until.unwrap();
    assert_eq!(until("19700102"), Until::Date(1));
    assert_eq!(until("19700102T000001"), Until::Local(86_401));
    assert_eq!(until("19700102T000001Z"), Until::Utc(86_401));
}

#[test]
fn names_the_part_that_is_wrong() {
    for (rule, part, problem) in [
        ("", "rule", "is empty or has an empty part"),
        ("FREQ=DAILY;;COUNT=2", "rule", "is empty or has an empty part"),
        ("every monday", "rule", "\"EVERY MONDAY\" is not of the form NAME=VALUE"),
        ("COUNT=3", "FREQ", "is missing"),
        ("FREQ=FORTNIGHTLY", "FREQ", "\"FORTNIGHTLY\" is not a frequency"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ", "is given twice"),
        ("FREQ=DAILY;COUNT=", "COUNT", "has no value"),
        ("FREQ=DAILY;COUNT=0", "COUNT", "\"0\" is not a number from 1 to 4294967295"),
        ("FREQ=DAILY;COUNT=+5", "COUNT", "\"+5\" is not a number from 1 to 4294967295"),
        ("FREQ=DAILY;INTERVAL=4294967296", "INTERVAL", "\"4294967296\" is not a number from 1 to 4294967295"),
        ("FREQ=DAILY;INTERVAL=-1", "INTERVAL", "\"-1\" is not a number from 1 to 4294967295"),
        ("FREQ=DAILY;BYHOUR=24", "BYHOUR", "\"24\" is not a number from 0 to 23"),
        ("FREQ=DAILY;BYMINUTE=60", "BYMINUTE", "\"60\" is not a number from 0 to 59"),
        ("FREQ=DAILY;BYSECOND=61", "BYSECOND", "\"61\" is not a number from 0 to 60"),
        ("FREQ=DAILY;BYMONTH=0", "BYMONTH", "\"0\" is not a number from 1 to 12"),
        ("FREQ=DAILY;BYMONTH=5L", "BYMONTH", "\"5L\" is not a number from 1 to 12"),
        ("FREQ=MONTHLY;BYMONTHDAY=-32", "BYMONTHDAY", "\"-32\" is not a number from 1 to 31 or from -31 to -1"),
        ("FREQ=YEARLY;BYYEARDAY=367", "BYYEARDAY", "\"367\" is not a number from 1 to 366 or from -366 to -1"),
        ("FREQ=YEARLY;BYWEEKNO=54", "BYWEEKNO", "\"54\" is not a number from 1 to 53 or from -53 to -1"),
        ("FREQ=YEARLY;BYDAY=54MO", "BYDAY", "\"54\" is not a number from 1 to 53 or from -53 to -1"),
        ("FREQ=WEEKLY;BYDAY=MO,XX", "BYDAY", "\"XX\" is not a weekday"),
        ("FREQ=WEEKLY;BYDAY=MO,,TU", "BYDAY", "has an empty value in its list"),
        ("FREQ=WEEKLY;WKST=1MO", "WKST", "\"1MO\" is not a weekday"),
        ("FREQ=DAILY;UNTIL=2024-12-31", "UNTIL", "\"2024-12-31\" is not a date or a date-time"),
        ("FREQ=DAILY;UNTIL=20241231Z", "UNTIL", "\"20241231Z\" is not a date or a date-time"),
        ("FREQ=DAILY;UNTIL=20230229", "UNTIL", "\"20230229\" is not a date of the calendar"),
        ("FREQ=DAILY;UNTIL=20230228T250000", "UNTIL", "\"250000\" is not a time of day"),
        ("FREQ=WEEKLY;UNTL=20191023", "UNTL", "is not a part of a recurrence rule"),
        ("FREQ=DAILY;X-SPECIAL=1", "X-SPECIAL", "is not a part of a recurrence rule"),
        ("RSCALE=HEBREW;FREQ=DAILY", "RSCALE", "\"HEBREW\" is not supported"),
        ("RSCALE=GREGORIAN;FREQ=MONTHLY;SKIP=FORWARD", "SKIP", "\"FORWARD\" is not supported"),
    ] {
        let error = error(rule);
        assert_eq!((error.part.as_str(), error.problem.as_str()), (part, problem), "{rule}");
        assert!(error.hint.ends_with('.'), "{rule}: {}", error.hint);
    }
}

#[test]
fn refuses_what_the_rfc_does_not_allow_together() {
    for (rule, part) in [
        ("FREQ=DAILY;COUNT=3;UNTIL=20300101", "COUNT"),
        ("FREQ=MONTHLY;BYWEEKNO=20", "BYWEEKNO"),
        ("FREQ=DAILY;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=WEEKLY;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=MONTHLY;BYYEARDAY=1", "BYYEARDAY"),
        ("FREQ=WEEKLY;BYMONTHDAY=1", "BYMONTHDAY"),
        ("FREQ=WEEKLY;BYDAY=1MO", "BYDAY"),
        ("FREQ=DAILY;BYDAY=-1MO", "BYDAY"),
        ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=1MO", "BYDAY"),
        ("FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS"),
    ] {
        assert_eq!(error(rule).part, part, "{rule}");
    }
}

#[test]
fn a_message_does_not_repeat_a_novel() {
    let rule = format!("FREQ={}", "É".repeat(5000));
    assert!(error(&rule).to_string().len() < 200);
    assert_eq!(error(&"X".repeat(40_000)).problem, "is longer than 32768 bytes");
}

#[test]
fn every_value_of_every_part_at_once_can_be_read() {
    let list = |values: Vec<String>| values.join(",");
    let signed = |most: i32| list((-most..=most).filter(|n| *n != 0).map(|n| n.to_string()).collect());
    let unsigned = |least: i32, most: i32| list((least..=most).map(|n| n.to_string()).collect());
    let days = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"];
    let weekdays = list((-53..=53).filter(|n| *n != 0).flat_map(|n| days.map(|day| format!("{n}{day}"))).collect());
    let rule = format!(
        "FREQ=YEARLY;BYMONTH={};BYYEARDAY={};BYMONTHDAY={};BYDAY={weekdays};BYHOUR={};BYMINUTE={};BYSECOND={};BYSETPOS={}",
        unsigned(1, 12),
        signed(366),
        signed(31),
        unsigned(0, 23),
        unsigned(0, 59),
        unsigned(0, 60),
        signed(366)
    );
    assert_eq!(Rule::parse(&rule).unwrap().by_day.len(), 742);
}
