//! Which certificates are trusted: the platform's, or those of a file.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ureq::tls::{Certificate, PemItem, RootCerts};

use super::error::HttpError;

/// Tells one content of a file from the next: device, inode, size, and when it was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64, u64, u64, i64, i64);

/// `None` for a file that is not there.
pub fn stamp(path: &Path) -> Option<Stamp> {
    let it = std::fs::metadata(path).ok()?;
    Some(Stamp(it.dev(), it.ino(), it.size(), it.ctime(), it.ctime_nsec()))
}

/// The certificates of a PEM file, or, without one, the platform's.
pub fn roots(file: Option<&Path>) -> Result<RootCerts, HttpError> {
    let Some(path) = file else { return Ok(RootCerts::PlatformVerifier) };
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
