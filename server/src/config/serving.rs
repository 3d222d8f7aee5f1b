//! Where a server listens, by which names it is known and who is believed there.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{bail, ensure};
use hyper::http::Uri;
use serde::Deserialize;

use super::values::{Address, Method};
use crate::loopback::is_this_machine;

/// Where a server listens unless told otherwise: a port that nothing usual has.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 7411);

/// What a server over HTTP needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    pub(crate) listen: SocketAddr,
    /// How the server finds out who calls.
    pub(crate) authentication: Vec<Method>,
    /// The file of the server's token; without one, a token is made.
    pub(crate) token_file: Option<PathBuf>,
    /// Where clients find the server, if that is not where it listens.
    pub(crate) public_url: Option<PublicUrl>,
    /// Origins of pages that may send requests, beside the server's own.
    pub(crate) allowed_origins: Vec<Origin>,
    /// The server's certificate, if it has TLS itself.
    pub(crate) tls: Option<TlsFiles>,
    /// Whether what reaches the server came through a proxy that has TLS.
    pub(crate) behind_proxy: bool,
    /// Who is believed when it says for whom it asks.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Whether the server speaks MCP over WebSockets too.
    pub(crate) websocket: bool,
}

/// A certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct TlsFiles {
    /// A file in PEM: the certificate of the server first, and then those that lead to
    /// an authority.
    pub(crate) certificate: PathBuf,
    /// A file in PEM: PKCS #8, PKCS #1 or SEC 1.
    pub(crate) key: PathBuf,
}

/// [`Serving`] as it is written.
pub(super) struct Written {
    pub(super) listen: Option<Address>,
    pub(super) authentication: Option<Vec<Method>>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) public_url: Option<PublicUrl>,
    pub(super) allowed_origins: Option<Vec<Origin>>,
    pub(super) tls_certificate: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) behind_proxy: Option<bool>,
    pub(super) trusted_proxies: Option<Vec<Network>>,
    pub(super) websocket: Option<bool>,
}

impl Serving {
    pub(super) fn new(written: Written) -> anyhow::Result<Self> {
        let authentication = written.authentication.unwrap_or_else(|| vec![Method::Token]);
        ensure!(!authentication.is_empty(), "authentication must name at least one of token, keys, oauth, got none");
        let tls = match (written.tls_certificate, written.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            _ => bail!("tls_certificate and tls_key belong together, and one of them is not set"),
        };
        Ok(Self {
            listen: written.listen.map_or(LISTEN, |Address(address)| address),
            authentication,
            token_file: written.token_file,
            public_url: written.public_url,
            allowed_origins: written.allowed_origins.unwrap_or_default(),
            tls,
            behind_proxy: written.behind_proxy.unwrap_or(false),
            trusted_proxies: written.trusted_proxies.unwrap_or_default(),
            websocket: written.websocket.unwrap_or(false),
        })
    }

    /// Where clients find a server that listens on `address`.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.public_url.as_ref().map_or_else(|| format!("{scheme}://{address}/mcp"), ToString::to_string)
    }
}

/// `https://HOST[:PORT]/PATH`, where clients find a server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct PublicUrl {
    origin: Origin,
    path: String,
}

impl PublicUrl {
    /// What `Host` says in requests to this address.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.origin.hosts()
    }

    /// The name or IP address of the host.
    pub(crate) fn host(&self) -> &str {
        &self.origin.host
    }

    /// Whether the server is found there over TLS.
    pub(crate) const fn has_tls(&self) -> bool {
        self.origin.has_tls
    }

    /// Whether the server is found there on this machine alone.
    pub(crate) fn is_of_this_machine(&self) -> bool {
        is_this_machine(&self.origin.host)
    }

    /// The origin of pages that are found beside this address.
    pub(crate) const fn origin(&self) -> &Origin {
        &self.origin
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("expected a URL such as https://belljar.example/mcp, got {text:?}");
        let (scheme, rest) = text.split_once("://").ok_or_else(wanted)?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let origin = format!("{scheme}://{host}").parse().map_err(|_| wanted())?;
        let path: Uri = if matches!(path, "" | "/") { "/mcp" } else { path }.parse().map_err(|_| wanted())?;
        if path.query().is_some() || text.contains('#') {
            return Err(wanted());
        }
        Ok(Self { origin, path: path.path().to_owned() })
    }
}

impl TryFrom<String> for PublicUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.origin, self.path)
    }
}

