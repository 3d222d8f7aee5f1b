//! JSON-RPC messages, one a line. Whatever a client sends under an id is
//! answered by that id, also where it is no message: rmcp's own transport skips
//! such a line, and its sender would wait for ever.

use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use rmcp::model::{ClientNotification, ClientRequest, ErrorCode, ErrorData, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, Empty};
use tokio_util::sync::CancellationToken;

use super::request_id::IdFinder;
use super::unsent::Unsent;

/// The longest line that is read. Above every bound on arguments of tools
/// together, files in base64 included.
const MAX_LINE_BYTES: usize = 24 << 20;
/// No more is read while requests of so many bytes wait.
const MAX_HELD_BYTES: usize = MAX_LINE_BYTES;
/// How much of a client's text an answer repeats.
const SHOWN_BYTES: usize = 200;

type Sending = Pin<Box<dyn Future<Output = std::io::Result<()>> + Send>>;

/// A connection over two streams of bytes.
pub(crate) struct Lines<R, W: AsyncWrite> {
    reader: BufReader<R>,
    line: Vec<u8>,
    /// Looks for the id of a line that is too long to be kept.
    too_long: Option<IdFinder>,
    /// Sends; it reads from nothing.
    output: AsyncRwTransport<RoleServer, Empty, W>,
    /// An answer that is on its way. Kept here because `receive` is dropped
    /// whenever something else is ready first.
    sending: Option<Sending>,
    /// Cancelled when the client has closed its end.
    ended: CancellationToken,
    unsent: Arc<Unsent>,
    /// Requests that wait until the client has read more, with the lengths of
    /// their lines.
    held: VecDeque<(RxJsonRpcMessage<RoleServer>, usize)>,
    /// Requests that were handed on and not answered yet.
    asked: HashSet<RequestId>,
    /// Whether the client has closed its end.
    is_over: bool,
}

impl<R: AsyncRead + Unpin + Send, W: AsyncWrite + Unpin + Send + 'static> Lines<R, W> {
    pub(crate) fn new(reader: R, writer: W, ended: CancellationToken, unsent: Arc<Unsent>) -> Self {
        let output = AsyncRwTransport::new_server(tokio::io::empty(), writer);
        Self {
            reader: BufReader::new(reader),
            line: Vec::new(),
            too_long: None,
            output,
            sending: None,
            ended,
            unsent,
            held: VecDeque::new(),
            asked: HashSet::new(),
            is_over: false,
        }
    }

    /// Reads until the end of a line, which is in `line` then, unless it was too
    /// long. `None` at the end of input.
    async fn read_line(&mut self) -> Option<Result<(), IdFinder>> {
        loop {
            let available = match self.reader.fill_buf().await {
                Ok([]) => return None,
                Ok(available) => available,
                Err(error) => {
                    tracing::error!(%error, "standard input cannot be read");
                    return None;
                }
            };
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            let piece = &available[..end.unwrap_or(available.len())];
            match &mut self.too_long {
                Some(finder) => finder.feed(piece),
                None if self.line.len() + piece.len() > MAX_LINE_BYTES => {
                    let mut finder = IdFinder::default();
                    finder.feed(&self.line);
                    finder.feed(piece);
                    self.line = Vec::new();
                    self.too_long = Some(finder);
                }
                None => self.line.extend_from_slice(piece),
            }
            // Nothing is awaited between taking and consuming.
            self.reader.consume(taken);
            if end.is_some() {
                return Some(self.too_long.take().map_or(Ok(()), Err));
            }
        }
    }

    /// Holds a request back while the client does not read, and forgets one that it
    /// cancels. Gives back what need not wait.
    fn hold(&mut self, message: RxJsonRpcMessage<RoleServer>, bytes: usize) -> Option<RxJsonRpcMessage<RoleServer>> {
        match &message {
            RxJsonRpcMessage::<RoleServer>::Request(_) if !self.held.is_empty() || !self.unsent.has_room() => {
                self.held.push_back((message, bytes));
                None
            }
            RxJsonRpcMessage::<RoleServer>::Notification(notification) => {
                if let ClientNotification::CancelledNotification(cancelled) = &notification.notification {
                    let id = cancelled.params.request_id.as_ref();
                    // One that was cancelled is not answered.
                    self.asked.retain(|asked| Some(asked) != id);
                    self.held.retain(|(held, _)| match held {
                        RxJsonRpcMessage::<RoleServer>::Request(request) => Some(&request.id) != id,
                        _ => true,
                    });
                }
                Some(message)
            }
            _ => Some(message),
        }
    }

    /// Remembers that a request is to be answered.
    fn asks(&mut self, message: RxJsonRpcMessage<RoleServer>) -> RxJsonRpcMessage<RoleServer> {
        if let RxJsonRpcMessage::<RoleServer>::Request(request) = &message {
            self.asked.insert(request.id.clone());
        }
        message
    }

    fn answer(&mut self, id: Option<RequestId>, code: ErrorCode, message: String) {
        tracing::debug!(message, "a line was refused");
        let response = TxJsonRpcMessage::<RoleServer>::error(ErrorData::new(code, message, None), id);
        self.sending = Some(Box::pin(self.output.send(response)));
    }
}

