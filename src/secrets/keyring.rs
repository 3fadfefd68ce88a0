//! The key file, and what its keys do.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::settings;

const VERSION: u8 = 1;
const KEY_ID: usize = 8;
const NONCE: usize = 12;
/// A key file is a few lines; what is larger is another file.
const MAX_FILE: u64 = 64 * 1024;

/// Why a secret was not sealed or opened. No text holds a key, a secret, or the file's name.
#[derive(Debug, thiserror::Error)]
pub enum KeyringError {
    #[error("calendar_sync.encryption_key_file is not set")]
    NotSet,
    #[error("the key file cannot be read: {0}")]
    Unreadable(std::io::Error),
    #[error("the key file is not a plain file")]
    NotAFile,
    #[error("the key file can be read by its group or by everybody (mode {0:04o})")]
    Exposed(u32),
    #[error("the key file belongs to another user than the server and root")]
    ForeignOwner,
    #[error("line {0} of the key file is not a key of 32 bytes in base64")]
    BadKey(usize),
    #[error("the key file holds no key")]
    Empty,
    #[error("the operating system gives no random bytes")]
    NoRandomness,
    #[error("the secret could not be sealed")]
    NotSealed,
    #[error("the secret is damaged, or was copied from another row")]
    Damaged,
    #[error("the secret was sealed with a key that the key file does not hold")]
    UnknownKey,
}

/// The keys of the file.
pub struct Keyring {
    /// Newest first.
    keys: Vec<Key>,
}

struct Key {
    id: [u8; KEY_ID],
    bytes: Zeroizing<[u8; 32]>,
}

impl Keyring {
    /// Reads the file each time: rotation needs no restart, and keys stay in memory no longer than they are used.
    pub fn load() -> Result<Self, KeyringError> {
        let setting =
            settings::ENCRYPTION_KEY_FILE.get().filter(|path| !path.is_empty()).ok_or(KeyringError::NotSet)?;
        let path = setting.to_str().map_err(|_| KeyringError::NotAFile)?;
        Self::parse(&Self::read(Path::new(path))?)
    }

    /// A symbolic link is followed (secrets are often mounted as one): what counts is the file that it leads to.
    fn read(path: &Path) -> Result<Zeroizing<String>, KeyringError> {
        // Opening a FIFO would wait for its writer.
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
        let file = opened.map_err(KeyringError::Unreadable)?;
        let metadata = file.metadata().map_err(KeyringError::Unreadable)?;
        if !metadata.is_file() || metadata.len() > MAX_FILE {
            return Err(KeyringError::NotAFile);
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(KeyringError::Exposed(metadata.mode() & 0o7777));
        }
        // SAFETY: reads a number of the process.
        if metadata.uid() != unsafe { libc::geteuid() } && metadata.uid() != 0 {
            return Err(KeyringError::ForeignOwner);
        }
        // The size is known, so that the text is not copied while it grows.
        let mut text = Zeroizing::new(String::with_capacity(metadata.len() as usize + 1));
        file.take(MAX_FILE).read_to_string(&mut text).map_err(KeyringError::Unreadable)?;
        Ok(text)
    }

    fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys = Vec::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let decoded = Zeroizing::new(STANDARD.decode(line).map_err(|_| KeyringError::BadKey(number + 1))?);
            let mut bytes = Zeroizing::new([0; 32]);
            if decoded.len() != bytes.len() {
                return Err(KeyringError::BadKey(number + 1));
            }
            bytes.copy_from_slice(&decoded);
            let mut id = [0; KEY_ID];
            let digest = Sha256::new().chain_update(b"calendar_sync key id").chain_update(bytes.as_slice()).finalize();
            id.copy_from_slice(&digest[..KEY_ID]);
            keys.push(Key { id, bytes });
        }
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self { keys }) }
    }

    /// Encrypts with the newest key. `place` names the column and row that it is for: copied to another row, a ciphertext does
    /// not open. Returns version, key id, nonce, ciphertext with its tag, one after the other.
    pub fn seal(&self, place: &[u8], secret: &[u8]) -> Result<Vec<u8>, KeyringError> {
        let key = self.keys.first().ok_or(KeyringError::Empty)?;
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| KeyringError::NoRandomness)?;
        let ciphertext = key
            .cipher()
            .encrypt(&Nonce::from(nonce), Payload { msg: secret, aad: place })
            .map_err(|_| KeyringError::NotSealed)?;
        Ok([&[VERSION], key.id.as_slice(), nonce.as_slice(), ciphertext.as_slice()].concat())
    }

    /// What [`Keyring::seal`] has encrypted for the same place, with any of the keys.
    ///
    /// # Errors
    /// [`KeyringError::UnknownKey`] where the key is not among them, [`KeyringError::Damaged`] for everything else.
    pub fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<String>, KeyringError> {
        let (&version, rest) = sealed.split_first().ok_or(KeyringError::Damaged)?;
        let (id, rest) = rest.split_first_chunk::<KEY_ID>().ok_or(KeyringError::Damaged)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(KeyringError::Damaged)?;
        if version != VERSION {
            return Err(KeyringError::Damaged);
        }
        let key = self.keys.iter().find(|key| key.id == *id).ok_or(KeyringError::UnknownKey)?;
        let secret = key
            .cipher()
            .decrypt(&Nonce::from(*nonce), Payload { msg: ciphertext, aad: place })
            .map_err(|_| KeyringError::Damaged)?;
        String::from_utf8(secret).map(Zeroizing::new).map_err(|_| KeyringError::Damaged)
    }
}

