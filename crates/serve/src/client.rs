//! Who sent a request, and how: by the connection, or by the proxy before us.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName};

/// The address a request came from: in the request's extensions.
///
/// By default the address of the connection, which behind a proxy is the proxy's: what a header
/// says, anybody can write. With [`Config::trusted_proxy_hops`](crate::Config::trusted_proxy_hops)
/// it is what the outermost trusted proxy saw, and on AWS Lambda what the event says; then the
/// port is not known and is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// How the client reached the outermost proxy that is trusted, or this server if there is none:
/// in the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Encrypted.
    Https,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is known of a request's sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    pub(crate) address: Option<SocketAddr>,
    pub(crate) scheme: Scheme,
}

impl Client {
    /// The sender of a request on a connection from `peer`, of which the last `hops` proxies are
    /// trusted.
    pub(crate) fn of(headers: &HeaderMap, peer: Option<SocketAddr>, hops: usize) -> Self {
        let Some(place) = hops.checked_sub(1) else {
            return Self { address: peer, scheme: Scheme::Http };
        };
        // A request with fewer entries did not come by way of the proxies.
        let address = from_the_right(headers, &X_FORWARDED_FOR, place).and_then(address);
        // Proxies replace this header rather than add to it, so one entry is the rule.
        let scheme = from_the_right(headers, &X_FORWARDED_PROTO, place)
            .or_else(|| from_the_right(headers, &X_FORWARDED_PROTO, 0));
        Self { address: address.or(peer), scheme: scheme_named(scheme) }
    }

    #[cfg(feature = "lambda")]
    pub(crate) fn scheme_of(headers: &HeaderMap) -> Scheme {
        scheme_named(from_the_right(headers, &X_FORWARDED_PROTO, 0))
    }
}

fn scheme_named(name: Option<&str>) -> Scheme {
    match name {
        Some(name) if name.eq_ignore_ascii_case("https") => Scheme::Https,
        _ => Scheme::Http,
    }
}

/// An entry of a list that may stretch over several headers, counted from its end.
fn from_the_right<'a>(headers: &'a HeaderMap, name: &HeaderName, place: usize) -> Option<&'a str> {
    headers
        .get_all(name)
        .iter()
        .rev()
        .flat_map(|value| value.to_str().unwrap_or("").rsplit(','))
        .nth(place)
        .map(str::trim)
}

/// An address with or without a port, as proxies write it.
fn address(text: &str) -> Option<SocketAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(hops: usize, headers: &[(&'static str, &'static str)]) -> (String, Scheme) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        let Client { address, scheme } = Client::of(&map, Some(([10, 0, 0, 1], 4000).into()), hops);
        (address.unwrap().to_string(), scheme)
    }

    const FORWARDED: [(&str, &str); 2] =
        [("x-forwarded-for", "6.6.6.6, 198.51.100.7 ,203.0.113.9"), ("x-forwarded-proto", "https")];

    #[test]
    fn without_trust_the_headers_say_nothing() {
        assert_eq!(client(0, &FORWARDED), ("10.0.0.1:4000".to_owned(), Scheme::Http));
    }

    #[test]
    fn trusted_hops_are_counted_from_the_right() {
        assert_eq!(client(1, &FORWARDED), ("203.0.113.9:0".to_owned(), Scheme::Https));
        assert_eq!(client(2, &FORWARDED), ("198.51.100.7:0".to_owned(), Scheme::Https));
    }

    #[test]
    fn lines_of_one_header_are_one_list() {
        let headers = [("x-forwarded-for", "6.6.6.6, 198.51.100.7"), ("x-forwarded-for", "::1")];
        assert_eq!(client(2, &headers).0, "198.51.100.7:0");
        assert_eq!(client(1, &headers).0, "[::1]:0");
    }

    #[test]
    fn too_few_entries_or_nonsense_leave_the_connections_address() {
        assert_eq!(client(4, &FORWARDED).0, "10.0.0.1:4000");
        assert_eq!(client(1, &[]), ("10.0.0.1:4000".to_owned(), Scheme::Http));
        assert_eq!(client(1, &[("x-forwarded-for", "unknown")]).0, "10.0.0.1:4000");
    }

    #[test]
    fn an_address_may_carry_a_port_or_brackets() {
        assert_eq!(client(1, &[("x-forwarded-for", "192.0.2.1:77")]).0, "192.0.2.1:77");
        assert_eq!(client(1, &[("x-forwarded-for", "[2001:db8::1]:77")]).0, "[2001:db8::1]:77");
        assert_eq!(client(1, &[("x-forwarded-for", "[2001:db8::1]")]).0, "[2001:db8::1]:0");
    }

    #[test]
    fn each_proxy_may_tell_a_scheme_of_its_own() {
        let headers = [("x-forwarded-proto", "https, http")];
        assert_eq!(client(2, &headers).1, Scheme::Https);
        assert_eq!(client(1, &headers).1, Scheme::Http);
    }
}
