//! Notion's webhooks are of a whole integration: one address and one token for all that it can see.
//!
//! They are made by hand in Notion's settings. The first call brings the token, and nothing proves that call: it is taken
//! only for channels that somebody has just asked for.

use calendar_sync_core::webhooks::notion::{Signed, plain_id};
use calendar_sync_core::webhooks::{Call, is_covered_by};
use uuid::Uuid;

use super::receive::{Answer, WRONG_SECRET, forbidden, secret_of, unable, unknown};
use crate::errors::SqlResult;
use crate::secrets;
use crate::store::sealed::CLIENT_STATE;
use crate::store::webhooks::{self, Channel, Noted};
use crate::store::{Installation, channels, installation_row, notices};
use crate::sync::keys;

/// The token is the secret of every channel that waits for one under this address.
pub fn verification(installation: &Installation, call: &Call, token: &str) -> SqlResult<Answer> {
    let mut waiting = webhooks::awaiting_verification(installation)?;
    waiting.retain(|channel| is_covered_by(&channel.notification_url, call));
    if waiting.is_empty() {
        return forbidden(installation, "notion", "no channel waits for a verification", None);
    }
    for channel in &waiting {
        verify(installation, channel.webhook_id, token)?;
        channels::replace_others(installation, channel.webhook_id)?;
    }
    Ok(Answer::new(200, ""))
}

/// Gives a channel its token, and with it what it is found by.
pub fn verify(installation: &Installation, webhook_id: Uuid, token: &str) -> SqlResult<()> {
    let sealed = keys::seal(installation, CLIENT_STATE.place(webhook_id), token)?;
    let hash = secrets::keyed_hash(&installation_row::salt(installation)?, token)?;
    webhooks::verify(installation, webhook_id, &sealed, &hash)
}

/// A signed notification: whose it is, its signature says.
pub fn notification(installation: &Installation, call: &Call, signed: &Signed) -> SqlResult<Answer> {
    let mut candidates = webhooks::of_secrets(installation)?;
    candidates.retain(|channel| is_covered_by(&channel.notification_url, call));
    if candidates.is_empty() {
        return unknown(installation, "notion", None);
    }
    for channel in candidates {
        let Some(secret) = secret_of(&channel) else { return Ok(unable()) };
        if signed.is_proved_by(&secret) {
            let channels = webhooks::with_secret_of(installation, channel.webhook_id)?;
            return take(installation, signed, &channels);
        }
    }
    forbidden(installation, "notion", WRONG_SECRET, None)
}

/// Notion says which page it is about and what that stands in: a calendar is a data source. Where it names none, as older
/// webhooks do, and nothing else that we know, it may be any of them.
fn take(installation: &Installation, signed: &Signed, channels: &[Channel]) -> SqlResult<Answer> {
    let is_meant = |channel: &&Channel| signed.about.contains(&plain_id(&channel.calendar));
    let mut meant: Vec<&Channel> = channels.iter().filter(is_meant).collect();
    if meant.is_empty() && !signed.names_data_source {
        meant = channels.iter().collect();
    }
    let connections: Vec<Uuid> = meant.iter().map(|channel| channel.connection_id).collect();
    let heard: Vec<Noted> =
        meant.iter().map(|channel| Noted { webhook_id: channel.webhook_id, number: None }).collect();
    notices::announce(installation, &connections)?;
    webhooks::note(installation, &heard)?;
    Ok(Answer::new(200, ""))
}
