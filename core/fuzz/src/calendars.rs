//! Calendar files made of pieces.

use std::fmt;

use chrono::DateTime;
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};

use crate::rules;
use crate::times::{DAY, distance};

/// A calendar file; shown as its text.
pub struct File(pub String);

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// TZIDs: IANA's, prefixed, Windows', an offset, two that the file may define, one that means nothing.
const TZIDS: [&str; 12] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "/citadel.org/20210210_1/Asia/Tehran",
    "W. Europe Standard Time",
    "(UTC-05:00) Eastern Time (US & Canada)",
    "UTC+05:30",
    "UTC",
    "own",
    "own",
    "Custom;:,^ zone",
    "nothing",
];

const UIDS: [&str; 4] = ["a", "b", "\u{fc}^n;,\\n", ""];

impl<'a> Arbitrary<'a> for File {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let mut file = Text { text: String::new(), end: u.choose(&["\r\n", "\r\n", "\r\n", "\n", "\r"])? };
        for _ in 0..u.int_in_range(1..=2)? {
            file.calendar(u)?;
        }
        Ok(Self(file.text))
    }
}

struct Text {
    text: String,
    end: &'static str,
}

impl Text {
    /// A content line; folded somewhere, now and then.
    fn line(&mut self, u: &mut Unstructured<'_>, line: &str) -> Result<()> {
        if u.ratio(1, 30)? {
            let (start, rest) = line.split_at(line.floor_char_boundary(u.int_in_range(0..=line.len())?));
            self.text.push_str(start);
            self.text.push_str(self.end);
            self.text.push(' ');
            self.text.push_str(rest);
        } else {
            self.text.push_str(line);
        }
        self.text.push_str(self.end);
        Ok(())
    }

    fn calendar(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.line(u, "BEGIN:VCALENDAR")?;
        if u.ratio(1, 4)? {
            let zone = format!("X-WR-TIMEZONE:{}", u.choose(&TZIDS)?);
            self.line(u, &zone)?;
        }
        if u.ratio(1, 8)? {
            let method = u.choose(&["METHOD:PUBLISH", "METHOD:CANCEL", "METHOD:REQUEST"])?;
            self.line(u, method)?;
        }
        for _ in 0..u.int_in_range(0..=2)? {
            self.zone(u)?;
        }
        while u.ratio(7, 8)? && !u.is_empty() {
            self.event(u)?;
        }
        if !u.ratio(1, 20)? {
            self.line(u, "END:VCALENDAR")?;
        }
        Ok(())
    }

    fn zone(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.line(u, "BEGIN:VTIMEZONE")?;
        let tzid = if u.ratio(3, 4)? { "own" } else { u.choose(&TZIDS)? };
        self.line(u, &format!("TZID:{tzid}"))?;
        if u.ratio(1, 8)? {
            let location = u.choose(&TZIDS)?;
            self.line(u, &format!("X-LIC-LOCATION:{location}"))?;
        }
        for _ in 0..u.int_in_range(0..=3)? {
            let part = u.choose(&["STANDARD", "DAYLIGHT"])?;
            self.line(u, &format!("BEGIN:{part}"))?;
            let start = local(u)?;
            self.line(u, &format!("DTSTART:{start}"))?;
            for name in ["TZOFFSETFROM", "TZOFFSETTO"] {
                let offset = offset(u)?;
                self.line(u, &format!("{name}:{offset}"))?;
            }
            match u.int_in_range(0..=4)? {
                0 => self.line(u, "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU")?,
                1 => self.line(u, "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU")?,
                2 => {
                    let rule = rules::rule(u)?;
                    self.line(u, &format!("RRULE:{rule}"))?;
                }
                3 => {
                    let date = local(u)?;
                    self.line(u, &format!("RDATE:{date}"))?;
                }
                _ => {}
            }
            self.line(u, &format!("END:{part}"))?;
        }
        self.line(u, "END:VTIMEZONE")
    }

    fn event(&mut self, u: &mut Unstructured<'_>) -> Result<()> {
        self.line(u, "BEGIN:VEVENT")?;
        let uid = *u.choose(&UIDS)?;
        if !uid.is_empty() {
            self.line(u, &format!("UID:{uid}"))?;
        }
        let start = timed(u, "DTSTART")?;
        self.line(u, &start)?;
        match u.int_in_range(0..=3)? {
            0 => {
                let end = timed(u, "DTEND")?;
                self.line(u, &end)?;
            }
            1 => {
                let duration = duration(u)?;
                self.line(u, &format!("DURATION:{duration}"))?;
            }
            _ => {}
        }
        for _ in 0..u.int_in_range(0..=4)? {
            let property = property(u)?;
            self.line(u, &property)?;
        }
        if !u.ratio(1, 40)? {
            self.line(u, "END:VEVENT")?;
        }
        Ok(())
    }
}

