//! Bodies: HTML in the mailbox, text where that is wished for.

const RULE: &str = "________________________________________________________________________________";

/// HTML that shows a text.
pub(super) fn of_text(text: &str) -> String {
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let lines = escaped.replace("\r\n", "\n").replace('\n', "<br>\r\n");
    format!("<html>\r\n<head>\r\n</head>\r\n<body>\r\n{lines}\r\n</body>\r\n</html>\r\n")
}

/// What Teams adds to the body of a meeting.
pub(super) fn with_join_part(body: &str, url: &str) -> String {
    let part = format!(
        "<br>\r\n<div style=\"width:100%\"><span>{RULE}</span></div>\r\n<div><b>Microsoft Teams meeting</b></div>\r\n\
         <div><a href=\"{url}\">Join the meeting now</a></div>\r\n<div><span>{RULE}</span></div>\r\n"
    );
    match body.rfind("</body>") {
        Some(at) => format!("{}{part}{}", &body[..at], &body[at..]),
        None => format!("{body}{part}"),
    }
}

/// What HTML shows, more or less as Exchange has it.
pub(super) fn to_text(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        text.push_str(&rest[..at].replace(['\r', '\n'], ""));
        let end = rest[at..].find('>').map_or(rest.len(), |end| at + end + 1);
        let tag = rest[at..end].to_ascii_lowercase();
        if tag.starts_with("<br") || tag.starts_with("</div") || tag.starts_with("</p") {
            text.push_str("\r\n");
        }
        rest = &rest[end..];
    }
    text.push_str(&rest.replace(['\r', '\n'], ""));
    let plain = text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&");
    plain.trim_end().to_owned()
}
