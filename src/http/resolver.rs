//! Name resolution with the guard in it: what ureq connects to are the very addresses that were checked, so a name
//! that answers differently the second time (DNS rebinding) gains nothing.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use ureq::Error;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

use super::guard::Policy;

/// As many addresses of one name are tried.
const MAX_ADDRESSES: usize = 16;

/// Resolves names and refuses what the policy refuses.
#[derive(Debug)]
pub struct GuardedResolver {
    pub policy: Policy,
    /// What the system says of a name.
    pub look_up: LookUp,
    /// Host of the proxy, which the administrator chose and which usually stands inside.
    pub proxy: Option<String>,
}

/// The addresses of a name at a port.
pub type LookUp = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// As the system's libraries do (hosts file, DNS).
pub fn system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok((host, port).to_socket_addrs()?.collect())
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
        for address in of_name(self.look_up, host, port, timeout)?.into_iter().take(MAX_ADDRESSES) {
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

/// getaddrinfo has no time-out of its own, so it runs on a thread that is left to itself when the time is over.
fn of_name(look_up: LookUp, host: &str, port: u16, timeout: NextTimeout) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(literal) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(literal, port)]);
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    let name = host.to_owned();
    // Spawned by a thread that has all signals blocked, which it inherits.
    thread::Builder::new().name("resolve".into()).stack_size(256 * 1024).spawn(move || {
        let _ = sender.send(look_up(&name, port));
    })?;
    match receiver.recv_timeout(*timeout.after) {
        Ok(found) => found.map_err(|_| Error::HostNotFound),
        Err(RecvTimeoutError::Timeout) => Err(Error::Timeout(ureq::Timeout::Resolve)),
        Err(RecvTimeoutError::Disconnected) => Err(Error::HostNotFound),
    }
}
