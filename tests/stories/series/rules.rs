//! Series that are given another rule, on one side or on both: what becomes of what was said of their occurrences.

use calendar_sync_e2e::text;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ALL, World, at, event_of, of_day, plan};
use crate::there::plan::{Freq, Plan};
use crate::there::series::{self, Edit};

/// Google keeps a cancelled occurrence as such whatever becomes of the rule, and so do we: `scheduled` brings it back.
#[test]
fn an_occurrence_that_was_cancelled_there_stays_so_by_whatever_rule_until_it_is_scheduled_again() {
    const DAILY: &str = "RRULE:FREQ=DAILY;COUNT=5";
    let but_one = ["0 standup", "1 standup", "3 standup", "4 standup"];
    let mut world = World::start(series::google);
    world.series_of_ours();
    world.there.cancel_one(&world.one_there(2));
    world.assert_both(&but_one);
    for rule in ["RRULE:FREQ=DAILY;INTERVAL=3;COUNT=2", DAILY] {
        world.upsert(&json!({ "recurrence": [rule] }));
        world.settle();
    }
    world.assert_both(&but_one);
    world.run(&format!("update calendar_events set event_status = 'scheduled' where {}", of_day(2)));
    world.assert_both(&["0 standup", "1 standup", "2 standup", "3 standup", "4 standup"]);
}

/// Hardest point 3.
#[test]
fn what_was_changed_of_one_occurrence_stays_when_its_series_changes_and_goes_with_a_rule_that_does_not_give_it() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.series_of_ours();
        world.run(&format!("update calendar_events set location = 'hall' where {}", of_day(1)));
        world.run(&format!("update calendar_events set sync_status = 'deleted' where {}", of_day(3)));
        world.there.edit_one(&world.one_there(2), &Edit::Place("yard".into()));
        world.assert_both(&["0 standup", "1 standup hall", "2 standup yard", "4 standup"]);
        world.upsert(&json!({ "title": "daily" }));
        world.assert_both(&["0 daily", "1 daily hall", "2 daily yard", "4 daily"]);
        world.run(&format!("update calendar_events set title = 'demo' where {}", of_day(4)));
        // With an edit that is not sent yet.
        world.upsert(&json!({ "recurrence": ["RRULE:FREQ=DAILY;INTERVAL=2;COUNT=4"] }));
        world.assert_both(&["0 daily", "2 daily yard", "4 demo", "6 daily"]);
        let dropped = "select string_agg(o #>> '{event,details,location}', ' ')
                       from calendar_sync_log, jsonb_array_elements(details -> 'dropped_occurrences') o";
        assert_eq!(text(&mut world.client, dropped), "hall");
    }
}

#[test]
fn an_edit_of_an_occurrence_that_is_over_is_history_when_its_series_gets_another_rule() {
    for connect in ALL {
        let mut world = World::start(connect);
        let begun = Plan { start: plan().start - TimeDelta::days(6), count: 12, ..plan() };
        world.upsert(&event_of(&begun));
        world.settle();
        world.run(&format!("update calendar_events set location = 'hall' where {}", of_day(-5)));
        world.settle();
        world.upsert(&json!({ "recurrence": ["RRULE:FREQ=DAILY;INTERVAL=2;COUNT=6"] }));
        world.settle();
        let to_come =
            |all: Vec<String>| -> Vec<String> { all.into_iter().filter(|one| !one.starts_with('-')).collect() };
        assert_eq!(to_come(world.here()), ["0 standup", "2 standup", "4 standup"]);
        assert_eq!(to_come(world.there()), ["0 standup", "2 standup", "4 standup"]);
        assert!(world.here().contains(&"-5 standup hall".to_owned()), "history");
    }
}

