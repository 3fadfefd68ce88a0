//! Certificates, good and bad, and servers that present them.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An authority of one's own, as a company has one.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// What a server presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presents {
    /// A certificate for localhost and 127.0.0.1.
    Good,
    /// One that ended in 2020.
    Expired,
    /// One for example.com.
    OtherHost,
    /// One that no authority has signed.
    SelfSigned,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    pub fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "An authority of one's own");
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// For calendar_sync.http_ca_file.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Certificate and key for localhost and 127.0.0.1, in PEM.
    pub fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(Presents::Good).signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    pub(super) fn server(&self, presents: Presents) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let params = params(presents);
        let certificate = match presents {
            Presents::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &self.issuer),
        }
        .expect("a certificate");
        let private = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .expect("a usable certificate");
        Arc::new(config)
    }
}

fn params(presents: Presents) -> CertificateParams {
    let names = match presents {
        Presents::OtherHost => vec!["example.com".to_owned()],
        _ => vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
    };
    let mut params = CertificateParams::new(names).expect("names");
    if presents == Presents::Expired {
        params.not_before = date_time_ymd(2019, 1, 1);
        params.not_after = date_time_ymd(2020, 1, 1);
    }
    params
}

pub(super) fn accept(config: Arc<ServerConfig>, stream: TcpStream) -> Option<StreamOwned<ServerConnection, TcpStream>> {
    Some(StreamOwned::new(ServerConnection::new(config).ok()?, stream))
}
