//! What clients may take over WebSockets: bytes, memory, requests, connections.

use std::io::{ErrorKind, Write as _};
use std::time::{Duration, Instant};

use serde_json::json;
use tests::http::{HttpServer, modern};
use tests::websocket::{CONTINUATION, Came, PING, PONG, TEXT, WebSocket, frame, upgrade_with};
use tests::{Server, alone, eventually};

use crate::{ENDLESS, execute, list, request, server};

const MEBIBYTE: usize = 1 << 20;
const MESSAGE_BYTES: usize = 24 * MEBIBYTE;
const REQUESTS: usize = 128;
const STREAMS: usize = 128;
const KEEP_ALIVE: Duration = Duration::from_secs(15);
const STALL_TIME: Duration = Duration::from_secs(30);

#[test]
fn a_message_that_is_too_long_ends_the_connection_whole_or_in_fragments() {
    let _alone = alone();
    let server = server();
    let reason = "a message must be at most 25165824 bytes; `write` large files in several calls";
    let before = server.process().peak_bytes();
    // The length alone tells, before a byte of the message is there.
    for length in [MESSAGE_BYTES as u64 + 1, 1 << 40, u64::MAX >> 1] {
        let mut socket = WebSocket::to(&server);
        socket.send_bytes(&[&[0x80 | TEXT, 0xff][..], &length.to_be_bytes(), &[1, 2, 3, 4], &[0; 1000]].concat());
        assert_eq!(socket.goodbye(), (1009, reason.to_owned()));
    }
    let grown = server.process().peak_bytes().saturating_sub(before);
    assert!(grown < 16 * MEBIBYTE as u64, "{grown} bytes for nothing");
    // A client that goes on sending comes to read why.
    let mut socket = WebSocket::to(&server);
    let piece = vec![b' '; MEBIBYTE];
    socket.send_frame(TEXT, &piece);
    (0..40).for_each(|_| socket.send_frame(CONTINUATION, &piece));
    assert_eq!(socket.goodbye(), (1009, reason.to_owned()));
    let grown = server.process().peak_bytes().saturating_sub(before);
    assert!(grown < 96 * MEBIBYTE as u64, "{grown} bytes for 40 MiB");
    // The control: a message as long as may be, in fragments.
    let mut socket = WebSocket::to(&server);
    let text = list(1).to_string();
    (0..23).for_each(|n| socket.send_frame(if n == 0 { TEXT } else { CONTINUATION }, &piece));
    let rest = format!("{}{text}", " ".repeat(MEBIBYTE - text.len()));
    socket.send_frame(0x80 | CONTINUATION, rest.as_bytes());
    assert!(socket.answer(&json!(1))["result"].is_object());
}

#[test]
fn as_much_as_over_stdio_is_taken() {
    let _alone = alone();
    let server = server();
    let mut socket = WebSocket::to(&server);
    let arguments = json!({"session": "new", "path": "f", "text": "x".repeat(10 * MEBIBYTE)});
    let reply = socket.call(&request(1, "tools/call", json!({"name": "write", "arguments": arguments})));
    assert_eq!(reply.structured()["size_bytes"], 10 * MEBIBYTE);
}

