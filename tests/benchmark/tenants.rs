//! What a tenant takes that has a session and does nothing.

use std::time::Instant;

use serde_json::json;
use tests::Server;
use tests::http::{HttpServer, modern};

use super::figures::mebibytes;

/// How many tenants make a server warm, and then how many more come.
const FIRST: usize = 10;
const ALL: usize = 1000;

/// Prints the memory of the server for each.
pub(crate) fn measure() {
    let server = HttpServer::with(
        Server::with()
            .configured("[tenants.default]\n")
            .flag("--authentication=keys")
            .flag("--store-bytes=17179869184"),
    );
    server.wait_until_ready();
    let keys: Vec<_> =
        (0..ALL).map(|n| server.add_key(&[&format!("--tenant=t{n}"), "--scopes=sandbox:execute"])).collect();
    let started = Instant::now();
    let begin = |key: &String| {
        let arguments = json!({"language": "python", "code": "x = 1\nprint(x)", "session": "new"});
        let call = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
        let reply = server.connect().ask(&server.request_with(key, &call)).reply();
        assert_eq!(reply.output(), "1\n");
        reply.session()
    };
    let sessions: Vec<_> = keys[..FIRST].iter().map(begin).collect();
    let before = server.process().resident_bytes();
    let rest: Vec<_> = keys[FIRST..].iter().map(begin).collect();
    let took = started.elapsed() / u32::try_from(ALL).unwrap_or(u32::MAX);
    let grown = server.process().resident_bytes().saturating_sub(before);
    let each = grown as f64 / (ALL - FIRST) as f64 / 1024.0;
    println!(
        "memory of {} more tenants, each with a session: {}, {each:.1} KiB each; a first call took {took:.2?}",
        ALL - FIRST,
        mebibytes(Some(grown))
    );
    // Nobody has lost anything.
    for (key, session) in keys.iter().zip(sessions.iter().chain(&rest)).step_by(97) {
        let arguments = json!({"language": "python", "code": "print(x)", "session": session});
        let call = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
        assert_eq!(server.connect().ask(&server.request_with(key, &call)).reply().output(), "1\n");
    }
}
