//! What can go wrong between here and a server, said without what must not be said.

use std::io;

use super::MAX_REDIRECTS;
use super::address::{Address, AddressError};
use super::resolver::Refusal;

/// Longest text of an error of TLS or of the operating system that is passed on, in characters.
const MAX_REASON: usize = 200;

/// What went wrong between here and the server. No text holds more of an address than its host.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("{0} must not be asked: {1}")]
    Refused(Address, &'static str),
    #[error("{0}: there is no host of this name")]
    HostNotFound(Address),
    #[error("{0}: the server was too slow ({1})")]
    Timeout(Address, &'static str),
    #[error("{0}: no trusted connection: {1}")]
    Tls(Address, String),
    #[error("{0}: the connection failed: {1}")]
    Connection(Address, String),
    #[error("{0}: the answer breaks the rules of HTTP")]
    Protocol(Address),
    #[error("{0}: the answer's header is too large")]
    LargeHeader(Address),
    #[error("{0}: the answer is larger than {1} bytes")]
    TooLarge(Address, u64),
    #[error("{0}: more than {MAX_REDIRECTS} redirects")]
    TooManyRedirects(Address),
    #[error("{0}: it redirects to an address that is not followed: {1}")]
    BadRedirect(Address, AddressError),
    #[error("{0}: it redirects from https to http")]
    Downgrade(Address),
    #[error("{0}: it redirects what is sent there: that goes to no other address")]
    RedirectedWrite(Address),
    #[error("calendar_sync.http_ca_file cannot be used: {0}")]
    Roots(String),
    #[error("calendar_sync.http_proxy is not the URL of a proxy")]
    Proxy,
}

/// ureq's error, without what ureq says of the address.
pub(super) fn named(address: &Address, error: ureq::Error) -> HttpError {
    let address = address.clone();
    match error {
        ureq::Error::HostNotFound => HttpError::HostNotFound(address),
        ureq::Error::Timeout(when) => HttpError::Timeout(address, phase(when)),
        // What TLS finds wrong comes as this kind of error of the connection.
        ureq::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            HttpError::Tls(address, short(&source.to_string()))
        }
        ureq::Error::Io(source) => HttpError::Connection(address, short(&source.to_string())),
        ureq::Error::ConnectionFailed => HttpError::Connection(address, "no connection".into()),
        ureq::Error::ConnectProxyFailed(_) => HttpError::Connection(address, "the proxy refused it".into()),
        ureq::Error::Decompress(..) => HttpError::Connection(address, "the answer can't be decompressed".into()),
        ureq::Error::LargeResponseHeader(..) => HttpError::LargeHeader(address),
        ureq::Error::Tls(what) => HttpError::Tls(address, what.into()),
        ureq::Error::Rustls(source) => HttpError::Tls(address, short(&source.to_string())),
        ureq::Error::Other(source) => match source.downcast_ref::<Refusal>() {
            Some(Refusal(why)) => HttpError::Refused(address, why),
            None => HttpError::Protocol(address),
        },
        _ => HttpError::Protocol(address),
    }
}

fn phase(when: ureq::Timeout) -> &'static str {
    match when {
        ureq::Timeout::Resolve => "resolving its name",
        ureq::Timeout::Connect => "connecting",
        _ => "answering",
    }
}

fn short(reason: &str) -> String {
    reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_REASON).collect()
}
