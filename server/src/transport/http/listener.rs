//! Where the server listens. Without knowing who calls, that is this machine alone:
//! a token that travels in clear is no protection on a network.

use std::net::{SocketAddr, TcpListener};

use thiserror::Error;

/// Why it cannot listen there.
#[derive(Debug, Error)]
pub(crate) enum ListenError {
    #[error(
        "listen is {0}, which others can reach: to serve them needs authentication and TLS, which come later. Until \
         then only addresses of this machine itself are listened on, such as 127.0.0.1:7411"
    )]
    NotLoopback(SocketAddr),
    #[error("failed to listen on {address}; another port is chosen by --listen, and a free one by --listen :0")]
    Taken { address: SocketAddr, source: std::io::Error },
}

/// Listens on an address of this machine.
///
/// # Errors
///
/// When it is another, or is taken.
pub(crate) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    if !address.ip().to_canonical().is_loopback() {
        return Err(ListenError::NotLoopback(address));
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

    #[test]
    fn only_addresses_of_this_machine_are_listened_on() {
        for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[::ffff:192.0.2.1]:0", "[fe80::1]:0"] {
            let refused = listen(address.parse().unwrap()).unwrap_err();
            assert!(matches!(refused, ListenError::NotLoopback(_)), "{refused}");
        }
        let (_listener, address) = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(address.port(), 0);
        assert!(matches!(listen(address), Err(ListenError::Taken { .. })));
    }
}
