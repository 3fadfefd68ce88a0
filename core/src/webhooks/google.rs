//! Google's push notifications: all of it stands in headers
//! (<https://developers.google.com/workspace/calendar/api/guides/push>).

use super::{Call, CallError, News, Notice, channel};

/// # Errors
/// A call that names no channel.
pub fn read(call: &Call) -> Result<Notice, CallError> {
    let header = |name| call.header(name).unwrap_or_default();
    let news = match &*header("X-Goog-Resource-State") {
        "sync" => News::Opened,
        "" => return Err(CallError::Malformed("it has no X-Goog-Resource-State")),
        // exists, not_exists, and whatever else there may be one day.
        _ => News::Changed,
    };
    let channel = channel(&header("X-Goog-Channel-ID")).ok_or(CallError::Malformed("it names no channel"))?;
    let number = header("X-Goog-Message-Number").parse().ok().filter(|number| *number >= 0);
    Ok(Notice { channel, secret: header("X-Goog-Channel-Token").into_owned(), number, news })
}
