//! Secrets at rest: AES-256-GCM under keys that stand in a file, never in the database.
//!
//! A sealed secret is `version (1) | key id (8) | nonce (12) | ciphertext and tag`. The place where it is stored (table,
//! column, row) is authenticated with it: copied to another row it does not open.

mod keyring;

use hmac::{Hmac, Mac};
use pgrx::PgSqlErrorCode;
use pgrx::pg_sys::panic::ErrorReport;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::errors::{SqlResult, error, internal};
use keyring::Keyring;
pub use keyring::KeyringError;

/// Where a secret is stored.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    pub table: &'static str,
    pub column: &'static str,
    pub row: Uuid,
}

impl Place {
    fn bytes(&self) -> Vec<u8> {
        format!("{}.{}.{}", self.table, self.column, self.row).into_bytes()
    }
}

/// Seals a secret with the newest key.
///
/// # Errors
/// 55000 (object_not_in_prerequisite_state) without a usable key file, with the command that makes one.
pub fn seal(place: Place, secret: &str) -> SqlResult<Vec<u8>> {
    Keyring::load().and_then(|keys| keys.seal(&place.bytes(), secret.as_bytes())).map_err(report)
}

/// Opens a secret with whichever key of the file it was sealed with.
///
/// # Errors
/// 55000 without a usable key file or without that key; XX001 (data_corrupted) where it does not belong to `place`.
pub fn open(place: Place, sealed: &[u8]) -> SqlResult<Zeroizing<String>> {
    Keyring::load().and_then(|keys| keys.open(&place.bytes(), sealed)).map_err(report)
}

/// Whether there is a key file that can be used, so that secrets can be stored and opened.
pub fn is_ready() -> bool {
    Keyring::load().is_ok()
}

/// The keys of the file at one moment: what is sealed anew with them is all sealed with the same one.
pub struct Rotation(Keyring);

impl Rotation {
    /// # Errors
    /// 55000 without a usable key file.
    pub fn begin() -> SqlResult<Self> {
        Keyring::load().map(Self).map_err(report)
    }

    /// The same secret, sealed with the newest key.
    pub fn seal_anew(&self, place: Place, sealed: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let secret = self.0.open(&place.bytes(), sealed)?;
        self.0.seal(&place.bytes(), secret.as_bytes())
    }
}

/// Random bytes that nobody can guess.
pub fn random<const N: usize>() -> SqlResult<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| report(KeyringError::NoRandomness))?;
    Ok(bytes)
}

/// A random number in 0..1.
pub fn fraction() -> SqlResult<f64> {
    Ok(f64::from(u32::from_le_bytes(random::<4>()?)) / (f64::from(u32::MAX) + 1.0))
}

/// A hash of what must not be guessed from it, equal for equal texts of one installation (`salt`). No key of the key
/// file has part in it, so that it outlives their rotation.
pub fn keyed_hash(salt: &[u8], text: &str) -> SqlResult<Vec<u8>> {
    let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(salt).map_err(internal)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().to_vec())
}

fn report(source: KeyringError) -> ErrorReport {
    let code = match source {
        KeyringError::Damaged => PgSqlErrorCode::ERRCODE_DATA_CORRUPTED,
        KeyringError::NoRandomness | KeyringError::NotSealed => PgSqlErrorCode::ERRCODE_INTERNAL_ERROR,
        _ => PgSqlErrorCode::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
    };
    let hint = match source {
        KeyringError::Damaged => "Subscribe to the calendar, or add the account, again.",
        KeyringError::UnknownKey => "Add that key as a further line of calendar_sync.encryption_key_file.",
        KeyringError::Exposed(_) => "Run chmod 600 on it, as the user that the server runs as.",
        KeyringError::NotSet | KeyringError::Empty => MAKE_A_KEY,
        KeyringError::BadKey(_) => {
            "Mend that line; the others open what was sealed with them. head -c 32 /dev/urandom | base64 makes a new key."
        }
        _ => "calendar_sync.encryption_key_file must name a file of the user that the server runs as, with mode 600.",
    };
    error(code, format!("calendar_sync cannot keep or open a secret: {source}"))
        .set_detail("Secrets are only stored encrypted, with a key that is kept outside of the database.")
        .set_hint(hint)
}

const MAKE_A_KEY: &str = "As the user that the server runs as: (umask 077; head -c 32 /dev/urandom | \
    base64 > /etc/postgresql/calendar_sync.key), then set calendar_sync.encryption_key_file to that file and reload the server.";
