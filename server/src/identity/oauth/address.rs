//! An address of HTTP that the operator, or an authorization server, named.

use std::fmt;
use std::sync::Arc;

use crate::loopback::is_this_machine;
use hyper::http::Uri;
use thiserror::Error;

/// The longest address.
const MAX_BYTES: usize = 2048;

/// Characters that RFC 3986 has in no address, so that none ends a quoted string.
const NEVER: &[u8] = br#""<>\^`{|}"#;

/// Why a text is no address to use.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum AddressError {
    #[error("must be at most {MAX_BYTES} bytes, has {0}")]
    TooLong(usize),
    #[error("must be an address such as https://auth.example/realms/a, got {0:?}")]
    Unreadable(String),
    #[error("must be https, or http at 127.0.0.1, [::1] or localhost, got {0:?}")]
    Clear(String),
    #[error("must have no {what}, got {address:?}")]
    Extra { what: &'static str, address: String },
}

/// `https://HOST[:PORT]/PATH[?QUERY]`, or the same with `http` on this machine. What
/// would travel in clear over a network is no such address.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address(Arc<Parts>);

#[derive(PartialEq, Eq)]
struct Parts {
    text: String,
    uri: Uri,
}

impl Address {
    /// Reads an address, with a query or without.
    ///
    /// # Errors
    ///
    /// When it is none, has a user name or a fragment, or would travel in clear.
    pub(crate) fn new(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_BYTES {
            return Err(AddressError::TooLong(text.len()));
        }
        let unreadable = || AddressError::Unreadable(text.to_owned());
        let extra = |what| AddressError::Extra { what, address: text.to_owned() };
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && !NEVER.contains(&byte)) {
            return Err(unreadable());
        }
        if text.contains('#') {
            return Err(extra("fragment"));
        }
        let uri: Uri = text.parse().map_err(|_| unreadable())?;
        let authority = uri.authority().ok_or_else(unreadable)?;
        if authority.as_str().contains('@') {
            return Err(extra("user name"));
        }
        let (host, written) = (authority.host(), authority.as_str());
        let has_odd_port = written.len() != host.len() && authority.port_u16().is_none_or(|port| port == 0);
        if host.is_empty() || has_odd_port {
            return Err(unreadable());
        }
        let address = Self(Arc::new(Parts { text: text.to_owned(), uri }));
        match address.0.uri.scheme_str() {
            Some("https") => Ok(address),
            Some("http") if address.is_of_this_machine() => Ok(address),
            Some("http") => Err(AddressError::Clear(text.to_owned())),
            _ => Err(unreadable()),
        }
    }

    /// Reads an address that names something and asks for nothing: it has no query.
    ///
    /// # Errors
    ///
    /// As [`Address::new`].
    pub(crate) fn name(text: &str) -> Result<Self, AddressError> {
        if text.contains('?') {
            return Err(AddressError::Extra { what: "query", address: text.to_owned() });
        }
        Self::new(text)
    }

    /// The address, letter by letter.
    pub(crate) fn as_str(&self) -> &str {
        &self.0.text
    }

    /// Whether the address is reached by TLS.
    pub(super) fn is_tls(&self) -> bool {
        self.0.uri.scheme_str() == Some("https")
    }

    /// `HOST[:PORT]` of the address, as it is written.
    pub(super) fn authority(&self) -> &str {
        self.0.uri.authority().map_or("", |authority| authority.as_str())
    }

    /// The host, without the brackets that addresses of IPv6 have.
    pub(super) fn host(&self) -> &str {
        let host = self.0.uri.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port.
    pub(super) fn port(&self) -> u16 {
        self.0.uri.port_u16().unwrap_or(if self.is_tls() { 443 } else { 80 })
    }

    /// Path and query, at least `/`.
    pub(super) fn target(&self) -> &str {
        self.0.uri.path_and_query().map_or("/", |target| target.as_str())
    }

    /// The path without a slash at its end: empty where there is none.
    pub(super) fn path(&self) -> &str {
        self.0.uri.path().trim_end_matches('/')
    }

    /// `SCHEME://HOST[:PORT]`.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}", self.0.uri.scheme_str().unwrap_or_default(), self.authority())
    }

    fn is_of_this_machine(&self) -> bool {
        is_this_machine(self.host())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0.text, formatter)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_travel_in_clear_over_a_network_is_no_address() {
        for text in ["https://a.example", "https://a.example:8443/b?c=d", "http://127.0.0.1:9/b", "http://[::1]:9/"] {
            assert_eq!(Address::new(text).unwrap().as_str(), text);
        }
        for text in ["http://LOCALHOST/b", "http://127.8.9.1/"] {
            assert!(Address::new(text).is_ok(), "{text}");
        }
        for text in [
            "http://a.example/",
            "http://10.0.0.1/",
            "http://127.0.0.1.a.example/",
            "http://localhost.a.example/",
            "http://[::ffff:10.0.0.1]/",
            "http://0.0.0.0/",
        ] {
            assert_eq!(Address::new(text), Err(AddressError::Clear(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn an_address_is_whole_and_names_no_user_and_no_part_of_a_document() {
        for text in [
            "",
            "a.example",
            "/mcp",
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://",
            "https:///a",
            "https://a.example:/",
            "https://a.example:0/",
            "https://a.example:99999/",
            "https://a b.example/",
            "https://a.example/\"",
            "https://a.example/\n",
            "https://ä.example/",
        ] {
            assert_eq!(Address::new(text), Err(AddressError::Unreadable(text.to_owned())), "{text}");
        }
        let extra = |text: &str| Address::name(text).unwrap_err().to_string();
        assert!(extra("https://a@a.example/").contains("user name"));
        assert!(extra("https://a.example/#b").contains("fragment"));
        assert!(extra("https://a.example/?b").contains("query"));
        let long = format!("https://a.example/{}", "b".repeat(MAX_BYTES));
        assert_eq!(Address::new(&long), Err(AddressError::TooLong(long.len())));
    }

    #[test]
    fn an_address_has_the_parts_that_a_request_needs() {
        let of = |text: &str| {
            let address = Address::new(text).unwrap();
            (address.host().to_owned(), address.port(), address.target().to_owned(), address.path().to_owned())
        };
        assert_eq!(of("https://a.example"), ("a.example".into(), 443, "/".into(), String::new()));
        assert_eq!(of("http://[::1]/b/?c"), ("::1".into(), 80, "/b/?c".into(), "/b".into()));
        assert_eq!(of("https://a.example:8443/b"), ("a.example".into(), 8443, "/b".into(), "/b".into()));
        assert_eq!(Address::new("https://a.example:8443/b").unwrap().origin(), "https://a.example:8443");
    }
}