impl<R: AsyncRead + Unpin + Send + 'static, W: AsyncWrite + Unpin + Send + 'static> Transport<RoleServer>
    for Lines<R, W>
{
    type Error = std::io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        match &item {
            TxJsonRpcMessage::<RoleServer>::Response(response) => {
                self.asked.remove(&response.id);
            }
            TxJsonRpcMessage::<RoleServer>::Error(error) => self.asked.retain(|asked| Some(asked) != error.id.as_ref()),
            _ => {}
        }
        let on_its_way = self.unsent.begin(&item);
        let sending = self.output.send(item);
        async move {
            let sent = sending.await;
            drop(on_its_way);
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            if let Some(sending) = &mut self.sending {
                let sent = sending.await;
                self.sending = None;
                sent.ok()?;
            }
            if self.held.is_empty() && self.is_over {
                // rmcp holds what is answered after the end in memory, and waits for a
                // reader for five seconds. So it is told of the end when all is sent.
                if !self.asked.is_empty() {
                    return std::future::pending().await;
                }
                self.unsent.gone().await;
                return None;
            }
            // While requests wait, what ends them is read on: a cancellation, or
            // the end of input.
            let held_bytes = self.held.iter().map(|(_, bytes)| bytes).sum::<usize>();
            let (is_held, reads) = (held_bytes > 0, !self.is_over && held_bytes < MAX_HELD_BYTES);
            let unsent = Arc::clone(&self.unsent);
            let line = tokio::select! {
                biased;
                () = unsent.room(), if is_held => match self.held.pop_front() {
                    Some((message, _)) => return Some(self.asks(message)),
                    None => continue,
                },
                line = self.read_line(), if reads => line,
            };
            match line {
                None => {
                    self.ended.cancel();
                    self.is_over = true;
                }
                Some(Err(finder)) => {
                    tracing::error!(limit = MAX_LINE_BYTES, "a line is too long; it is skipped");
                    if let Some(id) = finder.found() {
                        let id = Some(id);
                        let message = format!(
                            "a request must be at most {MAX_LINE_BYTES} bytes; `write` large files in several calls"
                        );
                        self.answer(id, ErrorCode::INVALID_REQUEST, message);
                    }
                }
                Some(Ok(())) => {
                    let line = std::mem::take(&mut self.line);
                    let (parsed, bytes) = (parse(&line), line.len());
                    // Its room serves again, unless it was an exception.
                    self.line = line;
                    self.line.clear();
                    self.line.shrink_to(64 << 10);
                    match parsed {
                        Ok(message) => {
                            if let Some(message) = self.hold(message, bytes) {
                                return Some(self.asks(message));
                            }
                        }
                        Err(None) => {}
                        Err(Some(Refusal { id, code, reason })) => self.answer(id, code, reason),
                    }
                }
            }
        }
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.output.close().await
    }
}

/// Why a line is no message, for the request that it was to be.
#[derive(Debug)]
pub(super) struct Refusal {
    /// `None` for one that no answer can name.
    pub(super) id: Option<RequestId>,
    pub(super) code: ErrorCode,
    pub(super) reason: String,
}

