//! The HTTP client: one pooled agent per process, with limits on time, size and redirects.

use std::io::Read;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, HeaderValue, Method, header};
use ureq::tls::TlsConfig;
use ureq::{Agent, AsSendBody, Body, Proxy};

use super::MAX_REDIRECTS;
use super::address::Address;
use super::connector::OnceConfigured;
use super::error::{HttpError, named};
use super::guard::Policy;
use super::names::{NAMES, Names};
use super::resolver::GuardedResolver;
use super::trust::{self, Stamp};

/// Connections that are kept for the next request, at all and to one host: a server of many calendars is asked for one
/// after the other.
const KEPT: usize = 64;
const KEPT_PER_HOST: usize = 16;
/// Bytes of each of a connection's two buffers. The head of a request and that of an answer must fit in one.
const BUFFER: usize = 32 * 1024;
/// Longest time to wait for a connection, within the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of the body of a failure that are read.
const MAX_REASON: u64 = 16 * 1024;
/// An agent is replaced after this time: it reads the platform's certificates but once.
const LONGEST_USE: Duration = Duration::from_secs(3600);

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
    /// How long what a name stands for need not be asked again.
    pub names_good_for: Duration,
}

/// A GET, unless its [`Manner`] says otherwise.
#[derive(Debug, Clone)]
pub struct Request {
    pub address: Address,
    pub headers: Vec<(&'static str, String)>,
}

/// What is unlike a plain GET.
#[derive(Debug, Clone, Default)]
pub struct Manner<'a> {
    /// `None`: GET without a body, POST with one. What is no GET goes to no server but the one that is asked.
    pub method: Option<Method>,
    pub body: Option<Payload<'a>>,
    /// When the answer must be there, if that is before the time-out.
    pub deadline: Option<Instant>,
    /// The beginning of the body of a failure is read, too.
    pub wants_reason: bool,
}

/// What is sent along.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    Json(&'a str),
    /// Fields of a form, encoded (RFC 6749, appendix B).
    Form(&'a str),
}

impl Payload<'_> {
    const fn media_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Form(_) => "application/x-www-form-urlencoded",
        }
    }

    const fn text(&self) -> &str {
        match self {
            Self::Json(text) | Self::Form(text) => text,
        }
    }
}

impl Manner<'_> {
    fn method(&self) -> Method {
        let usual = if self.body.is_some() { Method::POST } else { Method::GET };
        self.method.clone().unwrap_or(usual)
    }
}

/// An answer of any status; redirects have been followed. Where they led to another host, what that one gives to ask
/// again by (ETag, Last-Modified) is left out: it is not for the host that will be asked. These are stored in plain: what
/// repeats the address is left out, too.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: HeaderMap,
    /// Of a success; of a failure its beginning, where that was asked for.
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
    made: Instant,
    /// Of [`Options::ca_file`], as it was read.
    ca_stamp: Option<Stamp>,
    /// Bytes of bodies that may still be read, all in all; see [`Client::within`].
    left: Option<Arc<AtomicU64>>,
}

static CURRENT: Mutex<Option<Client>> = Mutex::new(None);

/// Breaks all requests of this process off; the next one starts with a new agent.
pub fn abandon() {
    if let Some(client) = CURRENT.lock().unwrap_or_else(PoisonError::into_inner).take() {
        client.agent.shutdown();
    }
}

impl Client {
    /// The process's client; a new one only where the options have changed, or the certificates may have.
    pub fn with(options: Options) -> Result<Self, HttpError> {
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = &*current
            && *client.options == options
            && client.made.elapsed() < LONGEST_USE
            && client.ca_stamp == options.ca_file.as_deref().and_then(trust::stamp)
        {
            return Ok(client.clone());
        }
        let client = Self::new(options, &NAMES)?;
        *current = Some(client.clone());
        Ok(client)
    }