/// Sends what the server takes, and says how much that was.
fn fill(socket: &WebSocket, bytes: &[u8]) -> usize {
    let mut stream = socket.socket();
    stream.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let mut stuck = 0;
    while sent < bytes.len() && stuck < 100 {
        match stream.write(&bytes[sent..]) {
            Ok(count) => (sent, stuck) = (sent + count, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                // If this gives up too early, the server had less to hold.
                std::thread::sleep(Duration::from_millis(5));
                stuck += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    stream.set_nonblocking(false).unwrap();
    sent
}

#[test]
fn messages_that_are_half_there_take_no_more_memory_than_there_is_room_for() {
    let _alone = alone();
    let server = server();
    assert_eq!(server.execute("print(1)").output(), "1\n");
    let before = server.process().peak_bytes();
    // The message comes in fragments with signs of life between them, which are no end of it.
    let mut half = Vec::new();
    for n in 0..23 {
        half.extend(frame(if n == 0 { TEXT } else { CONTINUATION }, &vec![b' '; MEBIBYTE]));
        half.extend((0..100).flat_map(|_| frame(0x80 | PONG, &[b'x'; 125])));
    }
    let sockets: Vec<_> = (0..6).map(|_| WebSocket::to(&server)).collect();
    let taken: Vec<_> = sockets.iter().map(|socket| fill(socket, &half)).collect();
    let whole = taken.iter().filter(|taken| **taken == half.len()).count();
    assert!(whole <= 2, "{taken:?}");
    let grown = server.process().peak_bytes().saturating_sub(before);
    assert!(grown < 100 * MEBIBYTE as u64, "{grown} bytes");
    // Others are served, and there is room again when these have gone.
    assert_eq!(WebSocket::to(&server).call(&execute(1, "print(2)")).output(), "2\n");
    drop(sockets);
    let mut socket = WebSocket::to(&server);
    socket.send_bytes(&half);
    socket.send_frame(0x80 | CONTINUATION, list(1).to_string().as_bytes());
    assert!(socket.answer(&json!(1))["result"].is_object());
}

#[test]
fn requests_at_once_are_bounded_and_what_ends_them_is_not() {
    let _alone = alone();
    let server = HttpServer::with(Server::with().flag("--queue=1000").flag("--websocket"));
    server.wait_until_ready();
    let (mut socket, mut other) = (WebSocket::to(&server), WebSocket::to(&server));
    for n in 1..REQUESTS {
        let socket = if n % 2 == 0 { &mut socket } else { &mut other };
        socket.send(&execute(n, ENDLESS));
    }
    // A request that is answered shows that what came before it has been let in.
    for socket in [&mut other, &mut socket] {
        assert!(socket.ask(&list("l"))["result"].is_object());
    }
    socket.send(&execute(0, ENDLESS));
    let refused = socket.ask(&list("l"));
    assert_eq!(refused["error"]["data"], json!({"reason": "too_many_requests", "retry_after_seconds": 1}));
    assert_eq!(server.post(&modern("tools/list", json!({}))).reason(), "too_many_requests", "they are the principal's");
    socket.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 0}}));
    assert!(socket.ask(&list("m"))["result"].is_object());
    drop((socket, other));
    server
        .wait_for_health("all runs to be cancelled", |health| health["runs_active"] == 0 && health["runs_queued"] == 0);
}

#[test]
fn connections_of_one_principal_are_bounded_and_none_makes_room_for_one_that_is_idle() {
    let _alone = alone();
    let server = server();
    let mut first = WebSocket::to(&server);
    let sockets: Vec<_> = (1..STREAMS).map(|_| WebSocket::to(&server)).collect();
    let request = upgrade_with(server.address(), server.token());
    let refused = server.connect().ask(&request);
    assert_eq!((refused.status, refused.reason().as_str()), (429, "too_many_streams"));
    assert_eq!(refused.field("Retry-After"), Some("1"));
    let _idle: Vec<_> = (0..1024).map(|_| server.connect()).collect();
    assert_eq!(server.get("/healthz").status, 200);
    assert!(first.ask(&list(1))["result"].is_object());
    drop(sockets);
    eventually("a place", || {
        let mut connection = server.connect();
        connection.send(&request);
        (connection.answer_head().unwrap().status == 101).then_some(())
    });
}

/// A picture of 2 MiB in base64.
const PICTURE: &str = "import base64\nhead = base64.b64decode('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ')\n\
    open('p.png', 'wb').write(head + bytes(1_500_000))";

