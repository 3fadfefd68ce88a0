//! Reads a calendar file and writes it as we export it: to look at, and to give to other readers.
//!
//! `cargo run --example ics_roundtrip -- FILE`. What cannot be read goes to stderr.

use std::io::Write;

use calendar_sync_core::ics::{self, Head, Visibility, Writer};
use calendar_sync_core::zones::ChronoZones;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = std::env::args_os().nth(1).ok_or("usage: ics_roundtrip FILE")?;
    let calendar = ics::read(std::fs::read(file)?, 1_000_000)?;
    if !calendar.complete {
        eprintln!("the file is cut off");
    }
    let name = calendar.name.clone();
    let zones = ChronoZones::default();
    let head = Head { name: name.as_deref(), refresh: calendar.refresh, visibility: Visibility::Details };
    let mut writer = Writer::new(&head, &zones);
    for item in ics::resolve(calendar, &zones, "UTC")? {
        match item {
            Ok(item) => writer.item(&item),
            Err(bad) => eprintln!("{bad}"),
        }
    }
    std::io::stdout().write_all(writer.finish().as_bytes())?;
    Ok(())
}
