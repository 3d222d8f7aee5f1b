//! Where the server listens. What others can reach needs to know who calls, and a wire
//! that nobody reads along.

use std::net::{SocketAddr, TcpListener};

use thiserror::Error;

use crate::config::{Method, PublicUrl, Serving};
use crate::loopback::is_loopback;

/// Why the server cannot listen at an address.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    #[error(
        "listen is {0}, which others can reach: to serve them needs authentication that tells who calls. Set \
         authentication = [\"keys\"] and add keys with `belljar keys add`; with one token for everybody only addresses of \
         this machine itself are listened on, such as 127.0.0.1:7411"
    )]
    Anybody(SocketAddr),
    #[error(
        "listen is {0}, which others can reach, and without TLS everybody on the way reads the keys: give a certificate by \
         --tls-certificate and --tls-key, or put a proxy that has TLS in front and say so by --behind-proxy"
    )]
    InClear(SocketAddr),
    #[error(
        "clients find the server at {0} (public_url, or oauth.resource), which others can reach: to serve them needs \
         authentication that tells who calls. Set authentication = [\"keys\"] and add keys with `belljar keys add`; one \
         token for everybody is for addresses of this machine itself, such as http://127.0.0.1:7411/mcp"
    )]
    FoundByAnybody(PublicUrl),
    #[error(
        "clients find the server at {0} (public_url, or oauth.resource), which others can reach, and without TLS \
         everybody on the way reads the keys: it must begin with https://, with a certificate given by --tls-certificate \
         and --tls-key, or a proxy in front that has TLS"
    )]
    FoundInClear(PublicUrl),
    #[error(
        "listen is {0}, which is every address of this machine, and requests must say for which name they are: set \
         public_url to where clients find the server, such as https://belljar.example/mcp"
    )]
    Nameless(SocketAddr),
    #[error("failed to listen on {address}; another port is chosen by --listen, and a free one by --listen :0")]
    Taken { address: SocketAddr, source: std::io::Error },
}

/// Listens.
///
/// # Errors
///
/// Where others could reach it that must not, and when the address is taken.
pub(crate) fn listen(serving: &Serving) -> Result<(TcpListener, SocketAddr), ListenError> {
    let address = serving.listen;
    if !is_loopback(address.ip()) {
        if serving.authentication.contains(&Method::Token) {
            return Err(ListenError::Anybody(address));
        }
        if !serving.behind_proxy && serving.tls.is_none() {
            return Err(ListenError::InClear(address));
        }
        if address.ip().to_canonical().is_unspecified() && serving.public_url.is_none() {
            return Err(ListenError::Nameless(address));
        }
    }
    // A proxy on this machine brings what others send.
    if let Some(url) = serving.public_url.as_ref().filter(|url| !url.is_of_this_machine()) {
        if serving.authentication.contains(&Method::Token) {
            return Err(ListenError::FoundByAnybody(url.clone()));
        }
        if !url.has_tls() {
            return Err(ListenError::FoundInClear(url.clone()));
        }
    }
    let taken = |source| ListenError::Taken { address, source };
    let listener = TcpListener::bind(address).map_err(taken)?;
    listener.set_nonblocking(true).map_err(taken)?;
    let address = listener.local_addr().map_err(taken)?;
    Ok((listener, address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TlsFiles;

    fn serving(listen: &str, method: Method, behind_proxy: bool, public_url: Option<&str>) -> Serving {
        Serving {
            listen: listen.parse().unwrap(),
            authentication: vec![method],
            token_file: None,
            public_url: public_url.map(|url| url.parse().unwrap()),
            allowed_origins: Vec::new(),
            tls: None,
            behind_proxy,
            trusted_proxies: Vec::new(),
            websocket: false,
        }
    }

    #[test]
    fn what_others_can_reach_needs_keys_a_proxy_and_a_name() {
        use Method::{Keys, Token};
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0", "[fe80::1]:0"] {
            let refused = |method, proxy| listen(&serving(address, method, proxy, None)).unwrap_err();
            assert!(matches!(refused(Token, false), ListenError::Anybody(_)), "{address}");
            assert!(matches!(refused(Token, true), ListenError::Anybody(_)), "{address}");
            assert!(matches!(refused(Keys, false), ListenError::InClear(_)), "{address}");
        }
        let files = TlsFiles { certificate: "certificate".into(), key: "key".into() };
        let with_tls = Serving { tls: Some(files), ..serving("0.0.0.0:0", Keys, false, None) };
        assert!(matches!(listen(&with_tls), Err(ListenError::Nameless(_))), "TLS is as good as a proxy");
        let nameless = listen(&serving("0.0.0.0:0", Keys, true, None)).unwrap_err();
        assert!(matches!(nameless, ListenError::Nameless(_)), "{nameless}");
        listen(&serving("0.0.0.0:0", Keys, true, Some("https://belljar.example/mcp"))).unwrap();
        let found = |method, url| listen(&serving("127.0.0.1:0", method, true, Some(url)));
        for url in ["http://belljar.example/mcp", "https://belljar.example/mcp", "http://192.0.2.1/mcp"] {
            assert!(matches!(found(Token, url), Err(ListenError::FoundByAnybody(_))), "{url}");
        }
        assert!(matches!(found(Keys, "http://belljar.example/mcp"), Err(ListenError::FoundInClear(_))));
        found(Keys, "https://belljar.example/mcp").unwrap();
        for url in ["http://localhost:80/mcp", "http://127.0.0.1/mcp", "http://[::1]/mcp"] {
            found(Token, url).unwrap();
        }
        let (_listener, address) = listen(&serving("127.0.0.1:0", Token, false, None)).unwrap();
        assert_ne!(address.port(), 0);
        let again = listen(&serving(&address.to_string(), Token, false, None));
        assert!(matches!(again, Err(ListenError::Taken { .. })));
    }
}