/// Asks for a picture so many times, and reads nothing of them.
fn ask_for_pictures(socket: &mut WebSocket, count: usize) {
    let arguments = json!({"language": "python", "code": PICTURE, "session": "new"});
    let session =
        socket.call(&request("s", "tools/call", json!({"name": "execute", "arguments": arguments}))).session();
    for n in 0..count {
        let arguments = json!({"session": session, "path": "p.png"});
        socket.send(&request(n, "tools/call", json!({"name": "read", "arguments": arguments})));
    }
}

#[test]
fn a_client_that_does_not_read_has_few_answers_made_and_all_in_the_end() {
    const ANSWERS: usize = 100;
    let _alone = alone();
    let server = server();
    assert_eq!(server.execute("print(1)").output(), "1\n");
    let before = server.process().peak_bytes();
    let mut socket = WebSocket::to(&server);
    ask_for_pictures(&mut socket, ANSWERS);
    // A request that is cancelled is noticed all the same, and not answered.
    socket.send(&execute("e", ENDLESS));
    socket.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "e"}}));
    let mut last = None;
    eventually("the server to rest", || {
        std::thread::sleep(Duration::from_millis(250));
        let now = Some(server.cpu_time());
        (std::mem::replace(&mut last, now) == now).then_some(())
    });
    let grown = server.process().peak_bytes().saturating_sub(before);
    // All pictures are 200 MiB, and those that may wait are 16.
    assert!((16 * MEBIBYTE..120 * MEBIBYTE).contains(&usize::try_from(grown).unwrap()), "{grown} bytes");
    for n in 0..ANSWERS {
        let answer = socket.message();
        assert!(answer["id"].is_number() && answer["result"]["content"][1]["type"] == "image", "{n}: {}", answer["id"]);
    }
    assert!(socket.ask(&list("l"))["result"].is_object());
    assert_eq!(server.health()["runs_active"], 0, "the one that was cancelled is not there");
}

#[test]
fn a_client_that_takes_nothing_is_cut_off() {
    let server = server();
    let started = Instant::now();
    let mut socket = WebSocket::to(&server);
    socket.send(&execute("e", ENDLESS));
    let health = request("h", "tools/call", json!({"name": "health_check", "arguments": {}}));
    let active = |socket: &mut WebSocket| socket.call(&health).structured()["runs_active"].clone();
    eventually("the run to begin", || (active(&mut socket) == 1).then_some(()));
    ask_for_pictures(&mut socket, 30);
    // The unread answers keep those of the same principal waiting, until the client is given up.
    server.wait_for_health("the run to be cancelled", |health| health["runs_active"] == 0);
    assert!(started.elapsed() > STALL_TIME / 2, "{:?}", started.elapsed());
    // The answers that the client would have got are lost.
    let mut answers = 0;
    while !matches!(socket.came(), Came::End) {
        answers += 1;
    }
    assert!(answers < 30, "{answers}");
}

#[test]
fn signs_of_life_are_given_and_asked_for() {
    let server = server();
    let mut socket = WebSocket::to(&server);
    let started = Instant::now();
    socket.send_frame(0x80 | PING, b"are you there");
    assert_eq!(socket.came(), Came::Sign(PONG, b"are you there".to_vec()));
    // A flood of signs of life, of which the answers are not taken, takes no memory.
    let before = server.process().resident_bytes();
    let mut flood = WebSocket::to(&server);
    let many: Vec<u8> = (0..1000).flat_map(|_| frame(0x80 | PING, &[b'x'; 125])).collect();
    (0..100).for_each(|_| flood.send_bytes(&many));
    let grown = server.process().resident_bytes().saturating_sub(before);
    assert!(grown < 16 * MEBIBYTE as u64, "{grown} bytes for 100,000 of them");
    assert_eq!(socket.came(), Came::Sign(PING, Vec::new()));
    assert!((KEEP_ALIVE / 2..10 * KEEP_ALIVE).contains(&started.elapsed()), "{:?}", started.elapsed());
    socket.send_frame(0x80 | PONG, b"");
    assert!(socket.ask(&list(1))["result"].is_object());
}
