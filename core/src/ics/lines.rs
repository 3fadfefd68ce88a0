//! Content lines (RFC 5545, 3.1): bytes of a calendar file, unfolded and split into name, parameters and value.
//!
//! A line that is not folded is a slice of the input; a folded one is joined, byte by byte, in one buffer that all
//! lines share, so a fold inside a UTF-8 sequence heals and memory grows with the longest line, not with the file. Lines
//! that nobody wants to read (attachments of megabytes) are passed over without being joined. Nothing here calls itself,
//! and nothing fails: what is not a content line has an empty name.

use std::borrow::Cow;

use memchr::{memchr, memchr2, memrchr};

use super::text;

/// What is kept of one unfolded line, in bytes: what PostgreSQL takes as one string of a jsonb. A description of some
/// megabytes is rare, but nothing of it must be lost.
const MAX_LINE: usize = 256 << 20;

/// The content lines of a file.
pub struct Lines<'a> {
    input: &'a [u8],
    position: Position,
    unfolded: Vec<u8>,
}

/// A position between two lines of a file.
#[derive(Debug, Clone, Copy, Default)]
pub struct Position {
    /// Bytes before it.
    pub bytes: usize,
    /// Line ends before it.
    lines: u32,
}

impl Position {
    /// So many bytes behind it, on whatever line.
    pub fn forward(self, bytes: usize) -> Self {
        Self { bytes: self.bytes + bytes, ..self }
    }
}

/// One content line: `name *(";" param ) ":" value`.
#[derive(Clone, Copy)]
pub struct Line<'l> {
    /// The first physical line that it stands on, from 1.
    pub number: u32,
    /// Bytes before it.
    pub start: usize,
    /// Where the next one is.
    pub after: Position,
    /// As written (names are case-insensitive); empty if there is no colon.
    pub name: &'l [u8],
    params: &'l [u8],
    pub value: &'l [u8],
    /// It was longer than [`MAX_LINE`]; `value` lacks its end.
    pub cut: bool,
}

impl<'a> Lines<'a> {
    /// All lines of a file; a byte order mark before them is passed over.
    pub fn new(input: &'a [u8]) -> Self {
        let mark = if input.starts_with(b"\xEF\xBB\xBF") { 3 } else { 0 };
        Self::from(input, Position { bytes: mark, lines: 0 })
    }

    /// The lines from a position in the same input on, such as [`Line::after`].
    pub fn from(input: &'a [u8], position: Position) -> Self {
        Self { input, position, unfolded: Vec::new() }
    }

    /// The next line that `kind` has a use for, judged by its name; that is empty where there is no colon.
    pub fn next<K>(&mut self, kind: impl Fn(&[u8]) -> Option<K>) -> Option<(K, Line<'_>)> {
        let (kind, from, unfolded) = loop {
            self.skip_line_ends();
            if self.position.bytes >= self.input.len() {
                return None;
            }
            let from = self.position;
            let first = self.physical();
            // A name is hardly ever folded, so that what is not wanted need not be joined.
            let mut wanted = name_of(first).map(&kind);
            if let Some(None) = wanted {
                self.skip_continuations();
                continue;
            }
            let folded = self.at_continuation();
            if folded {
                self.unfold(first);
            }
            let line = if folded { &self.unfolded } else { first };
            if let Some(kind) = wanted.take().unwrap_or_else(|| kind(name_of(line).unwrap_or_default())) {
                break (kind, from, (!folded).then_some(first));
            }
        };
        self.skip_line_ends();
        Some((kind, Line::split(from, self.position, unfolded.unwrap_or(&self.unfolded))))
    }

    fn unfold(&mut self, first: &[u8]) {
        self.unfolded.clear();
        self.unfolded.extend_from_slice(&first[..first.len().min(MAX_LINE + 1)]);
        while self.at_continuation() {
            self.position.bytes += 1;
            let more = self.physical();
            // One byte over the limit is kept: it marks the line as cut.
            let room = (MAX_LINE + 1).saturating_sub(self.unfolded.len());
            self.unfolded.extend_from_slice(&more[..more.len().min(room)]);
        }
    }

    fn skip_continuations(&mut self) {
        while self.at_continuation() {
            self.position.bytes += 1;
            self.physical();
        }
    }

    /// After a line: whether the next one continues it. Empty lines in between are skipped, as other readers do.
    fn at_continuation(&mut self) -> bool {
        self.skip_line_ends();
        matches!(self.input.get(self.position.bytes), Some(b' ' | b'\t'))
    }

    fn skip_line_ends(&mut self) {
        while let Some(end) = self.input.get(self.position.bytes) {
            match end {
                b'\n' => self.position.lines += 1,
                b'\r' if self.input.get(self.position.bytes + 1) != Some(&b'\n') => self.position.lines += 1,
                b'\r' => {}
                _ => break,
            }
            self.position.bytes += 1;
        }
    }