fn property(u: &mut Unstructured<'_>) -> Result<String> {
    Ok(match u.int_in_range(0..=13)? {
        0..=2 => format!("RRULE:{}", rules::rule(u)?),
        3 => format!("EXRULE:{}", rules::rule(u)?),
        4 => timed(u, "RDATE")?,
        5 => timed(u, "EXDATE")?,
        6 | 7 => timed(u, "RECURRENCE-ID")?,
        8 => timed(u, "RECURRENCE-ID;RANGE=THISANDFUTURE")?,
        9 => {
            let (start, end) = (local(u)?, local(u)?);
            let end = if u.arbitrary()? { end } else { duration(u)? };
            format!("RDATE;VALUE=PERIOD;TZID={}:{start}/{end}", tzid(u)?)
        }
        10 => format!("SEQUENCE:{}", u.int_in_range(0..=3)?),
        11 => format!("LAST-MODIFIED:{}Z", local(u)?),
        12 => (*u.choose(&[
            "STATUS:CANCELLED",
            "STATUS:TENTATIVE",
            "TRANSP:TRANSPARENT",
            "CLASS:X",
            "PRIORITY:1",
            "X-MICROSOFT-CDO-BUSYSTATUS:OOF",
            "X-CALENDAR-SYNC-FLOATING:TRUE",
            "ORGANIZER;CN=\"a;b\":mailto:a@example.com",
            "ORGANIZER;CN=a^nb:invalid:nomail",
            "ORGANIZER:nobody",
            "ATTENDEE;PARTSTAT=DECLINED;CN=c:mailto:c@example.com",
            "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nEND:VALARM",
        ])?)
        .to_owned(),
        _ => {
            let name = u.choose(&["SUMMARY", "DESCRIPTION", "LOCATION", "CATEGORIES", "UID", "ORGANIZER;CN=x"])?;
            format!("{name}:{}", u.arbitrary::<&str>()?)
        }
    })
}

fn tzid(u: &mut Unstructured<'_>) -> Result<String> {
    let tzid = *u.choose(&TZIDS)?;
    let quoted = tzid.contains([';', ':', ',']) && u.ratio(3, 4)?;
    Ok(if quoted { format!("\"{tzid}\"") } else { tzid.to_owned() })
}

/// A property of one time, in one of the forms.
fn timed(u: &mut Unstructured<'_>, name: &str) -> Result<String> {
    let local = local(u)?;
    Ok(match u.int_in_range(0..=7)? {
        0 | 1 => format!("{name};VALUE=DATE:{}", &local[..8]),
        2 => format!("{name}:{local}Z"),
        3 => format!("{name}:{local}"),
        4 => format!("{name}:{}", &local[..8]),
        _ => format!("{name};TZID={}:{local}", tzid(u)?),
    })
}

/// Mostly near the first days of 2024, so that times of one series meet; at the ends of the years, now and then.
fn local(u: &mut Unstructured<'_>) -> Result<String> {
    let seconds = match u.int_in_range(0..=15)? {
        0 => u.int_in_range(-62_135_596_800..=253_402_300_799)?,
        1 => -62_135_596_800 + u.int_in_range(0..=3_i64)? * DAY,
        2 => 253_402_300_799 - u.int_in_range(0..=3_i64)? * DAY,
        3 | 4 => (1_704_067_200 + distance(u)?).clamp(-62_135_596_800, 253_402_300_799),
        _ => 1_704_067_200 + u.int_in_range(0..=9)? * DAY + u.int_in_range(0..=2)? * 3600,
    };
    Ok(DateTime::from_timestamp(seconds, 0).unwrap_or_default().format("%Y%m%dT%H%M%S").to_string())
}

fn duration(u: &mut Unstructured<'_>) -> Result<String> {
    let sign = if u.ratio(1, 8)? { "-" } else { "" };
    let number = if u.ratio(1, 8)? { u.int_in_range(0..=999_999_999)? } else { u.int_in_range(0..=40)? };
    Ok(match u.int_in_range(0..=3)? {
        0 => format!("{sign}P{number}W"),
        1 => format!("{sign}P{number}D"),
        2 => format!("{sign}PT{number}H"),
        _ => format!("{sign}P{number}DT{number}H{number}M{number}S"),
    })
}

fn offset(u: &mut Unstructured<'_>) -> Result<String> {
    let offsets = ["+0000", "+0100", "+0200", "-0500", "-0400", "+0530", "-2359", "+235959", "+0003"];
    Ok((*u.choose(&offsets)?).to_owned())
}
