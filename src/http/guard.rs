//! Which addresses and hosts may be asked.
//!
//! Who subscribes to a calendar names the address that the database server connects to. Without a guard that reaches
//! whatever the server reaches: its own services, the cloud's metadata address, the office's network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use super::address::Address;

/// What the settings allow, captured on the main thread.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Also loopback, private and link-local addresses.
    pub allow_private: bool,
    /// If not empty: only these hosts.
    pub allow_hosts: Vec<String>,
    pub deny_hosts: Vec<String>,
    /// A proxy resolves names.
    pub behind_proxy: bool,
}

impl Policy {
    /// Reads a setting's list: comma-separated names and addresses; a leading dot takes all hosts below.
    pub fn hosts(list: &str) -> Vec<String> {
        list.split(',').map(str::trim).filter(|host| !host.is_empty()).map(normal).collect()
    }

    /// Why what this URL says by itself must not be asked. What its name stands for is checked when it is resolved;
    /// behind a proxy, which resolves it there, this is all that is checked here.
    pub fn refuses(&self, address: &Address) -> Option<&'static str> {
        let host = address.host();
        let literal = bare(host).parse().ok();
        let of_address = || literal.and_then(|address| self.refuses_address(address));
        // Elsewhere these resolve to loopback addresses, and are refused as such.
        let of_name = || (self.behind_proxy && !self.allow_private && is_localhost(host)).then_some(LOOPBACK);
        self.refuses_host(host).or_else(of_address).or_else(of_name)
    }

    /// Whether secrets may go there unencrypted: not over the public internet, unless an administrator names the host.
    pub fn may_hear_secrets_in_clear(&self, address: &Address) -> bool {
        self.refuses(address).is_none() && (self.allow_private || !self.allow_hosts.is_empty())
    }

    /// Why this host must not be asked, whatever its address; `None`: it may.
    fn refuses_host(&self, host: &str) -> Option<&'static str> {
        let host = normal(host);
        if self.deny_hosts.iter().any(|entry| covers(entry, &host)) {
            return Some(DENIED);
        }
        if !self.allow_hosts.is_empty() && !self.allow_hosts.iter().any(|entry| covers(entry, &host)) {
            return Some("calendar_sync.http_allow_hosts does not name it");
        }
        None
    }

    /// Why this address must not be connected to; `None`: it may.
    pub fn refuses_address(&self, address: IpAddr) -> Option<&'static str> {
        let is_denied =
            |entry: &String| bare(entry).parse().is_ok_and(|denied| unwrapped(denied) == unwrapped(address));
        if self.deny_hosts.iter().any(is_denied) {
            return Some(DENIED);
        }
        if self.allow_private { unusable(address) } else { unusable(address).or_else(|| inside(address)) }
    }
}

const DENIED: &str = "calendar_sync.http_deny_hosts names it";
const LOOPBACK: &str = "it is a loopback address";

/// A host as URLs have it: lower case, Punycode, brackets around an IPv6 address; no dot at its end.
fn normal(host: &str) -> String {
    let host = host.trim_end_matches('.');
    let (dot, name) = host.strip_prefix('.').map_or(("", host), |name| (".", name));
    let in_brackets = || Host::parse(&format!("[{name}]"));
    match Host::parse(name).or_else(|_| in_brackets()) {
        Ok(parsed) => format!("{dot}{parsed}"),
        Err(_) => host.to_ascii_lowercase(),
    }
}

fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_localhost(host: &str) -> bool {
    let host = host.trim_end_matches('.');
    host == "localhost" || host.ends_with(".localhost")
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
        (127, ..) => Some(LOOPBACK),
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
        _ if address.is_loopback() => Some(LOOPBACK),
        0xfc00..=0xfdff => Some("it is a private address"),
        0xfe80..=0xfeff => Some("it is a link-local address"),
        0x2000..=0x3fff if !(first == 0x2001 && (second < 0x200 || second == 0xdb8)) && first != 0x3fff => None,
        _ => Some("it is a reserved address"),
    }
}

