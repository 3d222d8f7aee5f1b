//! By which names the server may be spoken to, and by pages of whom. A page in a
//! browser can send requests to this machine, under a name that its owner has made
//! to mean 127.0.0.1: both are refused by what the browser says of them.

use std::net::SocketAddr;

use hyper::HeaderMap;
use hyper::header::{HOST, ORIGIN};
use hyper::http::{HeaderValue, Uri};

use super::refusal::Refusal;
use crate::config::{Origin, PublicUrl};

/// The names of the server, with their port, and the pages that may send it requests.
#[derive(Debug)]
pub(super) struct Authorities {
    names: Vec<String>,
    origins: Vec<String>,
}

impl Authorities {
    /// The names of a server that listens there, with TLS or without.
    pub(super) fn of(address: SocketAddr, has_tls: bool, public: Option<&PublicUrl>, others: &[Origin]) -> Self {
        let (scheme, usual_port) = if has_tls { ("https", ":443") } else { ("http", ":80") };
        let port = address.port();
        let own = address.to_string();
        let usual = ["127.0.0.1", "localhost", "[::1]"];
        let mut names: Vec<_> = usual.iter().map(|host| format!("{host}:{port}")).collect();
        // An address that means every address of the machine is the name of none.
        if !address.ip().is_unspecified() && !names.contains(&own) {
            names.push(own);
        }
        // A name without a port means the usual one.
        let short: Vec<_> = names.iter().filter_map(|name| Some(name.strip_suffix(usual_port)?.to_owned())).collect();
        names.extend(short);
        let mut origins: Vec<_> = names.iter().map(|name| format!("{scheme}://{name}")).collect();
        if let Some(public) = public {
            names.extend(public.hosts());
            origins.push(public.origin().to_string());
        }
        origins.extend(others.iter().map(ToString::to_string));
        Self { names, origins }
    }

    /// Refuses a request to another name, and one from a page of another origin.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Refusal::NoHost) };
        let host = shown(host);
        // The name in the target counts for more (RFC 9112, section 3.2.2), so both must be ours.
        let target = uri.authority().map(|authority| authority.as_str().to_owned());
        for name in std::iter::once(host).chain(target) {
            if !is_among(&self.names, &name) {
                return Err(Refusal::ForeignHost { name, allowed: self.names.join(", ") });
            }
        }
        for origin in headers.get_all(ORIGIN) {
            let origin = shown(origin);
            if !is_among(&self.origins, &origin) {
                return Err(Refusal::ForeignOrigin { origin, allowed: self.origins.join(", ") });
            }
        }
        Ok(())
    }
}

fn is_among(ours: &[String], name: &str) -> bool {
    ours.iter().any(|own| own.eq_ignore_ascii_case(name))
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
        let public = "https://belljar.example/mcp".parse().unwrap();
        let app = "https://app.example:8443".parse().unwrap();
        let authorities = Authorities::of(address.parse().unwrap(), false, Some(&public), &[app]);
        match authorities.check(&Uri::from_static(target), &headers) {
            Ok(()) => "taken".to_owned(),
            Err(refusal) => refusal.reason().to_owned(),
        }
    }

    #[test]
    fn names_count_with_their_port_and_all_that_are_said_must_be_ours() {
        let usual = ["127.0.0.1:7411", "localhost:7411", "LocalHost:7411", "[::1]:7411"];
        for host in usual.into_iter().chain(["belljar.example", "Belljar.Example:443"]) {
            assert_eq!(said("127.0.0.1:7411", "/mcp", &[("host", host)]), "taken", "{host}");
        }
        for host in [
            "evil.example:7411",
            "localhost",
            "localhost:80",
            "belljar.example:80",
            "belljar.example:7411",
            "www.belljar.example",
            "app.example:8443",
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
    fn the_scheme_of_the_server_says_which_port_is_meant_and_which_origins_are_its_own() {
        for (address, has_tls, host, origin) in [
            ("127.0.0.1:443", true, "localhost", "https://localhost"),
            ("127.0.0.1:8443", true, "localhost:8443", "https://localhost:8443"),
            ("127.0.0.1:80", false, "localhost", "http://localhost"),
        ] {
            let authorities = Authorities::of(address.parse().unwrap(), has_tls, None, &[]);
            let check = |origin: &str| {
                let mut headers = HeaderMap::new();
                headers.append(HOST, HeaderValue::from_static(host));
                headers.append(ORIGIN, HeaderValue::from_str(origin).unwrap());
                authorities.check(&Uri::from_static("/mcp"), &headers).is_ok()
            };
            assert!(check(origin), "{address}");
            let other = if has_tls { origin.replace("https", "http") } else { origin.replace("http", "https") };
            assert!(!check(&other), "{address}");
        }
    }

    #[test]
    fn an_origin_is_ours_or_refused() {
        let said = |origins: &[&'static str]| {
            let origins = origins.iter().map(|origin| ("origin", *origin));
            let fields: Vec<_> = std::iter::once(("host", "localhost:7411")).chain(origins).collect();
            said("127.0.0.1:7411", "/mcp", &fields)
        };
        assert_eq!(said(&["http://localhost:7411"]), "taken");
        for origin in ["http://127.0.0.1:7411", "https://belljar.example", "https://app.example:8443"] {
            assert_eq!(said(&[origin]), "taken", "{origin}");
        }
        for origin in [
            "null",
            "https://localhost:7411",
            "https://app.example",
            "http://app.example:8443",
            "http://belljar.example",
            "https://belljar.example:443",
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
