//! Which addresses and hosts may be asked.
//!
//! Who subscribes to a calendar names the address that the database server connects to. Without a guard that reaches
//! whatever the server reaches: its own services, the cloud's metadata address, the office's network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::address::Address;

/// What the settings allow, captured on the main thread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Also loopback, private and link-local addresses.
    pub allow_private: bool,
    /// If not empty: only these hosts.
    pub allow_hosts: Vec<String>,
    pub deny_hosts: Vec<String>,
}

impl Policy {
    /// Reads a setting's list: comma-separated names; a leading dot takes all hosts below.
    pub fn hosts(list: &str) -> Vec<String> {
        list.split(',').map(|host| host.trim().to_ascii_lowercase()).filter(|host| !host.is_empty()).collect()
    }

    /// Why what this URL says by itself must not be asked. What its name stands for is checked when it is resolved;
    /// behind a proxy, which resolves it there, this is all that is checked here.
    pub fn refuses(&self, address: &Address) -> Option<&'static str> {
        let host = address.host();
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse().ok();
        self.refuses_host(host).or_else(|| literal.and_then(|address| self.refuses_address(address)))
    }

    /// Why this host must not be asked, whatever its address; `None`: it may.
    pub fn refuses_host(&self, host: &str) -> Option<&'static str> {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.deny_hosts.iter().any(|entry| covers(entry, &host)) {
            return Some("calendar_sync.http_deny_hosts names it");
        }
        if !self.allow_hosts.is_empty() && !self.allow_hosts.iter().any(|entry| covers(entry, &host)) {
            return Some("calendar_sync.http_allow_hosts does not name it");
        }
        None
    }

    /// Why this address must not be connected to; `None`: it may.
    pub fn refuses_address(&self, address: IpAddr) -> Option<&'static str> {
        if self.allow_private { unusable(address) } else { unusable(address).or_else(|| inside(address)) }
    }
}

fn covers(entry: &str, host: &str) -> bool {
    match entry.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|below| below.ends_with('.')),
        None => entry == host,
    }
}

/// Addresses that no web server has.
fn unusable(address: IpAddr) -> Option<&'static str> {
    match unwrapped(address) {
        address if address.is_multicast() => Some("it is a multicast address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => Some("it is the broadcast address"),
        _ => None,
    }
}

/// Addresses that are not the public internet (the IANA special-purpose registries).
fn inside(address: IpAddr) -> Option<&'static str> {
    match unwrapped(address) {
        IpAddr::V4(address) => inside_v4(address),
        IpAddr::V6(address) => inside_v6(address),
    }
}

fn inside_v4(address: Ipv4Addr) -> Option<&'static str> {
    let [a, b, c, _] = address.octets();
    match (a, b, c) {
        (0, ..) => Some("it is an address of this host"),
        (127, ..) => Some("it is a loopback address"),
        (10, ..) | (172, 16..=31, _) | (192, 168, _) => Some("it is a private address"),
        (169, 254, _) => Some("it is a link-local address"),
        (100, 64..=127, _) => Some("it is a carrier-grade NAT address"),
        (192, 0, 0)
        | (192, 0, 2)
        | (192, 88, 99)
        | (198, 18..=19, _)
        | (198, 51, 100)
        | (203, 0, 113)
        | (240.., ..) => Some("it is a reserved address"),
        _ => None,
    }
}

fn inside_v6(address: Ipv6Addr) -> Option<&'static str> {
    let [first, second, ..] = address.segments();
    match first {
        _ if address.is_unspecified() => Some("it is an address of this host"),
        _ if address.is_loopback() => Some("it is a loopback address"),
        0xfc00..=0xfdff => Some("it is a private address"),
        0xfe80..=0xfeff => Some("it is a link-local address"),
        0x2000..=0x3fff if !(first == 0x2001 && (second < 0x200 || second == 0xdb8)) && first != 0x3fff => None,
        _ => Some("it is a reserved address"),
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped (::ffff:a.b.c.d), compatible (::a.b.c.d), NAT64
/// (64:ff9b::a.b.c.d and 64:ff9b:1::/48) and 6to4 (2002:ab:cd::).
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 1, _, _, _, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(address: &str) -> bool {
        Policy::default().refuses_address(address.parse().unwrap()).is_none()
    }

    #[test]
    fn addresses_of_the_public_internet_may_be_asked() {
        for address in ["1.1.1.1", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "192.1.0.1", "198.20.0.1"] {
            assert!(public(address), "{address}");
        }
        for address in ["2606:4700::1111", "2a00:1450:4001::1", "2002:101:101::", "::ffff:1.1.1.1", "64:ff9b::1.1.1.1"]
        {
            assert!(public(address), "{address}");
        }
    }

    #[test]
    fn addresses_inside_are_refused() {
        for address in [
            "0.0.0.0",
            "127.0.0.1",
            "127.255.255.254",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "::",
            "::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn an_inside_ipv4_address_in_an_ipv6_one_is_refused() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::169.254.169.254",
            "64:ff9b:1::10.0.0.1",
            "2002:7f00:1::",
            "2002:c0a8:101::1",
        ] {
            assert!(!public(address), "{address}");
        }
    }

    #[test]
    fn private_addresses_may_be_allowed_but_multicast_never() {
        let policy = Policy { allow_private: true, ..Policy::default() };
        for address in ["127.0.0.1", "10.0.0.1", "::1", "fd00::1", "169.254.1.1"] {
            assert_eq!(policy.refuses_address(address.parse().unwrap()), None, "{address}");
        }
        for address in ["224.0.0.1", "ff02::1", "255.255.255.255"] {
            assert!(policy.refuses_address(address.parse().unwrap()).is_some(), "{address}");
        }
    }

    #[test]
    fn hosts_are_allowed_and_denied_by_name_and_by_domain() {
        let policy = Policy {
            allow_private: false,
            allow_hosts: Policy::hosts("calendar.example, .feeds.example"),
            deny_hosts: Policy::hosts("bad.feeds.example"),
        };
        assert_eq!(policy.refuses_host("Calendar.Example"), None);
        assert_eq!(policy.refuses_host("a.feeds.example."), None);
        for host in ["other.example", "feeds.example", "xfeeds.example", "bad.feeds.example", "BAD.feeds.example."] {
            assert!(policy.refuses_host(host).is_some(), "{host}");
        }
    }
}