/// The IPv4 address that an IPv6 one stands for: mapped (::ffff:a.b.c.d), compatible (::a.b.c.d), translated
/// (::ffff:0:a.b.c.d), NAT64 (64:ff9b::a.b.c.d), 6to4 (2002:ab:cd::) and ISATAP (interface 5efe:a.b.c.d). Of other
/// translators' networks (64:ff9b:1::/48, RFC 8215) and of Teredo's (2001::/32) nothing is taken.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low)));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => v4(high, low),
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
            "64:ff9b:1:7f00:0:100:101:101",
            "2001:4860:1:1:0:5efe:10.0.0.1",
            "2001:4860:1:1:200:5efe:192.168.0.1",
            "2001:0:101:101::f5ff:fffe",
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
            ..Policy::default()
        };
        assert_eq!(policy.refuses_host("Calendar.Example"), None);
        assert_eq!(policy.refuses_host("a.feeds.example."), None);
        for host in ["other.example", "feeds.example", "xfeeds.example", "bad.feeds.example", "BAD.feeds.example."] {
            assert!(policy.refuses_host(host).is_some(), "{host}");
        }
    }

    #[test]
    fn secrets_go_in_clear_to_hosts_that_are_named_or_where_private_ones_are_allowed() {
        let address = Address::parse("http://login.example/token").unwrap();
        let hears = |policy: Policy| policy.may_hear_secrets_in_clear(&address);
        assert!(!hears(Policy::default()));
        assert!(hears(Policy { allow_private: true, ..Policy::default() }));
        assert!(hears(Policy { allow_hosts: Policy::hosts("login.example"), ..Policy::default() }));
        assert!(!hears(Policy { allow_hosts: Policy::hosts("other.example"), ..Policy::default() }));
        let denied = Policy::hosts("login.example");
        assert!(!hears(Policy { allow_private: true, deny_hosts: denied, ..Policy::default() }));
    }

    #[test]
    fn a_denied_address_is_denied_however_it_is_written_and_whatever_name_stands_for_it() {
        let policy = Policy { deny_hosts: Policy::hosts("1.1.1.1, 2606:4700::1111, 0x01010102"), ..Policy::default() };
        for url in ["https://1.1.1.1/", "https://0x1010101/", "https://[::ffff:1.1.1.1]/", "https://[2606:4700::1111]/"]
        {
            assert_eq!(policy.refuses(&Address::parse(url).unwrap()), Some(DENIED), "{url}");
        }
        for address in ["1.1.1.1", "1.1.1.2", "2606:4700::1111", "2002:101:101::1"] {
            assert_eq!(policy.refuses_address(address.parse().unwrap()), Some(DENIED), "{address}");
        }
        assert_eq!(policy.refuses_address("1.1.1.3".parse().unwrap()), None);
    }

    #[test]
    fn international_names_are_the_same_in_both_of_their_forms() {
        let policy =
            Policy { deny_hosts: Policy::hosts("M\u{fc}nchen.example, .xn--bcher-kva.example"), ..Policy::default() };
        for url in
            ["https://m\u{fc}nchen.example/", "https://xn--mnchen-3ya.example./", "https://a.b\u{fc}cher.example/"]
        {
            assert_eq!(policy.refuses(&Address::parse(url).unwrap()), Some(DENIED), "{url}");
        }
    }

    #[test]
    fn an_inside_address_is_found_in_whatever_form_a_url_gives_it() {
        for url in [
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://127.0.0.1./",
            "http://0/",
            "http://1.1.1.1@127.0.0.1/",
            "http://127.0.0.1\\@1.1.1.1/",
            "http://\u{ff11}\u{ff12}\u{ff17}.0.0.1/",
            "http://[::ffff:7f00:1]/",
            "http://[0:0:0:0:0:0:0:1]:8080/",
            "webcal://169.254.169.254/latest/meta-data",
        ] {
            assert!(Policy::default().refuses(&Address::parse(url).unwrap()).is_some(), "{url}");
        }
        for url in ["http://[fe80::1%25eth0]/", "http://[::1", "http://1.1.1.1:99999/", "http://a b/", "http://%00/"] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn names_of_this_host_are_refused_where_a_proxy_would_resolve_them() {
        let policy = Policy { behind_proxy: true, ..Policy::default() };
        for url in ["http://localhost/", "http://LOCALHOST.:8080/", "http://a.localhost/"] {
            assert_eq!(policy.refuses(&Address::parse(url).unwrap()), Some(LOOPBACK), "{url}");
        }
        let allowed = Policy { allow_private: true, ..policy };
        assert_eq!(allowed.refuses(&Address::parse("http://localhost/").unwrap()), None);
    }
}