impl Key {
    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new((&*self.bytes).into())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn keyring(keys: &[[u8; 32]]) -> Keyring {
        let lines: Vec<String> = keys.iter().map(|key| STANDARD.encode(key)).collect();
        Keyring::parse(&lines.join("\n")).unwrap()
    }

    #[test]
    fn a_secret_opens_where_it_was_sealed_and_nowhere_else() {
        let keys = keyring(&[[1; 32]]);
        let sealed = keys.seal(b"connections.url.1", b"https://example.com/secret").unwrap();
        assert_eq!(*keys.open(b"connections.url.1", &sealed).unwrap(), "https://example.com/secret");
        assert!(matches!(keys.open(b"connections.url.2", &sealed), Err(KeyringError::Damaged)));
    }

    #[test]
    fn two_seals_of_one_secret_differ_and_do_not_show_it() {
        let keys = keyring(&[[1; 32]]);
        let (one, other) = (keys.seal(b"p", b"secret").unwrap(), keys.seal(b"p", b"secret").unwrap());
        assert_ne!(one, other);
        assert!(!one.windows(6).any(|window| window == b"secret"));
    }

    #[test]
    fn an_older_key_of_the_file_still_opens_and_a_missing_one_is_named() {
        let sealed = keyring(&[[1; 32]]).seal(b"p", b"secret").unwrap();
        assert_eq!(*keyring(&[[2; 32], [1; 32]]).open(b"p", &sealed).unwrap(), "secret");
        assert!(matches!(keyring(&[[2; 32]]).open(b"p", &sealed), Err(KeyringError::UnknownKey)));
    }

    #[test]
    fn every_changed_or_missing_byte_is_noticed() {
        let keys = keyring(&[[1; 32]]);
        let sealed = keys.seal(b"p", b"secret").unwrap();
        for index in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[index] ^= 1;
            assert!(keys.open(b"p", &changed).is_err(), "byte {index}");
            assert!(keys.open(b"p", &sealed[..index]).is_err(), "cut at {index}");
        }
    }

    #[test]
    fn key_files_may_have_comments_and_empty_lines_and_nothing_else() {
        let key = STANDARD.encode([7; 32]);
        assert_eq!(Keyring::parse(&format!("# newest\n{key}\n\n{key}\r\n")).unwrap().keys.len(), 2);
        assert!(matches!(Keyring::parse("\n# none\n"), Err(KeyringError::Empty)));
        assert!(matches!(Keyring::parse(&format!("{key}\nshort=")), Err(KeyringError::BadKey(2))));
        assert!(matches!(Keyring::parse(&STANDARD.encode([7; 31])), Err(KeyringError::BadKey(1))));
    }

    #[test]
    fn a_key_file_that_others_can_read_is_refused() {
        let path = std::env::temp_dir().join(format!("calendar_sync_key_{}", std::process::id()));
        std::fs::write(&path, STANDARD.encode([7; 32])).unwrap();
        for (mode, accepted) in [(0o644, false), (0o640, false), (0o604, false), (0o600, true), (0o400, true)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Keyring::read(&path).is_ok(), accepted, "{mode:o}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(Keyring::read(&path), Err(KeyringError::Unreadable(_))));
        assert!(matches!(Keyring::read(Path::new("/dev/null")), Err(KeyringError::NotAFile)));
    }
}
