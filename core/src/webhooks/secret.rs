//! Secrets compared in a time that says nothing of them.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Whether both are the same text. An empty secret proves nothing.
pub fn is_same(given: &str, secret: &str) -> bool {
    !secret.is_empty() && bool::from(given.as_bytes().ct_eq(secret.as_bytes()))
}

/// Whether this is the HMAC-SHA-256 of `message` under that key. An empty key proves nothing.
pub fn is_signature(signature: &[u8], message: &[u8], key: &str) -> bool {
    let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_bytes()) else { return false };
    mac.update(message);
    !key.is_empty() && mac.verify_slice(signature).is_ok()
}