/// `SCHEME://HOST[:PORT]`, as browsers say from which page a request is: without the port
/// that the scheme means.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Origin {
    /// Whether its scheme is `https`, not `http`.
    has_tls: bool,
    host: String,
    port: u16,
}

impl Origin {
    fn usual_port(&self) -> u16 {
        if self.has_tls { 443 } else { 80 }
    }

    fn hosts(&self) -> Vec<String> {
        let named = format!("{}:{}", self.host, self.port);
        if self.port == self.usual_port() { vec![self.host.clone(), named] } else { vec![named] }
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("expected an origin such as https://app.example, got {text:?}");
        let uri: Uri = text.parse().map_err(|_| wanted())?;
        let has_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wanted()),
        };
        let authority = uri.authority().ok_or_else(wanted)?;
        let is_plain = uri.path() == "/" && uri.query().is_none() && !text.ends_with('/') && !text.contains('#');
        // An authority with a user or a password in it does not begin with its host.
        let port = authority.as_str().strip_prefix(authority.host()).ok_or_else(wanted)?;
        if !is_plain || authority.host().is_empty() {
            return Err(wanted());
        }
        let mut origin = Self { has_tls, host: authority.host().to_ascii_lowercase(), port: 0 };
        origin.port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| wanted())?,
            None => origin.usual_port(),
        };
        Ok(origin)
    }
}

impl TryFrom<String> for Origin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}://{}", if self.has_tls { "https" } else { "http" }, self.host)?;
        if self.port == self.usual_port() { Ok(()) } else { write!(formatter, ":{}", self.port) }
    }
}

/// `ADDRESS` or `ADDRESS/BITS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether `address` is in this network.
    pub(crate) fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("expected an address or ADDRESS/BITS, such as 10.0.0.0/8, got {text:?}");
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address = address.parse::<IpAddr>().map_err(|_| wanted())?.to_canonical();
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wanted()))?;
        if bits > most { Err(wanted()) } else { Ok(Self { address, bits }) }
    }
}

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_says_what_hosts_and_origins_are_ours() {
        for (text, url, hosts, origin) in [
            (
                "https://a.example/mcp",
                "https://a.example/mcp",
                &["a.example", "a.example:443"][..],
                "https://a.example",
            ),
            ("https://A.example", "https://a.example/mcp", &["a.example", "a.example:443"], "https://a.example"),
            (
                "https://a.example:8443/x/mcp",
                "https://a.example:8443/x/mcp",
                &["a.example:8443"],
                "https://a.example:8443",
            ),
            ("http://[::1]:80/", "http://[::1]/mcp", &["[::1]", "[::1]:80"], "http://[::1]"),
        ] {
            let parsed: PublicUrl = text.parse().unwrap();
            assert_eq!((parsed.to_string().as_str(), parsed.origin().to_string().as_str()), (url, origin));
            assert_eq!(parsed.hosts(), hosts, "{text}");
        }
        for (text, expected) in [
            ("http://localhost/mcp", true),
            ("http://LOCALHOST:1/mcp", true),
            ("http://127.8.0.1", true),
            ("http://[::1]:80/", true),
            ("http://[::ffff:127.0.0.1]/", true),
            ("http://192.0.2.1/", false),
            ("http://localhost.example/", false),
            ("http://localhost./", false),
            ("https://belljar.example", false),
        ] {
            assert_eq!(text.parse::<PublicUrl>().unwrap().is_of_this_machine(), expected, "{text}");
        }
        for text in [
            "",
            "a.example",
            "ftp://a.example",
            "https://",
            "https://u@a.example/mcp",
            "https://a.example/?x",
            "https://a.example/#x",
            "https://a.example:/",
        ] {
            assert!(text.parse::<PublicUrl>().unwrap_err().contains("such as https://belljar.example/mcp"), "{text}");
        }
        for text in [
            "null",
            "*",
            "a.example",
            "https://a.example/",
            "https://a.example/x",
            "https://*:/",
            "https://a.example:99999",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_network_holds_its_own_addresses_alone() {
        let holds = |network: &str, address: &str| network.parse::<Network>().unwrap().holds(address.parse().unwrap());
        for (network, address, expected) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("0.0.0.0/0", "192.0.2.1", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "::1", true),
        ] {
            assert_eq!(holds(network, address), expected, "{network} {address}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "x", "10.0.0.0/", "10.0.0.0/-1", "::1/129"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