    /// Up to the end of the physical line, which is left standing. LF, CRLF and CRCRLF end a line; a lone CR does
    /// where a line can follow it (old files have no other), else it is a stray character of the value.
    fn physical(&mut self) -> &'a [u8] {
        let start = self.position.bytes;
        let mut from = start;
        loop {
            let Some(found) = memchr2(b'\r', b'\n', &self.input[from..]).map(|at| from + at) else {
                self.position.bytes = self.input.len();
                return &self.input[start..];
            };
            let after = found + self.input[found..].iter().take_while(|&&byte| byte == b'\r').count();
            if self.input.get(after) == Some(&b'\n') || line_can_start(&self.input[after..]) {
                self.position.bytes = found;
                return &self.input[start..found];
            }
            from = after;
        }
    }
}

/// The name at the beginning of a line, if it ends there.
fn name_of(line: &[u8]) -> Option<&[u8]> {
    memchr2(b':', b';', line).map(|end| line[..end].trim_ascii())
}

/// Whether what follows a lone CR looks like a line of its own.
fn line_can_start(rest: &[u8]) -> bool {
    let name = rest.iter().take(64).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    match rest.get(name) {
        None => true,
        Some(b':' | b';') => name > 0,
        Some(b' ' | b'\t') => name == 0,
        Some(_) => false,
    }
}

impl<'l> Line<'l> {
    fn split(from: Position, after: Position, bytes: &'l [u8]) -> Self {
        let (number, start) = (from.lines + 1, from.bytes);
        let cut = bytes.len() > MAX_LINE;
        let bytes = bytes[..bytes.len().min(MAX_LINE)].trim_ascii_start();
        let line = |name: usize, colon: usize| Self {
            number,
            start,
            after,
            name: bytes[..name].trim_ascii(),
            params: &bytes[name..colon],
            value: &bytes[colon + 1..],
            cut,
        };
        let nameless = Self { number, start, after, name: b"", params: b"", value: bytes, cut };
        match memchr2(b':', b';', bytes) {
            Some(name) if bytes[name] == b':' => line(name, name),
            Some(name) => match unquoted(b':', &bytes[name..]).or_else(|| memchr(b':', &bytes[name..])) {
                Some(colon) => line(name, name + colon),
                None => nameless,
            },
            None => nameless,
        }
    }

    /// Whether the line is of that property or component; names are in any case (RFC 5545, 2).
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// The parameter's value without quotes and with RFC 6868's `^` sequences resolved. Of several values the whole
    /// list as written: no parameter that is read here has more than one.
    pub fn param(&self, name: &str) -> Option<Cow<'l, str>> {
        let mut rest = self.params;
        while let [b';', param @ ..] = rest {
            let end = unquoted(b';', param).unwrap_or(param.len());
            if let Some(equals) = memchr(b'=', &param[..end])
                && param[..equals].trim_ascii().eq_ignore_ascii_case(name.as_bytes())
            {
                return Some(text::param_value(&param[equals + 1..end]));
            }
            rest = &param[end..];
        }
        None
    }

    /// The value of a property of dates, and its TZID.
    ///
    /// Outlook writes `DTSTART;TZID=(UTC-05:00) Eastern Time:20200101T090000` without the quotes that the colon asks
    /// for. So where eight digits follow the last colon, all before it is the TZID.
    pub fn dates(&self) -> (Option<Cow<'l, str>>, &'l [u8]) {
        let tzid = self.param("TZID");
        match (tzid, memrchr(b':', self.value)) {
            (Some(tzid), Some(colon)) if starts_with_date(&self.value[colon + 1..]) => {
                let rest = text::clean(&self.value[..colon]);
                (Some(Cow::Owned(format!("{tzid}:{rest}"))), &self.value[colon + 1..])
            }
            (tzid, _) => (tzid, self.value),
        }
    }
}

fn starts_with_date(value: &[u8]) -> bool {
    value.len() >= 8 && value[..8].iter().all(u8::is_ascii_digit)
}

