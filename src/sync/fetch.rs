//! The network half of a pull by URL: put together on the main thread, run on another.

use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;

use super::apply;
use crate::errors::{SqlResult, internal};
use crate::http::{Address, Client, Options, Policy};
use crate::providers::{self, Answer, Provider, PullError, PullRequest, Validators};
use crate::secrets;
use crate::settings;
use crate::store::connections::Connection;
use crate::store::sealed::{CONNECTION_URL, PENDING_LOCATION};

/// Events of one calendar beyond which it is refused.
pub const MAX_EVENTS: usize = 500_000;
/// A flow that has been running for longer is started anew.
const LONGEST_RUN: Duration = Duration::from_secs(6 * 3600);

/// The settings that concern HTTP, as they are now.
pub fn http_options() -> Options {
    let text = |setting: &'static pgrx::GucSetting<Option<std::ffi::CString>>| {
        setting.get().and_then(|text| text.into_string().ok()).filter(|text| !text.is_empty())
    };
    let number = |value: i32| u64::try_from(value).unwrap_or_default();
    Options {
        policy: Policy {
            allow_private: settings::HTTP_ALLOW_PRIVATE.get(),
            allow_hosts: Policy::hosts(&text(&settings::HTTP_ALLOW_HOSTS).unwrap_or_default()),
            deny_hosts: Policy::hosts(&text(&settings::HTTP_DENY_HOSTS).unwrap_or_default()),
            behind_proxy: text(&settings::HTTP_PROXY).is_some(),
        },
        timeout: Duration::from_millis(number(settings::HTTP_TIMEOUT.get())),
        max_bytes: number(settings::HTTP_MAX_BYTES.get()) * 1024,
        user_agent: text(&settings::HTTP_USER_AGENT)
            .unwrap_or_else(|| concat!("calendar_sync/", env!("CARGO_PKG_VERSION")).to_owned()),
        ca_file: text(&settings::HTTP_CA_FILE).map(PathBuf::from),
        proxy: text(&settings::HTTP_PROXY),
        names_good_for: Duration::ZERO,
    }
}

/// What one pull asks for, ready for any thread.
pub struct Fetch {
    provider: &'static dyn Provider,
    request: PullRequest,
    options: Options,
}

impl Fetch {
    /// Opens the connection's URL. `all`: ask for everything, whether it has changed or not.
    ///
    /// # Errors
    /// Those of [`secrets::open`]; XX000 for a provider that this version does not know.
    pub fn new(connection: &Connection, options: Options, all: bool) -> SqlResult<Self> {
        let provider = providers::named(&connection.provider)
            .ok_or_else(|| internal(format!("calendars of provider {} are not pulled", connection.provider)))?;
        let sealed = connection.url.as_deref().ok_or_else(|| internal("the connection has no URL"))?;
        let url = secrets::open(CONNECTION_URL.place(connection.id), sealed)?;
        let address = Address::parse(&url).map_err(internal)?;
        let pending = connection.pending.as_ref().filter(|run| run.age < LONGEST_RUN).map(|run| {
            let location = secrets::open(PENDING_LOCATION.place(connection.id), &run.location)?;
            Address::parse(&location).map_err(internal)
        });
        let now = Utc::now();
        let validators = Validators { etag: connection.etag.clone(), last_modified: connection.last_modified.clone() };
        let request = PullRequest {
            address,
            validators: if all { Validators::default() } else { validators },
            body_hash: connection.body_hash.clone().filter(|_| !all),
            everything: all,
            max_events: MAX_EVENTS,
            window: (apply::first_start(now), apply::horizon(now)),
            options: connection.options.clone(),
            pending: pending.transpose()?,
        };
        Ok(Self { provider, request, options })
    }

    /// As [`Fetch::new`], but reads a calendar also where only the server does not say that it is the same: who waits for
    /// it wants to see its counts.
    pub fn counted(mut self) -> Self {
        self.request.body_hash = None;
        self
    }

    /// Scheme, host and port of the server, as calendar_connections.url_host has it.
    pub fn origin(&self) -> String {
        self.request.address.origin()
    }

    /// Asks the server. Any thread; takes as long as `http_timeout` at most.
    pub fn run(self) -> Result<Answer, PullError> {
        let client = Client::with(self.options)?;
        self.provider.pull(&client, &self.request)
    }
}