    pub(super) fn new(options: Options, names: &'static Names) -> Result<Self, HttpError> {
        let ca_stamp = options.ca_file.as_deref().and_then(trust::stamp);
        let roots = trust::roots(options.ca_file.as_deref())?;
        let proxy = options.proxy.as_deref().map(Proxy::new).transpose().map_err(|_| HttpError::Proxy)?;
        let proxy_host = proxy.as_ref().map(|proxy| proxy.host().to_owned());
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy)
            .user_agent(options.user_agent.as_str())
            .input_buffer_size(BUFFER)
            .output_buffer_size(BUFFER)
            .max_idle_connections(KEPT)
            .max_idle_connections_per_host(KEPT_PER_HOST)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_resolve(Some(CONNECT_TIMEOUT))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        let resolver = GuardedResolver {
            policy: options.policy.clone(),
            names,
            good_for: options.names_good_for,
            proxy: proxy_host,
        };
        let agent = Agent::with_parts(config, OnceConfigured::default(), resolver);
        Ok(Self { agent, options: Arc::new(options), made: Instant::now(), ca_stamp, left: None })
    }

    /// The same, which reads no more than so many bytes in all its answers together.
    pub fn within(&self, bytes: u64) -> Self {
        Self { left: Some(Arc::new(AtomicU64::new(bytes))), ..self.clone() }
    }

    /// See [`Options::max_bytes`].
    pub fn max_bytes(&self) -> u64 {
        self.options.max_bytes
    }

    /// When a request that begins now must be done.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.options.timeout
    }

    /// Asks, follows at most five redirects, and reads the body of a success.
    pub fn get(&self, request: &Request) -> Result<Response, HttpError> {
        self.exchange(request, &Manner::default())
    }

    /// As [`Client::get`], in another manner.
    pub fn exchange(&self, request: &Request, manner: &Manner) -> Result<Response, HttpError> {
        let deadline = manner.deadline.unwrap_or_else(|| self.deadline());
        let mut address = request.address.clone();
        for _ in 0..=MAX_REDIRECTS {
            let is_trusted = address.may_hear_what_is_for(&request.address);
            let from_elsewhere = !address.is_same_host(&request.address);
            let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            let is_validator = |name| matches!(name, "if-none-match" | "if-modified-since") && !from_elsewhere;
            let headers =
                request.headers.iter().filter(|(name, _)| is_trusted || *name == "accept" || is_validator(*name));
            let answer = self.ask(&address, headers, manner, left)?;
            let status = answer.status().as_u16();
            let location = answer.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
            let Some(location) = location.filter(|_| matches!(status, 301 | 302 | 303 | 307 | 308)) else {
                return self.read(&address, answer, from_elsewhere, manner.wants_reason);
            };
            let next = address.redirect(location).map_err(|why| HttpError::BadRedirect(address.clone(), why))?;
            if address.is_https() && !next.is_https() {
                return Err(HttpError::Downgrade(address));
            }
            // Of the others, browsers make a GET.
            let may_be_repeated = matches!(status, 307 | 308) && next.may_hear_what_is_for(&request.address);
            if manner.method() != Method::GET && !may_be_repeated {
                return Err(HttpError::RedirectedWrite(address));
            }
            address = next;
        }
        Err(HttpError::TooManyRedirects(request.address.clone()))
    }

    fn ask<'h>(
        &self,
        address: &Address,
        headers: impl Iterator<Item = &'h (&'static str, String)>,
        manner: &Manner,
        left: Duration,
    ) -> Result<ureq::http::Response<Body>, HttpError> {
        if let Some(why) = self.options.policy.refuses(address) {
            return Err(HttpError::Refused(address.clone(), why));
        }
        let mut request = ureq::http::Request::builder().method(manner.method()).uri(address.secret());
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        if let Some(authorization) = address.authorization() {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let sent = match &manner.body {
            None => self.send(request.body(()), left),
            Some(body) => {
                let request = request.header(header::CONTENT_TYPE, body.media_type());
                self.send(request.body(body.text()), left)
            }
        };
        sent.map_err(|error| named(address, error))
    }

    fn send(
        &self,
        request: ureq::http::Result<ureq::http::Request<impl AsSendBody>>,
        left: Duration,
    ) -> Result<ureq::http::Response<Body>, ureq::Error> {
        self.agent.run(self.agent.configure_request(request?).timeout_global(Some(left)).build())
    }

    fn read(
        &self,
        address: &Address,
        answer: ureq::http::Response<Body>,
        from_elsewhere: bool,
        wants_reason: bool,
    ) -> Result<Response, HttpError> {
        let (mut parts, body) = answer.into_parts();
        for name in [header::ETAG, header::LAST_MODIFIED] {
            let tells = |value: &HeaderValue| value.to_str().is_ok_and(|value| address.is_told_by(value));
            if from_elsewhere || parts.headers.get(&name).is_some_and(tells) {
                parts.headers.remove(name);
            }
        }
        let mut bytes = Vec::new();
        if parts.status.is_success() {
            let left = self.left.as_ref().map_or(u64::MAX, |left| left.load(Ordering::Relaxed));
            let limit = self.options.max_bytes.min(left);
            let read = body.into_reader().take(limit.saturating_add(1)).read_to_end(&mut bytes);
            read.map_err(|error| named(address, ureq::Error::from(error)))?;
            if bytes.len() as u64 > limit {
                return Err(HttpError::TooLarge(address.clone(), limit));
            }
            if let Some(left) = &self.left {
                left.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
            }
        } else if wants_reason {
            // Where that fails, the status has to do.
            let _ = body.into_reader().take(MAX_REASON).read_to_end(&mut bytes);
        }
        Ok(Response { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
    }
}
