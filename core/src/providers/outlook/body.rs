//! Texts of events; bodies, which Outlook writes in HTML.

use crate::ics::clean;
use crate::providers::html;

/// A text that says something, as a database takes it.
pub fn tidy(text: &str) -> Option<String> {
    let lines = text.replace("\r\n", "\n");
    let text = clean(lines.as_bytes());
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The body's text; of HTML, what it shows.
pub fn plain_text(body: String, is_html: bool) -> Option<String> {
    let text = if is_html || is_page(&body) { html::to_text(&body) } else { body };
    Some(text).filter(|text| !text.is_empty())
}

/// Whether a body is a whole page of HTML, whatever is said of it.
fn is_page(body: &str) -> bool {
    let begins = |what: &str| body.get(..what.len()).is_some_and(|start| start.eq_ignore_ascii_case(what));
    begins("<html") || begins("<!doctype html")
}
