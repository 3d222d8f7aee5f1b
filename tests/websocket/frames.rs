//! What is no frame of a client's, and what is no text.

use serde_json::json;
use tests::http::HttpServer;
use tests::websocket::{BINARY, CLOSE, CONTINUATION, Came, PING, PONG, TEXT, WebSocket, frame};

use crate::{ENDLESS, execute, list, server};

/// Sends these bytes and asserts the goodbye. A run that goes on ends with it.
fn assert_refused(server: &HttpServer, bytes: &[u8], code: u16, said: &str) {
    let mut socket = WebSocket::to(server);
    socket.send(&execute(1, ENDLESS));
    server.wait_for_health("the run to begin", |health| health["runs_active"] == 1);
    socket.send_bytes(bytes);
    let (got, reason) = socket.goodbye();
    assert_eq!(got, code, "{reason}");
    assert!(reason.contains(said), "{reason}");
    assert_eq!(socket.came(), Came::End);
    server.wait_for_health("the run to be cancelled", |health| health["runs_active"] == 0);
}

#[test]
fn what_breaks_the_protocol_ends_the_connection_by_its_code_and_cancels_what_goes_on() {
    let server = server();
    let text = list(1).to_string();
    let unmasked = [&[0x80 | TEXT, u8::try_from(text.len().min(100)).unwrap()], &text.as_bytes()[..100]].concat();
    let twice = [frame(TEXT, b"{"), frame(TEXT, b"}")].concat();
    for (bytes, code, said) in [
        (frame(0x80 | BINARY, text.as_bytes()), 1003, "must be a text"),
        ([frame(BINARY, b"{"), frame(0x80 | CONTINUATION, b"}")].concat(), 1003, "must be a text"),
        (frame(0x80 | TEXT, b"{\"id\":\xff}"), 1007, "UTF-8"),
        ([frame(TEXT, b"\xc3"), frame(0x80 | CONTINUATION, b"\x28")].concat(), 1007, "UTF-8"),
        // Cut off in the midst of a character, and a character that is none.
        (frame(0x80 | TEXT, b"\xc3"), 1007, "UTF-8"),
        (frame(0x80 | TEXT, b"\xed\xa0\x80"), 1007, "UTF-8"),
        (unmasked, 1002, ""),
        // Of extensions that nobody agreed on: compression would be the first.
        (frame(0xc0 | TEXT, text.as_bytes()), 1002, ""),
        (frame(0x80 | 3, b""), 1002, ""),
        (frame(0x80 | 0xb, b""), 1002, ""),
        (frame(0x80 | CONTINUATION, b"x"), 1002, ""),
        (twice, 1002, ""),
        (frame(PING, b"x"), 1002, ""),
        (frame(0x80 | PING, &[b'x'; 126]), 1002, ""),
    ] {
        assert_refused(&server, &bytes, code, said);
    }
    // The control.
    assert!(WebSocket::to(&server).ask(&list(1))["result"].is_object());
}

#[test]
fn a_message_in_fragments_is_one_and_signs_of_life_may_be_between_them() {
    let server = server();
    let mut socket = WebSocket::to(&server);
    let text = execute(1, "print('h\u{e9}llo')").to_string().into_bytes();
    let mut pieces = text.chunks(3).peekable();
    let mut kind = TEXT;
    while let Some(piece) = pieces.next() {
        let last = if pieces.peek().is_none() { 0x80 } else { 0 };
        // A character is in two frames somewhere, and some are empty.
        socket.send_bytes(&[frame(kind, b""), frame(last, piece)].concat());
        kind = CONTINUATION;
        socket.send_frame(0x80 | PING, piece);
        assert_eq!(socket.came(), Came::Sign(PONG, piece.to_vec()));
        if last == 0 {
            socket.send_frame(0x80 | PONG, b"unasked");
        }
    }
    assert_eq!(tests::Reply::of(socket.answer(&json!(1))).output(), "h\u{e9}llo\n");
}

#[test]
fn goodbyes_of_every_sort_are_answered() {
    let server = server();
    for (payload, code) in [
        (vec![], 1005),
        (1000_u16.to_be_bytes().to_vec(), 1000),
        ([&1001_u16.to_be_bytes()[..], b"tab closed"].concat(), 1001),
        // A code that nobody may send.
        (1005_u16.to_be_bytes().to_vec(), 1002),
    ] {
        let mut socket = WebSocket::to(&server);
        socket.send_frame(0x80 | CLOSE, &payload);
        assert_eq!(socket.goodbye().0, code, "{payload:?}");
        assert_eq!(socket.came(), Came::End);
    }
}
