//! Name resolution with the guard in it: what ureq connects to are the very addresses that were checked, so a name
//! that answers differently the second time (DNS rebinding) gains nothing.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::guard::Policy;
use super::names::{LookUpError, Names};

/// As many addresses of one name are tried.
const MAX_ADDRESSES: usize = 16;

/// Resolves names and refuses what the policy refuses.
#[derive(Debug)]
pub struct GuardedResolver {
    pub policy: Policy,
    pub names: &'static Names,
    /// How long the addresses of a name are good for.
    pub good_for: Duration,
    /// Host of the proxy, which the administrator chose and which usually stands inside.
    pub proxy: Option<String>,
}

/// Why a host was not connected to.
#[derive(Debug)]
pub struct Refusal(pub &'static str);

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Refusal {}

impl Resolver for GuardedResolver {
    fn resolve(&self, uri: &Uri, _: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let host = uri.host().ok_or(Error::HostNotFound)?;
        let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
        let port = uri.port_u16().unwrap_or(default);
        let is_proxy = self.proxy.as_deref().is_some_and(|proxy| proxy.eq_ignore_ascii_case(host));
        let mut refused = None;
        let mut addresses = self.empty();
        for address in self.look_up(host, port, timeout)?.into_iter().take(MAX_ADDRESSES) {
            match self.policy.refuses_address(address.ip()).filter(|_| !is_proxy) {
                None => addresses.push(address),
                Some(why) => refused = Some(why),
            }
        }
        match refused {
            _ if !addresses.is_empty() => Ok(addresses),
            Some(why) => Err(Error::Other(Box::new(Refusal(why)))),
            None => Err(Error::HostNotFound),
        }
    }
}

impl GuardedResolver {
    fn look_up(&self, host: &str, port: u16, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
        if let Ok(literal) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(literal, port)]);
        }
        match self.names.look_up(host, self.good_for, *timeout.after) {
            Ok(addresses) => Ok(addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()),
            Err(LookUpError::NotFound) => Err(Error::HostNotFound),
            Err(LookUpError::TooSlow) => Err(Error::Timeout(ureq::Timeout::Resolve)),
            Err(LookUpError::NoThread(error)) => Err(Error::Io(error)),
        }
    }
}
