//! Texts of a calendar file: cleaned for storage and unescaped (RFC 5545, 3.3.11).

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// A file that says by its byte order mark that it is UTF-16, in UTF-8.
pub fn from_utf_16(file: &[u8]) -> Option<String> {
    let (encoding, _) = Encoding::for_bom(file).filter(|(encoding, _)| *encoding != UTF_8)?;
    Some(encoding.decode_with_bom_removal(file).0.into_owned())
}

/// Bytes from outside as text that a database takes: see [`decode`]; a stray CR becomes a newline, and control characters
/// (no content line may have them; PostgreSQL refuses NUL) go.
pub fn clean(bytes: &[u8]) -> Cow<'_, str> {
    // Much faster than the lossy way where nothing is lost.
    let text = std::str::from_utf8(bytes).map_or_else(|_| decode(bytes), Cow::Borrowed);
    // To the end, since a loop that may stop early is not done in wide registers.
    if !bytes.iter().fold(false, |any, &byte| any | (byte < 0x20) | (byte == 0x7F)) {
        return text;
    }
    Cow::Owned(text.chars().filter_map(storable).collect())
}

/// What is not UTF-8: Windows-1252 (of which Latin-1 is a part) if nothing beyond ASCII in it is UTF-8, else UTF-8 with
/// U+FFFD for what is broken.
fn decode(bytes: &[u8]) -> Cow<'_, str> {
    if bytes.utf8_chunks().all(|chunk| chunk.valid().is_ascii()) {
        return WINDOWS_1252.decode_without_bom_handling(bytes).0;
    }
    String::from_utf8_lossy(bytes)
}

/// The character as a database takes it, if it does.
pub fn storable(character: char) -> Option<char> {
    match character {
        '\t' | '\n' => Some(character),
        '\r' => Some('\n'),
        _ if character < ' ' || character == '\u{7F}' => None,
        _ => Some(character),
    }
}

/// A value that knows no escapes, without blanks around it.
pub fn word(value: &[u8]) -> String {
    clean(value).trim_ascii().to_owned()
}

/// A TEXT value that says something: more than blanks and what `clean` takes out.
pub fn said(value: &[u8]) -> Option<String> {
    Some(unescape(value)).filter(|text| !is_blank(text))
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|character| matches!(character, ' ' | '\t'))
}

/// A TEXT value. A backslash before anything but `\`, `;`, `,`, `:`, `"` and `n` is itself (a Windows path).
pub fn unescape(value: &[u8]) -> String {
    let text = clean(value);
    let Some(first) = text.find('\\') else { return text.into_owned() };
    let mut plain = String::with_capacity(text.len());
    plain.push_str(&text[..first]);
    let mut rest = text[first..].chars();
    while let Some(character) = rest.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        let escaped = rest.as_str().chars().next();
        match escaped {
            Some('n' | 'N') => plain.push('\n'),
            Some(escaped @ ('\\' | ';' | ',' | ':' | '"')) => plain.push(escaped),
            _ => {
                plain.push('\\');
                continue;
            }
        }
        rest.next();
    }
    plain
}

/// A list of TEXT values, separated by commas that are not escaped. Empty ones are left out.
pub fn unescape_list(value: &[u8]) -> impl Iterator<Item = String> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let value = rest?;
        let end = unescaped_comma(value);
        rest = end.map(|end| &value[end + 1..]);
        let text = unescape(&value[..end.unwrap_or(value.len())]);
        Some(text.trim_matches([' ', '\t']).to_owned())
    })
    .filter(|text| !text.is_empty())
}

fn unescaped_comma(value: &[u8]) -> Option<usize> {
    let mut escaped = false;
    value.iter().position(|&byte| {
        let comma = byte == b',' && !escaped;
        escaped = byte == b'\\' && !escaped;
        comma
    })
}

/// A parameter's value: without its quotes, RFC 6868's `^n`, `^'` and `^^` resolved.
pub fn param_value(written: &[u8]) -> Cow<'_, str> {
    let written = written.trim_ascii();
    let unquoted = match written {
        [b'"', inner @ .., b'"'] if !inner.contains(&b'"') => inner,
        _ => written,
    };
    let text = clean(unquoted);
    if !text.contains('^') {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let decoded = match (character, rest.peek()) {
            ('^', Some('n')) => '\n',
            ('^', Some('\'')) => '"',
            ('^', Some('^')) => '^',
            _ => {
                plain.push(character);
                continue;
            }
        };
        plain.push(decoded);
        rest.next();
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_paths_stay() {
        assert_eq!(unescape(br"a\, b\; c\\n\nd\N\x C:\temp \"), "a, b; c\\n\nd\n\\x C:\\temp \\");
    }

    #[test]
    fn what_a_database_cannot_hold_goes() {
        assert_eq!(unescape(b"a\0b\x07c\td"), "abc\td");
    }

    #[test]
    fn what_is_not_utf_8_is_windows_1252_unless_some_of_it_is_utf_8() {
        assert_eq!(unescape(b"Gr\xFC\xDFe \x96 \x80 5"), "Gr\u{FC}\u{DF}e \u{2013} \u{20AC} 5");
        assert_eq!(unescape(b"Gr\xC3\xBC\xC3"), "Gr\u{FC}\u{FFFD}");
    }

    #[test]
    fn a_text_of_nothing_but_blanks_and_controls_says_nothing() {
        assert_eq!(said(b" \x01\t"), None);
        assert_eq!(said(b"\\n").as_deref(), Some("\n"));
        assert_eq!(word(b" \x0b a b "), "a b");
    }

    #[test]
    fn a_list_is_split_at_plain_commas() {
        let list: Vec<_> = unescape_list(b"one, t\\,wo,,th\\\\,ree,\x01 ,\x01 four").collect();
        assert_eq!(list, ["one", "t,wo", "th\\", "ree", "four"]);
    }
}
