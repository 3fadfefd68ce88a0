//! Rules in English: as people say them, and never two that differ in the same words.

mod common;
mod strategies;

use calendar_sync_core::recurrence::{Occurrences, Rule, Until, WeekdayNumber, Window};
use calendar_sync_core::zones::Utc;
use proptest::prelude::*;
use strategies::rule;

#[test]
fn rules_are_said_as_people_say_them() {
    for (rule, english) in [
        ("FREQ=DAILY", "every day"),
        ("FREQ=DAILY;INTERVAL=3;COUNT=1", "every 3 days, once"),
        ("FREQ=DAILY;UNTIL=20301231", "every day, until 2030-12-31"),
        ("FREQ=DAILY;UNTIL=20301231T170000", "every day, until 2030-12-31 17:00:00"),
        ("FREQ=DAILY;UNTIL=20301231T170000Z", "every day, until 2030-12-31 17:00:00 UTC"),
        ("FREQ=DAILY;BYDAY=MO,FR", "every day if that is Monday or Friday"),
        ("FREQ=DAILY;INTERVAL=2;BYMONTHDAY=1,-1", "every 2 days if that is the 1st or last day of the month"),
        ("FREQ=DAILY;BYMONTHDAY=13;BYDAY=FR", "every day if that is the 13th and Friday"),
        ("FREQ=DAILY;BYHOUR=9,17;BYMINUTE=0,30", "every day at 09:00, 09:30, 17:00 and 17:30"),
        ("FREQ=DAILY;BYHOUR=9;BYMINUTE=0;BYSECOND=0,30", "every day at 09:00:00 and 09:00:30"),
        ("FREQ=DAILY;BYHOUR=9", "every day in hour 9"),
        ("FREQ=DAILY;BYHOUR=8,9,10,11,14", "every day in hours 8 to 11 and 14"),
        ("FREQ=DAILY;BYMINUTE=0,30", "every day at minutes 0 and 30"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;COUNT=10", "every 2 weeks on Monday and Friday, 10 times"),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU", "every 2 weeks on Monday and Sunday, weeks starting on Sunday"),
        ("FREQ=WEEKLY;BYDAY=MO;WKST=SU", "every week on Monday"),
        ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "every week from Monday to Friday"),
        ("FREQ=WEEKLY;BYMONTH=6,7,8;BYDAY=SA", "every week on Saturday in June to August"),
        ("FREQ=WEEKLY;BYDAY=SA,SU;BYSETPOS=1", "every week on the 1st weekend day of the week"),
        ("FREQ=MONTHLY;BYDAY=-1FR", "every month on the last Friday"),
        ("FREQ=MONTHLY;BYDAY=1MO,3MO,-2FR", "every month on the 1st Monday, the 3rd Monday and the 2nd to last Friday"),
        ("FREQ=MONTHLY;BYDAY=MO,-1FR", "every month on every Monday and the last Friday"),
        ("FREQ=MONTHLY;INTERVAL=3;BYMONTHDAY=15", "every 3 months on the 15th"),
        ("FREQ=MONTHLY;BYMONTHDAY=1,15,-1", "every month on the 1st, 15th and last day of the month"),
        ("FREQ=MONTHLY;BYMONTHDAY=13;BYDAY=FR", "every month on the 13th if that is Friday"),
        ("FREQ=MONTHLY;BYMONTHDAY=8,9,10,11,12,13,14;BYDAY=TU", "every month on the 8th to 14th if that is Tuesday"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "every month on the last weekday of the month"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1,-1", "every month on the 1st and last weekday of the month"),
        (
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYHOUR=9,17;BYMINUTE=0;BYSETPOS=-1",
            "every month on every day from Monday to Friday at 09:00 and 17:00, only the last of these in each month",
        ),
        (
            "FREQ=MONTHLY;BYDAY=TU,TH;BYSETPOS=2",
            "every month on every Tuesday and every Thursday, only the 2nd of these in each month",
        ),
        ("FREQ=YEARLY;BYMONTH=11;BYDAY=4TH", "every year on the 4th Thursday in November"),
        ("FREQ=YEARLY;BYMONTH=1,7;BYMONTHDAY=1", "every year on the 1st in January and July"),
        ("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "every 4 years on the 29th in February"),
        ("FREQ=YEARLY;BYMONTH=6;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1", "every year on the 1st weekday in June"),
        ("FREQ=YEARLY;BYDAY=20MO;COUNT=1", "every year on the 20th Monday of the year, once"),
        ("FREQ=YEARLY;BYYEARDAY=1,100,-1", "every year on the 1st, 100th and last day of the year"),
        ("FREQ=YEARLY;BYWEEKNO=20;WKST=SU", "every year in week 20 of the year, weeks starting on Sunday"),
        ("FREQ=YEARLY;BYWEEKNO=1,-1;BYDAY=MO", "every year on Monday in week 1 and the last week of the year"),
        ("FREQ=HOURLY;BYMINUTE=0,20,40", "every hour at minutes 0, 20 and 40"),
        ("FREQ=HOURLY;INTERVAL=2;BYHOUR=8,9,10;BYDAY=MO", "every 2 hours on Monday in hours 8 to 10"),
        ("FREQ=MINUTELY;INTERVAL=15;BYHOUR=9,10", "every 15 minutes in hours 9 and 10"),
        ("FREQ=SECONDLY;BYMINUTE=30;BYMONTHDAY=-1", "every second on the last day of the month in minute 30"),
    ] {
        assert_eq!(Rule::parse(rule).unwrap().to_english(), english, "{rule}");
    }
}

/// Rules that are like another but for one thing.
fn relatives(rule: &Rule) -> Vec<Rule> {
    let mut relatives = Vec::new();
    let mut add = |change: &dyn Fn(&mut Rule)| {
        let mut relative = rule.clone();
        change(&mut relative);
        relatives.extend(Rule::parse(&relative.to_string()));
    };
    add(&|rule| rule.interval += 1);
    add(&|rule| rule.count = Some(rule.count.map_or(1, |count| count + 1)));
    add(&|rule| rule.count = None);
    add(&|rule| (rule.count, rule.until) = (None, Some(Until::Local(2_000_000_000))));
    add(&|rule| rule.week_start = rule.week_start.succ());
    add(&|rule| std::mem::swap(&mut rule.by_hour, &mut rule.by_minute));
    add(&|rule| std::mem::swap(&mut rule.by_minute, &mut rule.by_second));
    add(&|rule| rule.by_second.clear());
    add(&|rule| rule.by_hour.truncate(1));
    add(&|rule| rule.by_hour.push(23));
    add(&|rule| rule.by_day.truncate(1));
    add(&|rule| rule.by_day.iter_mut().for_each(|day| day.nth = -day.nth));
    add(&|rule| rule.by_day.iter_mut().for_each(|day| day.nth = 0));
    add(&|rule| rule.by_day.insert(0, WeekdayNumber { nth: 0, weekday: chrono::Weekday::Mon }));
    add(&|rule| rule.by_month_day.iter_mut().for_each(|day| *day = -*day));
    add(&|rule| rule.by_year_day = rule.by_month_day.drain(..).map(i16::from).collect());
    add(&|rule| rule.by_month_day.clear());
    add(&|rule| rule.by_year_day.clear());
    add(&|rule| rule.by_week_number.iter_mut().for_each(|week| *week = -*week));
    add(&|rule| rule.by_week_number.clear());
    add(&|rule| rule.by_month.clear());
    add(&|rule| rule.by_month.push(12));
    add(&|rule| rule.by_set_position.clear());
    add(&|rule| rule.by_set_position.iter_mut().for_each(|position| *position = -*position));
    relatives
}

fn gives_the_same(rule: &Rule, other: &Rule) -> bool {
    let expand = |rule: &Rule, start: i64| -> Vec<i64> {
        let all = Occurrences::new(rule, start, Utc, Window::ALL).unwrap();
        all.take(60).map_while(Result::ok).collect()
    };
    [0, 946_702_801, 1_709_251_199, 1_735_689_600].iter().all(|&start| expand(rule, start) == expand(other, start))
}

proptest! {
    #![proptest_config(common::cases(100))]

    #[test]
    fn rules_that_read_the_same_give_the_same(rule in rule()) {
        let english = rule.to_english();
        for other in relatives(&rule) {
            if other.to_english() == english {
                prop_assert!(gives_the_same(&rule, &other), "{} and {}: {}", rule, other, english);
            }
        }
    }
}