/// The message of a line. An error without a refusal is a line that asks for no
/// answer: nothing, a notification, an answer of the client's own, or what has
/// no id.
pub(super) fn parse(line: &[u8]) -> Result<RxJsonRpcMessage<RoleServer>, Option<Refusal>> {
    // RFC 8259, section 8.1: a parser may ignore a byte order mark.
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Err(None);
    }
    let is_whole = |message: &RxJsonRpcMessage<RoleServer>| match message {
        // rmcp takes a request with other parameters than its method has for
        // one of a method that it does not know.
        RxJsonRpcMessage::<RoleServer>::Request(request) => match &request.request {
            ClientRequest::CustomRequest(custom) => {
                !METHODS.contains(&custom.method.as_str()) && custom.method.len() <= SHOWN_BYTES
            }
            _ => true,
        },
        _ => true,
    };
    if let Ok(message) = serde_json::from_slice::<RxJsonRpcMessage<RoleServer>>(line)
        && is_whole(&message)
    {
        return Ok(message);
    }
    let value = match serde_json::from_slice::<Value>(line) {
        Ok(value) => value,
        Err(error) => {
            let mut finder = IdFinder::default();
            finder.feed(line);
            let is_request = finder.has_method();
            return match finder.found() {
                // An answer to what is no message could go round in circles.
                None if !is_request => Err(None),
                id => Err(Some(Refusal { id, code: ErrorCode::PARSE_ERROR, reason: not_json(line, &error) })),
            };
        }
    };
    let id = value.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
    let is_answer = value.get("method").is_none() && (value.get("result").is_some() || value.get("error").is_some());
    let asks = value.get("id").is_some() || value.is_array();
    if !asks || is_answer {
        return Err(None);
    }
    let (code, reason) = misshapen(&value, id.is_some());
    Err(Some(Refusal { id, code, reason }))
}

/// Methods whose parameters rmcp knows.
const METHODS: [&str; 8] = [
    "initialize",
    "logging/setLevel",
    "completion/complete",
    "prompts/get",
    "resources/read",
    "resources/subscribe",
    "tools/call",
    "tools/list",
];

/// What is wrong with a line that cannot be parsed, and what to do about it.
fn not_json(line: &[u8], error: &serde_json::Error) -> String {
    if let Err(error) = std::str::from_utf8(line) {
        let at = error.valid_up_to();
        return format!(
            "the request is not UTF-8: byte {at} is 0x{:02x}; encode text as UTF-8, and send other bytes as base64",
            line[at]
        );
    }
    let reason = error.to_string();
    let next = if reason.contains("surrogate") || reason.contains("hex escape") {
        "; a character past U+FFFF is an escape of two halves, and half a character is no text: send other bytes as base64"
    } else if reason.contains("recursion limit") {
        "; values may nest 128 deep"
    } else if reason.contains("number out of range") || line.windows(3).any(|word| word == b"NaN") {
        "; JSON has no infinite numbers and no NaN"
    } else {
        ""
    };
    format!("the request is not JSON: {reason}{next}")
}

