//! The HTTP client: one pooled agent per process, with limits on time, size and redirects.

use std::io::Read;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body, Proxy};

use super::address::{Address, AddressError};
use super::guard::Policy;
use super::resolver::{GuardedResolver, Refusal};

const MAX_REDIRECTS: usize = 5;
/// Longest time to wait for a connection, within the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest text of an error of TLS or of the operating system that is passed on, in characters.
const MAX_REASON: usize = 200;

/// The settings that concern HTTP, captured on the main thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub policy: Policy,
    /// For one request with its redirects, from name resolution to the last byte.
    pub timeout: Duration,
    /// Counted after decompression.
    pub max_bytes: u64,
    pub user_agent: String,
    /// PEM file with the certificates to trust instead of the platform's.
    pub ca_file: Option<PathBuf>,
    pub proxy: Option<String>,
}

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
    #[error("{0}: the answer is larger than {1} bytes")]
    TooLarge(Address, u64),
    #[error("{0}: more than {MAX_REDIRECTS} redirects")]
    TooManyRedirects(Address),
    #[error("{0}: it redirects to an address that is not followed: {1}")]
    BadRedirect(Address, AddressError),
    #[error("{0}: it redirects from https to http")]
    Downgrade(Address),
    #[error("calendar_sync.http_ca_file cannot be used: {0}")]
    Roots(String),
    #[error("calendar_sync.http_proxy is not the URL of a proxy")]
    Proxy,
}

/// A GET.
#[derive(Debug, Clone)]
pub struct Request {
    pub address: Address,
    pub headers: Vec<(&'static str, String)>,
}

/// An answer of any status; redirects have been followed.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// Empty unless the status is a success.
    pub body: Vec<u8>,
}

impl Response {
    /// A header's value, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|value| !value.is_empty())
    }
}

/// Asks servers. Cloned cheaply, used from any thread.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    options: Arc<Options>,
}

static CURRENT: Mutex<Option<Client>> = Mutex::new(None);

/// Breaks all requests of this process off; the next one starts with a new agent.
pub fn abandon() {
    if let Some(client) = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take() {
        client.agent.shutdown();
    }
}

impl Client {
    /// The process's client; a new one only where the options have changed.
    pub fn with(options: Options) -> Result<Self, HttpError> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*current
            && *client.options == options
        {
            return Ok(client.clone());
        }
        let client = Self::new(options)?;
        *current = Some(client.clone());
        Ok(client)
    }

    fn new(options: Options) -> Result<Self, HttpError> {
        let roots = match &options.ca_file {
            None => RootCerts::PlatformVerifier,
            Some(path) => roots(path)?,
        };
        let proxy = options.proxy.as_deref().map(Proxy::new).transpose().map_err(|_| HttpError::Proxy)?;
        let proxy_host = proxy.as_ref().map(|proxy| proxy.host().to_owned());
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .user_agent(options.user_agent.as_str())
            .timeout_global(Some(options.timeout))
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        let resolver = GuardedResolver { policy: options.policy.clone(), proxy: proxy_host };
        let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
        Ok(Self { agent, options: Arc::new(options) })
    }

    /// Asks, follows at most five redirects, and reads the body of a success.
    pub fn get(&self, request: &Request) -> Result<Response, HttpError> {
        let deadline = Instant::now() + self.options.timeout;
        let mut address = request.address.clone();
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.ask(&address, &request.headers, deadline)?;
            let status = answer.status().as_u16();
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            match location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) {
                None => return self.read(&address, answer),
                Some(location) => {
                    let next =
                        address.redirect(location).map_err(|why| HttpError::BadRedirect(address.clone(), why))?;
                    if address.is_https() && !next.is_https() {
                        return Err(HttpError::Downgrade(address));
                    }
                    address = next;
                }
            }
        }
        Err(HttpError::TooManyRedirects(request.address.clone()))
    }

    fn ask(
        &self,
        address: &Address,
        headers: &[(&'static str, String)],
        deadline: Instant,
    ) -> Result<ureq::http::Response<Body>, HttpError> {
        if let Some(why) = self.options.policy.refuses(address) {
            return Err(HttpError::Refused(address.clone(), why));
        }
        let mut request = self.agent.get(address.secret());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = address.authorization() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        request.config().timeout_global(Some(left)).build().call().map_err(|error| named(address, error))
    }

    fn read(&self, address: &Address, answer: ureq::http::Response<Body>) -> Result<Response, HttpError> {
        let (parts, body) = answer.into_parts();
        let mut bytes = Vec::new();
        if parts.status.is_success() {
            let limit = self.options.max_bytes;
            let read = body.into_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes);
            read.map_err(|error| named(address, ureq::Error::from(error)))?;
            if bytes.len() as u64 > limit {
                return Err(HttpError::TooLarge(address.clone(), limit));
            }
        }
        Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
    }
}

fn roots(path: &std::path::Path) -> Result<RootCerts, HttpError> {
    let pem = std::fs::read(path).map_err(|error| HttpError::Roots(error.to_string()))?;
    let mut certificates: Vec<Certificate<'static>> = Vec::new();
    for item in ureq::tls::parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| HttpError::Roots("it is not a PEM file".into()))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(HttpError::Roots("it holds no certificate".into()));
    }
    Ok(RootCerts::from(certificates))
}

/// ureq's error, without what ureq says of the address.
fn named(address: &Address, error: ureq::Error) -> HttpError {
    let address = address.clone();
    match error {
        ureq::Error::HostNotFound => HttpError::HostNotFound(address),
        ureq::Error::Timeout(when) => HttpError::Timeout(address, phase(when)),
        ureq::Error::Io(source) => HttpError::Connection(address, short(&source.to_string())),
        ureq::Error::ConnectionFailed => HttpError::Connection(address, "no connection".into()),
        ureq::Error::ConnectProxyFailed(_) => HttpError::Connection(address, "the proxy refused it".into()),
        ureq::Error::Decompress(..) => HttpError::Connection(address, "the answer can't be decompressed".into()),
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
