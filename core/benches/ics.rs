//! A calendar of 1,000 events: read, resolved, passed over since nothing has changed, and written; by calendar_sync and
//! by the icalendar crate as far as it does the same.
//!
//! `cargo bench -p calendar_sync_core --bench ics`

use std::collections::HashSet;
use std::fmt::Write;
use std::hint::black_box;

use calendar_sync_core::event::Item;
use calendar_sync_core::ics::{self, Head, SourceHash, Visibility};
use calendar_sync_core::zones::ChronoZones;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use icalendar::parser::{read_calendar, unfold};

const EVENTS: usize = 1_000;

fn file() -> String {
    let mut file = String::from("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example.com//bench//EN\r\n");
    for number in 0..EVENTS {
        let (month, day, hour) = (number % 12 + 1, number % 28 + 1, number % 24);
        let _ = write!(
            file,
            "BEGIN:VEVENT\r\nUID:{number}@example.com\r\nDTSTAMP:20260101T000000Z\r\n\
             DTSTART;TZID=Europe/Berlin:2026{month:02}{day:02}T{hour:02}0000\r\nDURATION:PT1H\r\nSUMMARY:Meeting {number}\r\n\
             DESCRIPTION:What will be talked about\\, and by whom\\; and what was left over \r\n from last time.\r\n\
             LOCATION:Room {day}\r\nORGANIZER;CN=Ada:mailto:ada@example.com\r\n\
             ATTENDEE;PARTSTAT=ACCEPTED;CN=Grace:mailto:grace@example.com\r\nEND:VEVENT\r\n"
        );
    }
    file + "END:VCALENDAR\r\n"
}

fn items<'a>(file: &'a str, zones: &'a ChronoZones) -> Option<ics::Items<'a>> {
    ics::resolve(ics::read(file.as_bytes(), EVENTS).ok()?, zones, "UTC").ok()
}

fn sources(file: &str, zones: &ChronoZones) -> HashSet<SourceHash> {
    let mut found = items(file, zones).map(ics::Items::with_sources);
    let mut next = || found.as_mut()?.next_unless(|_, _| false);
    std::iter::from_fn(&mut next).filter_map(|found| found.ok()?.source).collect()
}

fn written(items: &[Item], zones: &ChronoZones) -> usize {
    let head = Head { name: None, refresh: None, visibility: Visibility::Details };
    let mut writer = ics::Writer::new(&head, zones);
    items.iter().for_each(|item| writer.item(item));
    writer.finish().len()
}

fn reading(criterion: &mut Criterion) {
    let (file, zones) = (file(), ChronoZones::default());
    let known = sources(&file, &zones);
    assert_eq!(known.len(), EVENTS);
    let mut group = criterion.benchmark_group("read");
    group.throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("calendar_sync: find the events", |b| {
        b.iter(|| ics::read(black_box(file.as_bytes()), EVENTS).map(|calendar| calendar.len()));
    });
    group.bench_function("calendar_sync: to items", |b| {
        b.iter(|| items(black_box(&file), &zones).map(Iterator::count));
    });
    group.bench_function("calendar_sync: nothing has changed", |b| {
        b.iter(|| {
            let mut items = items(black_box(&file), &zones)?.with_sources();
            items.next_unless(|_, source| known.contains(source))
        });
    });
    group.bench_function("icalendar: parser", |b| {
        b.iter(|| read_calendar(&unfold(black_box(&file))).map(|calendar| calendar.components.len()).ok());
    });
    group.bench_function("icalendar: to its model", |b| {
        b.iter(|| black_box(&file).parse::<icalendar::Calendar>().map(|calendar| calendar.len()).ok());
    });
    group.finish();
}

fn writing(criterion: &mut Criterion) {
    let (file, zones) = (file(), ChronoZones::default());
    let ours: Vec<Item> = items(&file, &zones).into_iter().flatten().flatten().collect();
    let theirs = file.parse::<icalendar::Calendar>().unwrap_or_default();
    assert_eq!((ours.len(), theirs.len()), (EVENTS, EVENTS));
    let mut group = criterion.benchmark_group("write");
    group.throughput(Throughput::Elements(EVENTS as u64));
    group.bench_function("calendar_sync", |b| b.iter(|| written(black_box(&ours), &zones)));
    group.bench_function("icalendar", |b| b.iter(|| black_box(&theirs).to_string().len()));
    group.finish();
}

criterion_group!(benches, reading, writing);
criterion_main!(benches);