/// What is wrong with JSON that is no request.
fn misshapen(message: &Value, has_id: bool) -> (ErrorCode, String) {
    let shown = |value: &Value| {
        let mut text = value.to_string();
        text.truncate(text.floor_char_boundary(SHOWN_BYTES));
        text
    };
    let invalid = |reason: String| (ErrorCode::INVALID_REQUEST, reason);
    if message.is_array() {
        return invalid("batches are no part of the protocol; send each request on a line of its own".into());
    }
    if !has_id {
        return invalid(format!("id must be a string or a whole number, got {}", shown(&message["id"])));
    }
    if message.get("jsonrpc").is_none_or(|version| version != "2.0") {
        return invalid("a request must have \"jsonrpc\": \"2.0\"".into());
    }
    match message.get("method") {
        None => return invalid("a request must have a method".into()),
        Some(Value::String(method)) if method.len() <= SHOWN_BYTES => {}
        Some(other) => {
            return invalid(format!("method must be a string of at most {SHOWN_BYTES} bytes, got {}", shown(other)));
        }
    }
    let params = &message["params"];
    let wrong = |field: &str, wanted: &str, value: &Value| {
        (ErrorCode::INVALID_PARAMS, format!("{field} must be {wanted}, got {}", shown(value)))
    };
    if !params.is_object() && !params.is_null() {
        return wrong("params", "an object", params);
    }
    if message["method"] == "tools/call" {
        if !params["name"].is_string() {
            return wrong("params.name", "the name of a tool", &params["name"]);
        }
        if let Some(arguments) = params.get("arguments").filter(|arguments| !arguments.is_object()) {
            return wrong("params.arguments", "an object", arguments);
        }
    }
    (ErrorCode::INVALID_PARAMS, "params do not fit the method".into())
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use rmcp::model::NumberOrString;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    fn refused(line: &str) -> String {
        match parse(line.as_bytes()) {
            Err(Some(Refusal { id: Some(NumberOrString::Number(id)), code, reason })) => {
                format!("{id} {} {reason}", code.0)
            }
            Err(Some(Refusal { code, reason, .. })) => format!("null {} {reason}", code.0),
            Err(None) => "nothing".into(),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[tokio::test]
    async fn while_a_client_does_not_read_requests_wait_and_what_ends_them_does_not() {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let (ended, unsent) = (CancellationToken::new(), Unsent::new());
        let mut lines = Lines::new(server, tokio::io::sink(), ended.clone(), Arc::clone(&unsent));
        let ping = |id: u32| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"ping\"}}\n");
        let id = |message: Option<RxJsonRpcMessage<RoleServer>>| match message {
            Some(RxJsonRpcMessage::<RoleServer>::Request(request)) => request.id.to_string(),
            other => panic!("{other:?}"),
        };
        // The control: what is read is handed on.
        client.write_all(ping(1).as_bytes()).await.unwrap();
        assert_eq!(id(lines.receive().await), "1");
        let on_its_way = unsent.begin(&"x".repeat(17 << 20));
        let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{\"requestId\":3}}\n";
        client.write_all((ping(2) + &ping(3) + &ping(4) + cancel).as_bytes()).await.unwrap();
        drop(client);
        let cancelled = lines.receive().await;
        assert!(matches!(cancelled, Some(RxJsonRpcMessage::<RoleServer>::Notification(_))), "{cancelled:?}");
        assert!(lines.receive().now_or_never().is_none() && ended.is_cancelled());
        drop(on_its_way);
        assert_eq!((id(lines.receive().await), id(lines.receive().await)), ("2".into(), "4".into()));
        // The end is told when all are answered.
        for id in [1, 2, 4] {
            assert!(lines.receive().now_or_never().is_none());
            let id = Some(RequestId::Number(id));
            let answer = TxJsonRpcMessage::<RoleServer>::error(ErrorData::internal_error("x", None), id);
            lines.send(answer).await.unwrap();
        }
        assert!(lines.receive().await.is_none());
    }

    #[test]
    fn what_is_no_request_is_answered_by_its_id() {
        for (line, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"x\ud83d"}"#, "1 -32700 the request is not JSON: "),
            (r#"{"jsonrpc":"2.0","method":"ping","id":2"#, "2 -32700 the request is not JSON: EOF"),
            (r#"{"jsonrpc":"2.0","id":3,"method":"a/b","params":{"n":1e999}}"#, "3 -32700"),
            (r#"{"jsonrpc":"2.0","id":4,"method":"a/b","params":{"n":NaN}}"#, "4 -32700"),
            (r#"{"jsonrpc":"1.0","id":5,"method":"ping"}"#, "5 -32600 a request must have \"jsonrpc\""),
            (r#"{"jsonrpc":"2.0","id":6,"method":7}"#, "6 -32600 method must be a string of at most 200 bytes, got 7"),
            (r#"{"jsonrpc":"2.0","id":7}"#, "7 -32600 a request must have a method"),
            (r#"{"jsonrpc":"2.0","id":8,"error":5}"#, "nothing"),
            (r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":5}}"#, "9 -32602 params.name must be"),
            (
                r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"x","arguments":[1]}}"#,
                "9 -32602 params.arguments must be an object, got [1]",
            ),
            (
                r#"{"jsonrpc":"2.0","id":9,"method":"tools/call"}"#,
                "9 -32602 params.name must be the name of a tool, got null",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
                "null -32600 id must be a string or a whole number, got 1.5",
            ),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "null -32600 id must be"),
            (r#"{"jsonrpc":"2.0","method":"notifications/odd","params":7}"#, "nothing"),
            (r#"{"jsonrpc":"2.0","\u0069d":27,"method":5}"#, "27 -32600 method must be"),
            (r#"{"jsonrpc":"2.0","id":28,"method":5,"result":null}"#, "28 -32600 method must be"),
            (r#"{"jsonrpc":"2.0","id":"\ud83d","method":"ping"}"#, "null -32700 the request is not JSON"),
            ("{\"jsonrpc\":\"2.0\",\"method\":\"ping", "nothing"),
            ("[1]", "null -32600 batches are no part"),
            ("   ", "nothing"),
        ] {
            let said = refused(line);
            assert!(said.starts_with(expected), "{line}: {said}");
        }
        let bytes = parse(b"{\"id\":9,\"method\":\"\xff\"}").unwrap_err().unwrap();
        assert!(bytes.reason.contains("byte 18 is 0xff"), "{}", bytes.reason);
    }
}
