//! By which names the server may be spoken to, and by pages of whom. A page in a
//! browser can send requests to this machine, under a name that its owner has made
//! to mean 127.0.0.1: both are refused by what the browser says of them.

use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};
use hyper::http::{HeaderValue, Uri};

use super::refusal::Refusal;

/// The names of the server, with their port.
#[derive(Debug)]
pub(super) struct Authorities(Vec<String>);

impl Authorities {
    /// The names of a server that listens there.
    pub(super) fn of(address: SocketAddr) -> Self {
        let port = address.port();
        let own = address.to_string();
        let usual = ["127.0.0.1", "localhost", "[::1]"];
        let mut names: Vec<_> = usual.iter().map(|host| format!("{host}:{port}")).collect();
        if !names.contains(&own) {
            names.push(own);
        }
        // The port that HTTP means when none is said.
        if port == 80 {
            names.extend(names.clone().iter().filter_map(|name| Some(name.strip_suffix(":80")?.to_owned())));
        }
        Self(names)
    }

    /// Refuses a request to another name, and one from a page of another origin.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::NoHost) };
        let host = shown(host);
        // The one in the target counts for more (RFC 9112, section 3.2.2), so both must be ours.
        let target = uri.authority().map(|authority| authority.as_str().to_owned());
        for name in std::iter::once(host).chain(target) {
            if !self.has(&name) {
                return Err(Refusal::ForeignHost { name, allowed: self.0.join(", ") });
            }
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = shown(origin);
            if !origin.strip_prefix("http://").is_some_and(|name| self.has(name)) {
                return Err(Refusal::ForeignOrigin { origin, allowed: self.0.join(", http://") });
            }
        }
        Ok(())
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|own| own.eq_ignore_ascii_case(name))
    }
}

fn shown(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(address: &str, target: &'static str, fields: &[(&'static str, &'static str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        match Authorities::of(address.parse().unwrap()).check(&Uri::from_static(target), &headers) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => refusal.reason().to_owned(),
        }
    }

    #[test]
    fn names_count_with_their_port_and_all_that_are_said_must_be_ours() {
        for host in ["127.0.0.1:7411", "localhost:7411", "LocalHost:7411", "[::1]:7411"] {
            assert_eq!(said("127.0.0.1:7411", "/mcp", &[("host", host)]), "taken", "{host}");
        }
        for host in [
            "evil.example:7411",
            "localhost",
            "localhost:80",
            "localhost:74110",
            "localhost.:7411",
            "user@localhost:7411",
            "localhost:7411.evil.example",
            "127.0.0.2:7411",
            "[::ffff:127.0.0.1]:7411",
            "",
        ] {
            assert_eq!(said("127.0.0.1:7411", "/mcp", &[("host", host)]), "foreign_host", "{host}");
        }
        assert_eq!(said("127.0.0.2:7411", "/mcp", &[("host", "127.0.0.2:7411")]), "taken");
        assert_eq!(said("127.0.0.1:80", "/mcp", &[("host", "localhost")]), "taken");
        assert_eq!(said("127.0.0.1:7411", "/mcp", &[]), "no_host");
        let two = [("host", "localhost:7411"), ("host", "localhost:7411")];
        assert_eq!(said("127.0.0.1:7411", "/mcp", &two), "no_host");
        let host = [("host", "localhost:7411")];
        assert_eq!(said("127.0.0.1:7411", "http://localhost:7411/mcp", &host), "taken");
        assert_eq!(said("127.0.0.1:7411", "http://evil.example/mcp", &host), "foreign_host");
    }

    #[test]
    fn an_origin_is_ours_or_refused() {
        let said = |origins: &[&'static str]| {
            let origins = origins.iter().map(|origin| ("origin", *origin));
            let fields: Vec<_> = std::iter::once(("host", "localhost:7411")).chain(origins).collect();
            said("127.0.0.1:7411", "/mcp", &fields)
        };
        assert_eq!(said(&["http://localhost:7411"]), "taken");
        assert_eq!(said(&["http://127.0.0.1:7411"]), "taken");
        for origin in [
            "null",
            "https://localhost:7411",
            "http://localhost",
            "http://localhost:6274",
            "http://evil.example",
            "http://localhost:7411/",
            "localhost:7411",
            "",
        ] {
            assert_eq!(said(&[origin]), "foreign_origin", "{origin}");
        }
        assert_eq!(said(&["http://localhost:7411", "http://evil.example"]), "foreign_origin");
    }
}
