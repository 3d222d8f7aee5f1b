//! For whom a proxy asks, for the log. A client may write anything into these fields, so
//! only what trusted proxies added counts: the addresses are gone through from the last
//! one, for as long as whoever said it is trusted. A proxy writes one of the two fields
//! and may hand on the other as its client wrote it: where they disagree, neither counts.

use std::net::{IpAddr, SocketAddr};

use hyper::HeaderMap;
use hyper::header::FORWARDED;

use crate::config::Network;

const X_FORWARDED_FOR: &str = "x-forwarded-for";

/// The address of the client whose request `peer` brought.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let by = |said| furthest(peer, said, trusted);
    match (headers.contains_key(FORWARDED), headers.contains_key(X_FORWARDED_FOR)) {
        (true, false) => by(standard(headers)),
        (false, _) => by(usual(headers)),
        (true, true) => Some(by(usual(headers))).filter(|client| *client == by(standard(headers))).unwrap_or(peer),
    }
}

/// The furthest address that somebody trusted said, from `peer` on.
fn furthest(peer: IpAddr, mut said: Vec<Option<IpAddr>>, trusted: &[Network]) -> IpAddr {
    let mut client = peer;
    while trusted.iter().any(|network| network.holds(client)) {
        match said.pop() {
            Some(Some(address)) => client = address.to_canonical(),
            // A text that is no address ends what can be told.
            Some(None) | None => break,
        }
    }
    client
}

/// The addresses in `X-Forwarded-For`, the nearest last.
fn usual(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let fields = headers.get_all(X_FORWARDED_FOR).iter();
    fields.flat_map(|field| field.to_str().unwrap_or_default().split(',')).map(address).collect()
}

/// The addresses in `Forwarded` (RFC 7239), the nearest last.
fn standard(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let fields = headers.get_all(FORWARDED).iter();
    let elements = fields.flat_map(|field| field.to_str().unwrap_or_default().split(','));
    let of = |element: &str| {
        let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for"))?;
        address(value.trim_matches('"'))
    };
    elements.map(of).collect()
}

/// An address, with a port or without.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use hyper::http::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn only_what_trusted_proxies_say_is_believed() {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "127.0.0.1".parse().unwrap()];
        let said = |peer: &str, fields: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
            }
            client(peer.parse().unwrap(), &headers, &trusted).to_string()
        };
        let xff = "X-Forwarded-For";
        for (peer, fields, expected) in [
            ("192.0.2.1", &[(xff, "198.51.100.1")][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(xff, "198.51.100.1")], "198.51.100.1"),
            ("::ffff:10.0.0.1", &[(xff, "198.51.100.1")], "198.51.100.1"),
            // The client wrote the first itself.
            ("10.0.0.1", &[(xff, "127.0.0.1, 198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(xff, "203.0.113.9, 198.51.100.1, 10.2.0.1")], "198.51.100.1"),
            ("10.0.0.1", &[(xff, "203.0.113.9"), (xff, "198.51.100.1")], "198.51.100.1"),
            ("10.0.0.1", &[(xff, "198.51.100.1, junk")], "10.0.0.1"),
            ("10.0.0.1", &[("Forwarded", "for=203.0.113.9, for=\"198.51.100.1:99\";proto=https")], "198.51.100.1"),
            ("10.0.0.1", &[("Forwarded", "For=\"[2001:db8::1]:99\"")], "2001:db8::1"),
            ("10.0.0.1", &[("Forwarded", "for=_hidden"), (xff, "198.51.100.1")], "10.0.0.1"),
            // The proxy writes one of them, and the client wrote the other.
            ("10.0.0.1", &[("Forwarded", "for=203.0.113.9"), (xff, "198.51.100.1")], "10.0.0.1"),
            ("10.0.0.1", &[("Forwarded", "for=198.51.100.1"), (xff, "203.0.113.9, 198.51.100.1")], "198.51.100.1"),
        ] {
            assert_eq!(said(peer, fields), expected, "{peer} {fields:?}");
        }
    }
}
