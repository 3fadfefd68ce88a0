//! The text of an HTML body, as a reader of plain text wants it.

/// Elements whose content is not shown.
const HIDDEN: [&str; 5] = ["head", "script", "style", "title", "template"];
/// Elements that begin and end a line.
const BLOCKS: [&str; 17] = [
    "address",
    "blockquote",
    "br",
    "div",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "table",
    "tr",
    "ul",
];

/// Tags left out, lines where blocks begin and end, entities resolved; at most one empty line between two others.
pub fn to_text(html: &str) -> String {
    let mut text = String::with_capacity(html.len() / 2);
    let mut rest = html;
    // Of those, the ones that are known not to end any more: they are not searched for again.
    let mut endless = [false; HIDDEN.len()];
    while let Some(start) = rest.find('<') {
        text_of(&rest[..start], &mut text);
        rest = &rest[start..];
        if rest.starts_with("<!--") {
            rest = behind(rest, "-->");
            continue;
        }
        let Some(name) = name_of(rest) else {
            text.push('<');
            rest = &rest[1..];
            continue;
        };
        let closes = rest.starts_with("</");
        rest = behind(rest, ">");
        let hidden = HIDDEN.iter().position(|hidden| *hidden == name).filter(|hidden| !closes && !endless[*hidden]);
        if let Some(hidden) = hidden {
            match behind_end_of(rest, &name) {
                Some(behind) => rest = behind,
                None => endless[hidden] = true,
            }
        } else if BLOCKS.contains(&name.as_str()) {
            end_line(&mut text, name == "br" || name == "p");
        } else if matches!(name.as_str(), "td" | "th") && closes {
            text.push(' ');
        }
    }
    text_of(rest, &mut text);
    html_escape::decode_html_entities(text.trim()).replace('\u{a0}', " ").trim().to_owned()
}

/// The name in a tag that begins here, in lower case; "" for a doctype or the like.
fn name_of(tag: &str) -> Option<String> {
    let inside = tag[1..].strip_prefix('/').unwrap_or(&tag[1..]);
    match inside.bytes().next()? {
        b'!' | b'?' => Some(String::new()),
        first if first.is_ascii_alphabetic() => {
            let length = inside.bytes().take(20).take_while(u8::is_ascii_alphanumeric).count();
            Some(inside[..length].to_ascii_lowercase())
        }
        _ => None,
    }
}

fn behind<'a>(text: &'a str, what: &str) -> &'a str {
    text.find(what).map_or("", |at| &text[at + what.len()..])
}

/// What stands behind `</name>`.
fn behind_end_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let is_end = |at: &usize| text[*at + 2..].get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
    let end = text.match_indices("</").map(|(at, _)| at).find(is_end)?;
    Some(behind(&text[end..], ">"))
}

/// Blanks of HTML's source are one blank, and none where a line begins.
fn text_of(source: &str, text: &mut String) {
    for character in source.chars() {
        if !character.is_ascii_whitespace() {
            text.push(character);
        } else if !text.is_empty() && !text.ends_with([' ', '\n']) {
            text.push(' ');
        }
    }
}

/// `again`: a second one in a row makes an empty line.
fn end_line(text: &mut String, again: bool) {
    if text.ends_with(' ') {
        text.pop();
    }
    if !text.is_empty() && !text.ends_with("\n\n") && (again || !text.ends_with('\n')) {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outlooks_html_becomes_what_it_shows() {
        let html = "<html>\r\n<head><style>p { margin: 0 }</style>\r\n<!-- <p>x</p> --></head><body lang=\"de\">\r\n\
                    <div class=\"a\"><p>Gr&uuml;&szlig;e &amp;\r\n  Co &lt;3&nbsp;&#8217;</p><p>Agenda:</p>\
                    <ul><li>One</li><li>Two</li></ul>a<br><br><br>b 1 < 2</div></body></html>";
        assert_eq!(to_text(html), "Grüße & Co <3 \u{2019}\n\nAgenda:\nOne\nTwo\na\n\nb 1 < 2");
    }

    #[test]
    fn what_is_broken_loses_no_more_than_itself() {
        assert_eq!(to_text("a <b"), "a");
        assert_eq!(to_text("a<style>b"), "ab");
        assert_eq!(to_text("<p>a&unknown;&#xD800;&"), "a&unknown;&#xD800;&");
        assert_eq!(to_text(&"<".repeat(100_000)).len(), 100_000);
        assert_eq!(to_text(&"<!--".repeat(100_000)), "");
        assert_eq!(to_text(&"<p>".repeat(100_000)), "");
    }

    #[test]
    fn hostile_html_takes_time_in_proportion() {
        // Each would be searched to its end by a reader that looks for the end of every element.
        for part in ["<script>", "<script></", "</style", "<a", "<!--", "&"] {
            let html = part.repeat(200_000);
            assert!(to_text(&html).len() <= html.len(), "{part}");
        }
    }
}
