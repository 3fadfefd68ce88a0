//! Texts as a calendar file has them: escaped (RFC 5545, 3.3.11), quoted (3.2), and folded (3.1).

use super::text::storable;

/// Appends a TEXT value, escaped.
pub fn push_escaped(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\\' | ';' | ',' => line.extend(['\\', character]),
            '\n' => line.push_str("\\n"),
            _ if storable(character) == Some(character) => line.push(character),
            _ => {}
        }
    }
}

/// Appends a parameter's value: in quotes where it needs them, `"`, `^` and newline as RFC 6868 writes them.
pub fn push_param_value(line: &mut String, text: &str) {
    let quoted = text.contains([':', ';', ',']) || text.starts_with(' ') || text.ends_with(' ');
    if quoted {
        line.push('"');
    }
    for character in text.chars() {
        match character {
            '"' => line.push_str("^'"),
            '^' => line.push_str("^^"),
            '\n' => line.push_str("^n"),
            _ if storable(character) == Some(character) => line.push(character),
            _ => {}
        }
    }
    if quoted {
        line.push('"');
    }
}

/// Appends a content line: CRLF at its end, folded after 75 octets, never inside of a character.
pub fn push_line(file: &mut String, line: &str) {
    let mut rest = line;
    let mut room = 75;
    while rest.len() > room {
        let (start, more) = rest.split_at(rest.floor_char_boundary(room));
        file.push_str(start);
        file.push_str("\r\n ");
        rest = more;
        // The space counts.
        room = 74;
    }
    file.push_str(rest);
    file.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::text::{param_value, unescape};
    use super::*;

    proptest! {
        #[test]
        fn a_written_text_is_read_as_it_was(text in "[^\\x00-\\x08\\x0b-\\x1f\\x7f]*") {
            let mut written = String::new();
            push_escaped(&mut written, &text);
            prop_assert!(!written.contains('\n'));
            prop_assert_eq!(unescape(written.as_bytes()), text);
        }

        #[test]
        fn a_folded_line_unfolds_to_itself(line in "\\PC{0,300}") {
            let mut file = String::new();
            push_line(&mut file, &line);
            prop_assert!(file.lines().all(|line| line.len() <= 75));
            prop_assert_eq!(file.replace("\r\n ", ""), line + "\r\n");
        }

        #[test]
        fn a_written_parameter_is_read_as_it_was(text in "[^\\x00-\\x08\\x0b-\\x1f\\x7f]*") {
            let text = text.trim_matches(['\t', '\n']);
            let mut written = String::new();
            push_param_value(&mut written, text);
            prop_assert!(!written.contains('\n'));
            prop_assert_eq!(param_value(written.as_bytes()), text);
        }
    }
}
