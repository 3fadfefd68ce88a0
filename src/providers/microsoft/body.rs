//! Bodies of online meetings: what Outlook added to one must stay in it, or the meeting is none any more.

use calendar_sync_core::providers::microsoft::JOIN_RULE;
use serde_json::{Map, Value, json};

use super::api;
use crate::providers::account::Ask;
use crate::providers::api::ApiError;

/// The members with a body that keeps what is added to that of the event, if it is an online meeting.
pub fn keeping(ask: &Ask, id: &str, members: &Map<String, Value>) -> Result<Map<String, Value>, ApiError> {
    let mut members = members.clone();
    let Some(text) = members.get("body").and_then(|body| body["content"].as_str()) else { return Ok(members) };
    let query = [("$select", "body,isOnlineMeeting,onlineMeeting")];
    let event = api::get_html(ask, api::event(ask, id, &[], &query))?;
    if event["isOnlineMeeting"].as_bool() == Some(true)
        && let Some(added) = event["body"]["content"].as_str().and_then(|body| added_part(body, &event))
    {
        let content = format!("<html><body>{}<br>{added}", as_html(text));
        members.insert("body".into(), json!({ "contentType": "html", "content": content }));
    }
    Ok(members)
}

/// From the line that rules it off to the end; without one, from where the address to join begins.
fn added_part<'a>(body: &'a str, event: &Value) -> Option<&'a str> {
    let ruled_off = body.find(JOIN_RULE);
    let address = || {
        let url = event["onlineMeeting"]["joinUrl"].as_str()?;
        let at = body.find(url).or_else(|| body.find(&url.replace('&', "&amp;")))?;
        Some(body[..at].rfind('<').unwrap_or(at))
    };
    ruled_off.or_else(address).map(|at| &body[at..])
}

fn as_html(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '\n' => html.push_str("<br>"),
            other => html.push(other),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outlook_added_is_found_by_its_rule_or_by_the_address_to_join() {
        let none = json!({});
        let ruled = format!("<p>a</p><div>{JOIN_RULE}</div>join");
        assert_eq!(added_part(&ruled, &none), Some(format!("{JOIN_RULE}</div>join").as_str()));
        let event = json!({ "onlineMeeting": { "joinUrl": "https://teams.example.com/?a&b" } });
        let linked = "<p>a</p><a href=\"https://teams.example.com/?a&amp;b\">join</a>";
        assert_eq!(added_part(linked, &event), Some("<a href=\"https://teams.example.com/?a&amp;b\">join</a>"));
        assert_eq!(added_part("<p>a</p>", &none), None);
    }

    #[test]
    fn text_is_shown_as_it_is() {
        assert_eq!(as_html("a<b>\n&c"), "a&lt;b&gt;<br>&amp;c");
    }
}
