//! What is done about a channel at the provider: registered, renewed, ended. The network half.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{TimeDelta, Utc};
use zeroize::Zeroizing;

use crate::errors::SqlResult;
use crate::providers::account::{AccountProvider, Ask, Watch, Watched};
use crate::providers::api::ApiError;
use crate::secrets;
use crate::store;
use crate::store::channels::{Due, Registration};

/// How long a channel is asked for. Providers give less where they must.
const LIFE: TimeDelta = TimeDelta::days(7);

/// One request about one channel, ready for any thread.
#[derive(Clone)]
pub struct Errand {
    task: Task,
    /// Of a channel that is registered anew.
    secret: Zeroizing<String>,
}

#[derive(Clone)]
enum Task {
    Watch(Watch),
    Renew(Watch, Watched),
    End(Watched),
    /// There is nothing to end.
    Nothing,
}

/// What came of it.
pub enum Outcome {
    /// There is a channel; with its secret.
    Open(Registration, Zeroizing<String>),
    /// The same channel lasts longer.
    Longer(Registration),
    /// There can't be one: this calendar is only polled.
    Impossible,
    Ended,
}

impl Errand {
    /// What is due for that channel. Each registration has a name and a secret of its own, so that one whose answer was
    /// lost is in nobody's way.
    pub fn new(channel: &Due) -> SqlResult<Self> {
        let secret = Zeroizing::new(URL_SAFE_NO_PAD.encode(secrets::random::<32>()?));
        let watch = || Watch {
            webhook_id: store::new_id(),
            notification_url: channel.notification_url.clone(),
            client_state: secret.as_str().to_owned(),
            expires: Utc::now() + LIFE,
        };
        let task = match (&channel.registration, channel.is_to_end) {
            (Some(registration), true) => Task::End(watched(registration)),
            (None, true) => Task::Nothing,
            (Some(registration), false) if registration.expires.is_none_or(|at| at > Utc::now()) => {
                Task::Renew(watch(), watched(registration))
            }
            (_, false) => Task::Watch(watch()),
        };
        Ok(Self { task, secret })
    }

    /// Asks the provider. Any thread.
    pub fn run(self, provider: &dyn AccountProvider, ask: &Ask) -> Result<Outcome, ApiError> {
        let (opened, old) = match self.task {
            Task::Watch(watch) => (provider.watch(ask, &watch)?, None),
            Task::Renew(watch, old) => (provider.renew(ask, &watch, &old)?, Some(old.subscription_id)),
            Task::End(watched) => return provider.unwatch(ask, &watched).map(|()| Outcome::Ended),
            Task::Nothing => return Ok(Outcome::Ended),
        };
        Ok(match opened.map(registration) {
            Some(same) if old.as_ref() == Some(&same.subscription_id) => Outcome::Longer(same),
            Some(new) => Outcome::Open(new, self.secret),
            None => Outcome::Impossible,
        })
    }
}

/// A channel as its provider knows it.
pub fn watched(registration: &Registration) -> Watched {
    let Registration { subscription_id, resource_id, resource_path, expires } = registration.clone();
    Watched { subscription_id, resource_id, resource_path, expires }
}

fn registration(watched: Watched) -> Registration {
    let Watched { subscription_id, resource_id, resource_path, expires } = watched;
    Registration { subscription_id, resource_id, resource_path, expires }
}