/// Where `wanted` stands outside of double quotes.
fn unquoted(wanted: u8, bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + memchr2(wanted, b'"', &bytes[at..])?;
        if bytes[found] == wanted {
            return Some(found);
        }
        at = found + 1 + memchr(b'"', &bytes[found + 1..])? + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next<'l>(lines: &'l mut Lines<'_>) -> Option<Line<'l>> {
        lines.next(|_| Some(())).map(|(_, line)| line)
    }

    fn read(input: &[u8]) -> Vec<(u32, String, String)> {
        let mut lines = Lines::new(input);
        let mut read = vec![];
        while let Some(line) = next(&mut lines) {
            read.push((line.number, text::clean(line.name).into(), text::clean(line.value).into()));
        }
        read
    }

    fn line(number: u32, name: &str, value: &str) -> (u32, String, String) {
        (number, name.into(), value.into())
    }

    #[test]
    fn every_line_end_ends_a_line() {
        for end in ["\n", "\r\n", "\r", "\r\r\n"] {
            let input = ["A:1", "B:2", "", "C:3", ""].join(end);
            let values: Vec<_> = read(input.as_bytes()).into_iter().map(|(_, name, value)| name + &value).collect();
            assert_eq!(values, ["A1", "B2", "C3"], "{end:?}");
        }
        assert_eq!(read(b"A:1\r\nB:2\nC:3"), [line(1, "A", "1"), line(2, "B", "2"), line(3, "C", "3")]);
    }

    #[test]
    fn a_stray_cr_is_no_line_end() {
        assert_eq!(read(b"A:one\rtwo, three\r\nB:2\n"), [line(1, "A", "one\ntwo, three"), line(2, "B", "2")]);
    }

    #[test]
    fn folds_are_undone_also_inside_of_a_character() {
        assert_eq!(read("A:Gr\u{fc}n\r\n \t e\n\tr\n".as_bytes())[0].2, "Gr\u{fc}n\t er");
        assert_eq!(read(b"A:Gr\xC3\r\n \xBCn\r\nB:2\r\n"), [line(1, "A", "Gr\u{fc}n"), line(3, "B", "2")]);
        assert_eq!(read(b"A;TZID=x:\r\n \r\n 1\r\n\r\n 2\r\n"), [line(1, "A", "12")]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(read(b"\xEF\xBB\xBFBEGIN:VCALENDAR"), [line(1, "BEGIN", "VCALENDAR")]);
    }

    #[test]
    fn parameters_are_found_whatever_stands_between() {
        let input = b"A;X=\"a;b:c\",\"d\";tzid = \"Europe/Berlin\" ;CN=O^'Hara ^n^^:value:1";
        let mut lines = Lines::new(input);
        let line = next(&mut lines).unwrap();
        assert_eq!(line.value, b"value:1");
        assert_eq!(line.param("TZID").unwrap(), "Europe/Berlin");
        assert_eq!(line.param("cn").unwrap(), "O\"Hara \n^");
        assert_eq!(line.param("none"), None);
    }

    #[test]
    fn an_open_quote_does_not_swallow_the_value() {
        let mut lines = Lines::new(b"A;CN=\"Meier:mailto:a@b");
        assert_eq!(next(&mut lines).unwrap().value, b"mailto:a@b");
    }

    #[test]
    fn a_tzid_with_a_colon_is_read_without_its_quotes() {
        for (tzid, written) in [("(UTC-05:00) Eastern Time", ""), ("tzone://Microsoft/Utc", ""), ("a:b", "\"")] {
            let input = format!("DTSTART;TZID={written}{tzid}{written}:20200101T090000");
            let mut lines = Lines::new(input.as_bytes());
            let (found, value) = next(&mut lines).unwrap().dates();
            assert_eq!((found.unwrap().as_ref(), value), (tzid, b"20200101T090000".as_slice()));
        }
    }

    #[test]
    fn a_line_without_a_colon_has_no_name() {
        assert_eq!(read(b"garbage\nA;B=\"c\nD:1"), [line(1, "", "garbage"), line(2, "", "A;B=\"c"), line(3, "D", "1")]);
    }

    #[test]
    fn a_line_of_megabytes_is_whole_folded_or_not() {
        for fold in ["", "\r\n "] {
            let input = format!("A:{}\r\nB:2\r\n", format!("{}{fold}", "x".repeat(1000)).repeat(8000));
            let mut lines = Lines::new(input.as_bytes());
            let line = next(&mut lines).unwrap();
            assert!(!line.cut && line.value.len() == 8_000_000);
            assert!(next(&mut lines).unwrap().is("b"));
        }
    }

    #[test]
    fn what_is_not_wanted_is_passed_over_and_not_kept() {
        let input = format!("ATTACH:{}\r\nNOTHING\r\nSUM\r\n MARY:x\r\n", "YWJj\r\n ".repeat(100_000));
        let mut lines = Lines::new(input.as_bytes());
        let (_, line) = lines.next(|name| (name == b"SUMMARY").then_some(())).unwrap();
        assert_eq!((line.number, line.value), (100_003, b"x".as_slice()));
        assert!(lines.unfolded.capacity() < 1_000);
        assert!(lines.next(|_| Some(())).is_none());
    }

    #[test]
    fn reading_goes_on_from_a_position() {
        let input = b"\xEF\xBB\xBFA:1\r\nB:2\r\nC:3\r\n";
        let mut lines = Lines::new(input);
        let after = next(&mut lines).unwrap().after;
        let mut again = Lines::from(input, after);
        let line = next(&mut again).unwrap();
        assert_eq!((line.number, line.name), (2, b"B".as_slice()));
    }
}
