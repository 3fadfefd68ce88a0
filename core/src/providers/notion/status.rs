//! What the names of statuses mean.

use crate::event::EventStatus;

/// Words of names, in lower case, by what they mean; every other name means scheduled.
const WORDS: [(EventStatus, &[&str]); 3] = [
    (EventStatus::Cancelled, &["cancelled", "canceled", "called off", "abgesagt", "storniert"]),
    (EventStatus::Completed, &["done", "complete", "completed", "finished", "erledigt", "abgeschlossen", "fertig"]),
    (EventStatus::Tentative, &["tentative", "maybe", "unconfirmed", "vorläufig", "vorgemerkt", "mit vorbehalt"]),
];
/// Names of what is scheduled, the likeliest first.
const SCHEDULED: [&str; 7] = ["scheduled", "confirmed", "planned", "upcoming", "not started", "geplant", "to do"];

/// What a status or option of that name says; scheduled, where nobody knows.
pub fn meaning(name: &str) -> EventStatus {
    let name = name.trim().to_lowercase();
    let known = WORDS.iter().find(|(_, words)| words.contains(&name.as_str()));
    known.map_or(EventStatus::Scheduled, |(status, _)| *status)
}

/// The choice that means it, if there is one.
pub fn choice(status: EventStatus, choices: &[String]) -> Option<&String> {
    let mut meant = choices.iter().filter(|choice| meaning(choice) == status);
    if status != EventStatus::Scheduled {
        return meant.next();
    }
    let usual = |name: &&str| choices.iter().find(|choice| choice.trim().to_lowercase() == **name);
    SCHEDULED.iter().find_map(usual).or_else(|| meant.next())
}
