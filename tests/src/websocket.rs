//! The raw client end of a WebSocket: frames as they are, right and wrong.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use nix::libc::linger;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::Linger;
use serde_json::{Value, json};

use crate::http::{HttpServer, Request};
use crate::{PATIENCE, Reply};

/// The kinds of frames.
pub const CONTINUATION: u8 = 0;
/// A text.
pub const TEXT: u8 = 1;
/// Bytes.
pub const BINARY: u8 = 2;
/// A goodbye.
pub const CLOSE: u8 = 8;
/// A sign of life is asked for.
pub const PING: u8 = 9;
/// A sign of life is given.
pub const PONG: u8 = 10;

/// The longest frame that the server sends.
const FRAME_BYTES: usize = 64 << 10;

/// A connection, over TCP or what else carries bytes.
#[derive(Debug)]
pub struct WebSocket<S = TcpStream> {
    stream: S,
    /// Messages that came while another was waited for.
    early: VecDeque<Value>,
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    /// A message.
    Message(Value),
    /// The server said goodbye, with a code and a reason.
    Goodbye(u16, String),
    /// It was asked for a sign of life, or gave one.
    Sign(u8, Vec<u8>),
    /// The connection is over.
    End,
}

/// A request that opens a WebSocket, with what every one needs but a token.
pub fn upgrade(address: SocketAddr) -> Request {
    Request::new("GET", "/ws", address)
        .field("Connection", "Upgrade")
        .field("Upgrade", "websocket")
        .field("Sec-WebSocket-Version", "13")
        .field("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .field("Sec-WebSocket-Protocol", "mcp")
}

/// A request that opens a WebSocket, of whoever has this token.
pub fn upgrade_with(address: SocketAddr, token: &str) -> Request {
    upgrade(address).field("Authorization", &format!("Bearer {token}"))
}

impl WebSocket {
    /// A connection of whoever has the token of a server.
    pub fn to(server: &HttpServer) -> Self {
        Self::with(server, server.token())
    }

    /// A connection of whoever has this token.
    pub fn with(server: &HttpServer, token: &str) -> Self {
        let stream = TcpStream::connect(server.address()).expect("the server listens");
        stream.set_nodelay(true).expect("a socket has options");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a deadline");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket has a deadline");
        Self::open(stream, &upgrade_with(server.address(), token))
    }

    /// The socket of the connection.
    pub const fn socket(&self) -> &TcpStream {
        &self.stream
    }

    /// Goes without a word, so that the other end is told of a reset.
    pub fn reset(self) {
        setsockopt(&self.stream, Linger, &linger { l_onoff: 1, l_linger: 0 }).expect("a socket has options");
    }
}

impl<S: Read + Write> WebSocket<S> {
    /// Opens a WebSocket on a stream.
    pub fn open(mut stream: S, request: &Request) -> Self {
        stream.write_all(&request.bytes()).expect("the server reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the server answers");
            head.extend(byte);
        }
        let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 101 "), "{head}");
        // The answer is that of the standard for the key of the standard.
        assert!(head.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        assert!(head.contains("sec-websocket-protocol: mcp\r\n"), "{head}");
        assert!(!head.contains("sec-websocket-extensions"), "{head}");
        Self { stream, early: VecDeque::new() }
    }

    /// Sends bytes as they are. A server that does not take them is no failure here.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends a frame; `first` is its first byte.
    pub fn send_frame(&mut self, first: u8, payload: &[u8]) {
        self.send_bytes(&frame(first, payload));
    }

    /// Sends a text.
    pub fn send_text(&mut self, text: &str) {
        self.send_frame(0x80 | TEXT, text.as_bytes());
    }

    /// Sends a message.
    pub fn send(&mut self, message: &Value) {
        self.send_text(&message.to_string());
    }

    /// What comes next.
    pub fn came(&mut self) -> Came {
        if let Some(message) = self.early.pop_front() {
            return Came::Message(message);
        }
        let mut text = Vec::new();
        loop {
            let Some((first, payload)) = self.frame() else { return Came::End };
            match first & 0x0f {
                TEXT | CONTINUATION => {
                    assert_eq!(first & 0x0f == TEXT, text.is_empty(), "a message goes on or begins");
                    text.extend(payload);
                    if first & 0x80 != 0 {
                        return Came::Message(serde_json::from_slice(&text).expect("a message is JSON"));
                    }
                }
                CLOSE if payload.is_empty() => return Came::Goodbye(1005, String::new()),
                CLOSE => {
                    let reason = String::from_utf8(payload[2..].to_vec()).expect("a reason is text");
                    return Came::Goodbye(u16::from_be_bytes([payload[0], payload[1]]), reason);
                }
                kind => return Came::Sign(kind, payload),
            }
        }
    }

    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut read = |bytes: usize| {
            let mut read = vec![0; bytes];
            self.stream.read_exact(&mut read).ok().map(|()| read)
        };
        let head = read(2)?;
        assert_eq!((head[0] & 0x70, head[1] & 0x80), (0, 0), "a server has no extensions and does not mask");
        let length = match head[1] {
            126 => read(2)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
            127 => read(8)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)),
            short => usize::from(short),
        };
        assert!(length <= FRAME_BYTES, "a frame of {length} bytes");
        Some((head[0], read(length)?))
    }

    /// The next message, past signs of life.
    pub fn message(&mut self) -> Value {
        loop {
            match self.came() {
                Came::Message(message) => return message,
                Came::Sign(..) => {}
                other => panic!("no message: {other:?}"),
            }
        }
    }

    /// The next goodbye, past everything else.
    pub fn goodbye(&mut self) -> (u16, String) {
        loop {
            match self.came() {
                Came::Goodbye(code, reason) => return (code, reason),
                Came::End => panic!("the connection ended without a goodbye"),
                Came::Message(_) | Came::Sign(..) => {}
            }
        }
    }

    /// The answer to the request with this id. What else comes is kept for later.
    pub fn answer(&mut self, id: &Value) -> Value {
        let is_answer = |message: &Value| message["id"] == *id && message.get("method").is_none();
        if let Some(place) = self.early.iter().position(is_answer) {
            return self.early.remove(place).unwrap_or_default();
        }
        let early = std::mem::take(&mut self.early);
        let mut others = Vec::new();
        let answer = loop {
            let message = self.message();
            if is_answer(&message) {
                break message;
            }
            others.push(message);
        };
        self.early = early.into_iter().chain(others).collect();
        answer
    }

    /// Sends a request and waits for its answer.
    pub fn ask(&mut self, message: &Value) -> Value {
        self.send(message);
        self.answer(&message["id"])
    }

    /// Calls and waits for the reply.
    pub fn call(&mut self, message: &Value) -> Reply {
        Reply::of(self.ask(message))
    }

    /// Says hello as clients of the `initialize` era do.
    pub fn hello(&mut self, version: &str) -> Value {
        let client = json!({"name": "belljar-tests", "version": "0"});
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client});
        let hello = json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": params});
        let answer = self.ask(&hello);
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        answer
    }
}

/// A frame as a client sends it, under a mask.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const MASK: [u8; 4] = [0x5a, 0x0f, 0xc3, 0x01];
    let mut frame = vec![first];
    match (payload.len(), u16::try_from(payload.len())) {
        (short @ 0..126, _) => frame.push(0x80 | u8::try_from(short).unwrap_or_default()),
        (_, Ok(length)) => {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        (length, Err(_)) => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}
