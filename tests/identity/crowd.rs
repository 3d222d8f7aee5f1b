//! Many connections: does anybody have so many that nobody else gets one?

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use tests::Server;
use tests::http::{Connection, HttpServer, Request, modern};

use crate::caller::{Caller, TENANTS, tool};

/// Open files of the server: it has half as many connections, and a principal a quarter
/// of those.
const DESCRIPTORS: usize = 160;
const CONNECTIONS: usize = DESCRIPTORS / 2;
const OF_ONE: usize = CONNECTIONS / 4;

/// A server with few connections, and keys of two tenants.
fn small_server(directory: &Path) -> (HttpServer, [String; 2]) {
    let program = directory.join("belljar");
    let text = format!("#!/bin/sh\nulimit -n {DESCRIPTORS}\nexec '{}' \"$@\"\n", tests::binary().display());
    std::fs::write(&program, text).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let builder = Server::with().binary(program).configured(&(origins() + TENANTS));
    let server = HttpServer::with(builder.flag("--authentication=keys").flag("--log=warn"));
    server.wait_until_ready();
    let key = |tenant: &str| server.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]);
    let keys = [key("one"), key("two")];
    (server, keys)
}

/// Pages that may send requests: whoever says that it is another page is told all of them.
fn origins() -> String {
    let all: Vec<_> = (0..200).map(|n| format!("\"https://{n}.{}.example\"", "x".repeat(60))).collect();
    format!("allowed_origins = [{}]\n", all.join(", "))
}

#[test]
fn nobody_has_all_connections_by_leaving_refusals_unread() {
    let directory = tempfile::tempdir().unwrap();
    let (server, [one, two]) = small_server(directory.path());
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    // A connection that was admitted is kept.
    let admitted: Vec<Connection> = (0..OF_ONE).map(|_| listen(&one)).collect();
    // Some 7 MB of answers on each connection, and the kernel takes less.
    let refused = Request::post(server.address(), b"").field("Origin", "https://evil.example").bytes().repeat(400);
    let mut pinned: Vec<_> = (0..CONNECTIONS).map(|_| server.connect()).collect();
    pinned.iter_mut().for_each(|connection| connection.send_bytes(&refused));
    let (mut last, mut still) = (server.cpu_time(), 0);
    tests::eventually("the server to have written what it can", || {
        let now = server.cpu_time();
        still = if now == last { still + 1 } else { 0 };
        last = now;
        (still == 30).then_some(())
    });
    for _ in 0..20 {
        assert_eq!(two.execute("print(1)").output(), "1\n");
        assert_eq!(server.get("/readyz").status, 200);
    }
    assert!(admitted.iter().all(|connection| !connection.is_over()), "what was admitted stays");
    drop(pinned);
}

/// A connection with a stream that waits for what changes.
fn listen(caller: &Caller<'_>) -> Connection {
    let mut connection = caller.server.connect();
    connection.send(&caller.request(&modern("subscriptions/listen", json!({"notifications": {}}))));
    let answer = connection.answer_head().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    connection
}

#[test]
fn requests_and_streams_of_one_principal_have_a_quarter_of_all_connections() {
    let directory = tempfile::tempdir().unwrap();
    let (server, [one, two]) = small_server(directory.path());
    let (one, two) = (Caller::new(&server, &one), Caller::new(&server, &two));
    let session = one.hello();
    let stream = one.in_session(&session, &json!({})).line("GET /mcp HTTP/1.1").field("Content-Length", "0");
    let mut waits = server.connect();
    waits.send(&stream);
    assert_eq!(waits.answer_head().unwrap().status, 200);
    let endless = one.request(&tool("execute", json!({"language": "python", "code": "while True: pass"})));
    let mut runs = server.connect();
    runs.send(&endless);
    tests::eventually("the run to begin", || (one.health()["runs_active"] == 1).then_some(()));
    let mut listens: Vec<_> = (0..OF_ONE - 2).map(|_| listen(&one)).collect();
    for request in [&stream, &endless, &one.request(&modern("subscriptions/listen", json!({"notifications": {}})))] {
        let refused = server.connect().ask(request);
        assert_eq!((refused.status, refused.reason().as_str()), (429, "too_many_connections"));
        assert!(refused.body.contains(&format!("on {OF_ONE} connections")), "{refused:?}");
        assert_eq!(refused.field("Retry-After"), Some("1"));
    }
    assert_eq!(two.execute("print(1)").output(), "1\n");
    // A stream that has gone makes room for another.
    listens.pop();
    tests::eventually("room for a connection", || {
        let answer = one.ask(&modern("tools/list", json!({})));
        (answer.status == 200).then_some(())
    });
}

#[test]
fn nobody_fills_the_log() {
    let server = crate::caller::server("log = \"info\"\n");
    let nobody = Request::post(server.address(), b"");
    let mut connection = server.connect();
    for _ in 0..1000 {
        assert_eq!(connection.ask(&nobody).status, 401);
    }
    let lines = || server.log().matches("nobody who is known").count();
    tests::eventually("a refusal to be logged", || (lines() > 0).then_some(()));
    // The log has two lines if a minute ended meanwhile.
    assert!(lines() <= 2, "{}", server.log());
}

#[test]
fn bodies_that_do_not_come_keep_none_out_that_does() {
    let _alone = tests::alone();
    let server = crate::caller::server("[tenants.default]\n");
    let key = |n: usize| server.add_key(&[&format!("--tenant=t{n}"), "--scopes=sandbox:execute"]);
    // Each body might be as long as one may be, and all of them together longer than
    // the server has room for.
    let begun = (0..11).map(key).flat_map(|key| [key.clone(), key]).map(|key| {
        let request = Caller::new(&server, &key).request(&json!({}));
        let request =
            request.without("Content-Length").field("Transfer-Encoding", "chunked").field("Expect", "100-continue");
        let mut connection = server.connect();
        connection.send_bytes(&request.head());
        // The server says so when it has room for the body.
        assert_eq!(connection.answer_head().unwrap().status, 100);
        connection.send_bytes(b"1\r\n \r\n");
        connection
    });
    let begun: Vec<_> = begun.collect();
    let key = key(11);
    let caller = Caller::new(&server, &key);
    let text = "x".repeat(8 << 20);
    let written = caller.tool("write", json!({"session": "new", "path": "f", "text": text}));
    assert_eq!(written.status, 200, "{}", written.body);
    assert_eq!(written.reply().structured()["size_bytes"], text.len());
    for mut connection in begun {
        connection.send_bytes(b"0\r\n\r\n");
        assert_eq!(connection.answer().reason(), "no_message", "it had not been given up");
    }
}