/// The providers differ in what they keep of an occurrence that a rule does not give; here it is as it is there.
#[test]
fn an_occurrence_that_another_rule_there_takes_away_and_a_third_gives_again_is_as_it_is_there() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.series_of_theirs();
        world.there.edit_one(&world.one_there(1), &Edit::Place("hall".into()));
        world.settle();
        world.there.cancel_one(&world.one_there(1));
        world.there.cancel_one(&world.one_there(2));
        world.run(&format!("delete from calendar_events where {}", of_day(3)));
        world.assert_both(&["0 standup", "4 standup"]);
        let series = world.one_there(0).series;
        world.there.replan(&series, &Plan { interval: 5, ..plan() });
        world.settle();
        world.there.replan(&series, &plan());
        world.settle();
        assert_eq!(world.here(), world.there());
        if let Some(again) = world.there.occurrences().into_iter().find(|one| one.original == at(1)) {
            world.there.edit_one(&again, &Edit::Place("yard".into()));
            world.settle();
            assert_eq!(world.here(), world.there());
        }
    }
}

/// An edit beats a delete: the series is here again, as it is there.
#[test]
fn a_series_that_is_deleted_here_while_another_rule_there_gives_an_occurrence_again_is_as_it_is_there() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.series_of_ours();
        world.there.cancel_one(&world.one_there(1));
        world.there.edit_one(&world.one_there(2), &Edit::Place("hall".into()));
        world.assert_both(&["0 standup", "2 standup hall", "3 standup", "4 standup"]);
        let series = world.one_there(0).series;
        world.there.replan(&series, &Plan { interval: 5, ..plan() });
        world.settle();
        world.there.replan(&series, &plan());
        world.run("select calendar_delete_event('ada@example.com', 'crm', '1')");
        world.settle();
        assert!(world.here().len() >= 3, "{:?}", world.here());
        assert_eq!(world.here(), world.there());
    }
}

/// The day by which a rule goes belongs to the start, also where only one side says it: Outlook always does.
#[test]
fn a_series_that_both_sides_have_moved_to_another_day_has_start_and_rule_of_whoever_wins() {
    for connect in ALL {
        for (winner, days) in [("local", [1, 22, 43, 64]), ("remote", [2, 23, 44, 65])] {
            let weekly = |days: i64| Plan {
                freq: Freq::Weekly,
                interval: 3,
                count: 4,
                start: plan().start + TimeDelta::days(days),
                ..plan()
            };
            let mut world = World::start(connect);
            world.upsert(&event_of(&weekly(0)));
            world.settle();
            world.run(&format!("update calendar_connections set conflict_policy = '{winner}'"));
            let mut ours = weekly(1).times_here();
            if winner == "remote" {
                let weekday = weekly(1).start.format("%a").to_string()[..2].to_uppercase();
                ours["recurrence"] = json!([format!("RRULE:FREQ=WEEKLY;INTERVAL=3;COUNT=4;BYDAY={weekday}")]);
            }
            world.upsert(&ours);
            let series = world.one_there(0).series;
            world.there.replan(&series, &weekly(2));
            world.assert_both(&days.map(|day| format!("{day} standup")).each_ref().map(String::as_str));
            let told = "select details -> 'fields' from calendar_sync_log where action = 'conflict'";
            let told: Value = world.client.query_one(told, &[]).expect("one conflict").get(0);
            let [ours, theirs] = ["local", "remote"].map(|side| told[0][side]["start"].as_str().map(str::parse));
            assert_eq!((&told[0]["name"], ours, theirs), (&json!("time"), Some(Ok(at(1))), Some(Ok(at(2)))));
            assert!(winner == "local" || told[1]["name"] == "recurrence", "{told}");
        }
    }
}

#[test]
fn what_a_new_rule_there_has_taken_from_a_series_is_no_edit_that_outlives_its_end() {
    for connect in ALL {
        let mut world = World::start(connect);
        world.series_of_theirs();
        world.run(&format!("update calendar_events set event_status = 'cancelled' where {}", of_day(1)));
        world.assert_both(&["0 standup", "2 standup", "3 standup", "4 standup"]);
        let series = world.one_there(0).series;
        world.there.replan(&series, &Plan { interval: 2, ..plan() });
        world.settle();
        world.there.delete(&series);
        world.assert_both(&[]);
    }
}
