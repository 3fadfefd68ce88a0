//! The address of an outside calendar. Whoever knows it can read the calendar: it is never shown whole.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use url::Url;

/// Longest address taken, in bytes.
const MAX_LENGTH: usize = 8 * 1024;

/// Shorter parts of an address keep no secret.
const SECRET_LENGTH: usize = 8;

/// A URL that may be asked for. Shown (`Display`, `Debug`) as `scheme://host/…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Address {
    /// Without user name, password and fragment; http or https.
    url: Url,
    authorization: Option<Authorization>,
}

#[derive(Clone, PartialEq, Eq)]
struct Authorization {
    user: String,
    /// Value of the header.
    header: String,
}

/// Why a text is no address that could be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("it is not a URL")]
    Malformed,
    #[error("its scheme is none of http, https, webcal and webcals")]
    Scheme,
    #[error("it names no host")]
    NoHost,
    #[error("it is longer than {MAX_LENGTH} bytes")]
    TooLong,
}

impl Address {
    /// `webcal://` and `webcals://` mean https; a user name and password become Basic authorization.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.len() > MAX_LENGTH {
            return Err(AddressError::TooLong);
        }
        // Url does not let a scheme of unknown kind become a known one, so this is done on the text.
        let scheme = text.split(':').next().unwrap_or_default();
        let as_https = match scheme.to_ascii_lowercase().as_str() {
            "webcal" | "webcals" => Some(format!("https{}", &text[scheme.len()..])),
            _ => None,
        };
        Self::from_url(Url::parse(as_https.as_deref().unwrap_or(text)).map_err(|_| AddressError::Malformed)?)
    }

    /// Where a `Location` leads, seen from here. Credentials of this address go along to the same origin only.
    pub fn redirect(&self, location: &str) -> Result<Self, AddressError> {
        if location.len() > MAX_LENGTH {
            return Err(AddressError::TooLong);
        }
        let scheme = location.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let mut next = match scheme.as_str() {
            "webcal" | "webcals" => Self::parse(location)?,
            _ => Self::from_url(self.url.join(location).map_err(|_| AddressError::Malformed)?)?,
        };
        if next.authorization.is_none() && next.url.origin() == self.url.origin() {
            next.authorization.clone_from(&self.authorization);
        }
        Ok(next)
    }

    fn from_url(mut url: Url) -> Result<Self, AddressError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme);
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(AddressError::NoHost);
        }
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => {
                let user = decode(user);
                let plain = format!("{user}:{}", decode(password.unwrap_or_default()));
                Some(Authorization { user, header: format!("Basic {}", STANDARD.encode(plain)) })
            }
        };
        // Of http and https URLs with a host these cannot fail.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_fragment(None);
        Ok(Self { url, authorization })
    }

    /// The whole address, to connect to it. A secret.
    pub fn secret(&self) -> &str {
        self.url.as_str()
    }

    /// Value of the Authorization header that goes with it. A secret.
    pub fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|it| it.header.as_str())
    }

    /// What equal addresses have in common, to look for them under a keyed hash. A secret. Of a login it holds the user
    /// name alone: the key of the hash stands beside it in a dump, which is no place to try passwords on.
    pub fn canonical(&self) -> String {
        let user = self.authorization.as_ref().map(|it| it.user.as_str()).unwrap_or_default();
        format!("{user} {}", self.url)
    }

    /// Whether this text repeats a part of the address that may be what makes it a secret: of its path, its query, or its
    /// login.
    pub fn is_told_by(&self, text: &str) -> bool {
        let of_path = self.url.path().split('/').map(Cow::Borrowed);
        let of_query = self.url.query_pairs().map(|(_, value)| value);
        let of_login = self.authorization().into_iter().filter_map(|it| it.split(' ').nth(1)).map(Cow::Borrowed);
        of_path.chain(of_query).chain(of_login).any(|part| part.len() >= SECRET_LENGTH && text.contains(part.as_ref()))
    }

    /// An address below this one, as an API has it: path segments, each encoded, and a query.
    pub fn below(&self, segments: &[&str], query: &[(&str, &str)]) -> Self {
        let mut below = self.clone();
        if let Ok(mut path) = below.url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            below.url.query_pairs_mut().extend_pairs(query);
        }
        below
    }

    /// Without port, as it is written in the URL.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Whether what is meant for the other may be said here: it is the same server, or its https after its http. Another
    /// port is another server, whose host may be another's, too.
    pub fn may_hear_what_is_for(&self, other: &Self) -> bool {
        let has_usual_ports = self.url.port().is_none() && other.url.port().is_none();
        self.url.origin() == other.url.origin()
            || (has_usual_ports && self.is_https() && self.url.host() == other.url.host())
    }

    /// Whatever scheme and port.
    pub fn is_same_host(&self, other: &Self) -> bool {
        self.url.host() == other.url.host()
    }

    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// Scheme, host and port: what views and logs show.
    pub fn origin(&self) -> String {
        self.url.origin().ascii_serialization()
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.filter(|_| first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/…", self.origin())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webcal_means_https() {
        assert_eq!(Address::parse("webcal://Example.com/a").unwrap().secret(), "https://example.com/a");
        assert_eq!(Address::parse(" WEBCALS://example.com:8443/a ").unwrap().secret(), "https://example.com:8443/a");
    }

    #[test]
    fn only_web_addresses_with_a_host_are_taken() {
        for (text, error) in [
            ("file:///etc/passwd", AddressError::Scheme),
            ("ftp://example.com/", AddressError::Scheme),
            ("javascript:alert(1)", AddressError::Scheme),
            ("example.com/a.ics", AddressError::Malformed),
            ("https://", AddressError::Malformed),
            ("", AddressError::Malformed),
        ] {
            assert_eq!(Address::parse(text), Err(error), "{text}");
        }
        assert_eq!(Address::parse(&format!("https://example.com/{}", "a".repeat(9000))), Err(AddressError::TooLong));
    }

    #[test]
    fn it_is_shown_without_path_query_and_credentials() {
        let address = Address::parse("https://ada:pa%73s@example.com:8443/private/x.ics?token=1#f").unwrap();
        assert_eq!(address.to_string(), "https://example.com:8443/…");
        assert_eq!(format!("{address:?}"), "https://example.com:8443/…");
        assert_eq!(address.secret(), "https://example.com:8443/private/x.ics?token=1");
        assert_eq!(address.authorization(), Some(format!("Basic {}", STANDARD.encode("ada:pass")).as_str()));
    }

    #[test]
    fn a_login_is_the_same_under_another_password_and_another_under_another_name() {
        let canonical = |text: &str| Address::parse(text).unwrap().canonical();
        assert_eq!(canonical("https://ada:one@example.com/a"), canonical("https://ada:two@example.com/a"));
        assert_ne!(canonical("https://ada:one@example.com/a"), canonical("https://bob:one@example.com/a"));
        assert_ne!(canonical("https://ada:one@example.com/a"), canonical("https://example.com/a"));
        assert!(!canonical("https://ada:one@example.com/a").contains("one"));
    }

    #[test]
    fn a_text_that_repeats_a_long_part_of_an_address_is_known() {
        let address =
            Address::parse("https://ada:password@example.com/cal/secret-path?a=1&sig=secret%20query").unwrap();
        for text in ["\"x-secret-path\"", "secret query", "YWRhOnBhc3N3b3Jk"] {
            assert!(address.is_told_by(text), "{text}");
        }
        for text in ["\"5f3759df\"", "example.com", "/cal/ 1 a sig", ""] {
            assert!(!address.is_told_by(text), "{text}");
        }
    }

    #[test]
    fn credentials_follow_to_the_same_origin_only() {
        let address = Address::parse("https://ada:pass@example.com/a/b").unwrap();
        assert!(address.redirect("../c").unwrap().authorization().is_some());
        assert!(address.redirect("https://example.com/c").unwrap().authorization().is_some());
        for other in ["https://example.org/", "http://example.com/", "https://example.com:444/", "//sub.example.com/"] {
            assert!(address.redirect(other).unwrap().authorization().is_none(), "{other}");
        }
        assert_eq!(address.redirect("file:///etc/passwd"), Err(AddressError::Scheme));
    }

    #[test]
    fn another_port_is_another_server_but_for_the_usual_one_of_https() {
        let hears =
            |text: &str, of: &str| Address::parse(text).unwrap().may_hear_what_is_for(&Address::parse(of).unwrap());
        assert!(hears("https://example.com:443/b", "https://example.com/a"));
        assert!(hears("https://example.com/", "http://example.com/"));
        for (text, of) in [
            ("https://example.com:8443/", "https://example.com/"),
            ("https://example.com/", "https://example.com:8443/"),
            ("https://example.com/", "http://example.com:8080/"),
            ("http://example.com/", "https://example.com/"),
            ("https://sub.example.com/", "https://example.com/"),
        ] {
            assert!(!hears(text, of), "{text} {of}");
        }
    }

    #[test]
    fn what_is_below_an_address_is_encoded() {
        let api = Address::parse("https://api.example.com/calendar/v3/").unwrap();
        let below = api.below(&["calendars", "a/b c@example.com", "events"], &[("q", "x&y"), ("n", "1")]);
        assert_eq!(
            below.secret(),
            "https://api.example.com/calendar/v3/calendars/a%2Fb%20c@example.com/events?q=x%26y&n=1"
        );
        assert_eq!(api.below(&["me"], &[]).secret(), "https://api.example.com/calendar/v3/me");
    }
}
