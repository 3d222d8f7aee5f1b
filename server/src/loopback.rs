//! Whether an address or a name is this machine's own, so that what is sent there goes
//! over no network.

use std::net::IpAddr;

/// Whether packets to it stay on this machine.
pub(crate) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether a host, as it stands in an address, is this machine: `localhost` in any
/// letters, or an address of it, in brackets if that has any.
pub(crate) fn is_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(is_loopback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_of_this_machine_are_told_from_others() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.8.9.10", "::1", "[::1]", "::ffff:127.0.0.1"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["localhost.example", "0.0.0.0", "10.0.0.1", "::", "::ffff:10.0.0.1", "127.0.0.1.example", ""] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
