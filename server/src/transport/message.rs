//! What is a message, and what to answer where something is none. All transports
//! bring their bytes here.

use rmcp::model::{ClientRequest, CustomRequest, ErrorCode, ErrorData, ProtocolVersion, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage};
use serde_json::Value;

use super::request_id::IdFinder;

/// The longest message that is read. Above every bound on arguments of tools
/// together, files in base64 included.
pub(super) const MAX_MESSAGE_BYTES: usize = 24 << 20;
/// The most values of JSON in one. To read one takes a hundred times its bytes; and
/// what tools take in one call is a few thousand.
pub(super) const MAX_VALUES: usize = 100_000;
/// The longest request to listen, which is in memory for as long as it is listened to.
/// It names 256 addresses, of which each may have half a KiB.
const LISTEN_BYTES: usize = 128 << 10;
/// The most values in a request to listen: one of two bytes may take hundreds in memory.
const LISTEN_VALUES: usize = 1024;
/// How much of a client's text an answer repeats.
const SHOWN_BYTES: usize = 200;

/// What is wrong with a request that rmcp knows no method of, or none with such
/// parameters. `version` is that of the protocol, where it is known.
pub(crate) fn unknown(request: &CustomRequest, version: Option<&ProtocolVersion>) -> ErrorData {
    let CustomRequest { method, params, .. } = request;
    let is_removed = version.is_some_and(|version| has_removed(version.as_str(), method));
    if is_removed || !METHODS.contains(&method.as_str()) && method.len() <= SHOWN_BYTES {
        return ErrorData::new(ErrorCode::METHOD_NOT_FOUND, method.clone(), None);
    }
    let whole = serde_json::json!({"jsonrpc": "2.0", "method": method, "params": params});
    let (code, reason) = misshapen(&whole, true);
    ErrorData::new(code, reason, None)
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
    check_size(line).map_err(Some)?;
    if let Some(refusal) = bad_cursor(line) {
        return Err(Some(refusal));
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
        return match (listens(&message), too_much_to_listen(line)) {
            (true, Some(refusal)) => Err(Some(refusal)),
            _ => Ok(message),
        };
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

/// Refuses a message with too many values, before any of them takes memory.
pub(super) fn check_size(message: &[u8]) -> Result<(), Refusal> {
    // A value takes a byte at least, and one that parts it from the next.
    let count = if message.len() <= MAX_VALUES { 0 } else { values(message) };
    if count <= MAX_VALUES {
        return Ok(());
    }
    let mut finder = IdFinder::default();
    finder.feed(message);
    let reason =
        format!("a message must have at most {MAX_VALUES} values of JSON, got {count}; send large data as text");
    Err(Refusal { id: finder.found(), code: ErrorCode::INVALID_REQUEST, reason })
}

fn listens(message: &RxJsonRpcMessage<RoleServer>) -> bool {
    match message {
        RxJsonRpcMessage::<RoleServer>::Request(request) => {
            matches!(request.request, ClientRequest::SubscriptionsListenRequest(_))
        }
        _ => false,
    }
}

/// What is wrong with a request to listen that is larger than one may be.
pub(super) fn too_much_to_listen(message: &[u8]) -> Option<Refusal> {
    let (bytes, values) = (message.len(), if message.len() > LISTEN_BYTES { 0 } else { values(message) });
    let what = if bytes > LISTEN_BYTES {
        format!("must be at most {LISTEN_BYTES} bytes, has {bytes}")
    } else if values > LISTEN_VALUES {
        format!("must be at most {LISTEN_VALUES} values of JSON, has {values}")
    } else {
        return None;
    };
    let reason = format!(
        "a request to listen {what}: it is kept for as long as its stream; subscribe to the folder of a session, which \
         stands for all that is in it"
    );
    let mut finder = IdFinder::default();
    finder.feed(message);
    Some(Refusal { id: finder.found(), code: ErrorCode::INVALID_REQUEST, reason })
}

/// How many values are in JSON, or a few more: each that is not the first of its list or
/// object has a comma before it, and each first one a bracket.
fn values(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut bytes) = (1, false, json.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => drop(bytes.next()),
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

/// What is wrong with a request for a page whose cursor is no text: rmcp takes it
/// for one without a cursor, and its client would see the first page again and again.
pub(super) fn bad_cursor(message: &[u8]) -> Option<Refusal> {
    const NAME: &[u8] = b"\"cursor\"";
    if message.len() > MAX_LIST_BYTES || !message.windows(NAME.len()).any(|word| word == NAME) {
        return None;
    }
    let value: Value = serde_json::from_slice(message).ok()?;
    let cursor = value["params"].get("cursor").filter(|cursor| !cursor.is_string() && !cursor.is_null())?;
    let is_list = value["method"].as_str().is_some_and(|method| method.ends_with("/list"));
    let id = is_list.then(|| serde_json::from_value(value["id"].clone()).ok()).flatten()?;
    let (code, reason) = wrong("params.cursor", "the nextCursor of the page before", cursor);
    Some(Refusal { id: Some(id), code, reason })
}

/// The longest request for a page that is looked at twice.
const MAX_LIST_BYTES: usize = 64 << 10;

/// Methods whose parameters rmcp knows.
const METHODS: [&str; 13] = [
    "initialize",
    "logging/setLevel",
    "completion/complete",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// Methods that the newer era has no more.
const REMOVED: [&str; 4] = ["initialize", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];

fn has_removed(version: &str, method: &str) -> bool {
    version >= ProtocolVersion::V_2026_07_28.as_str() && REMOVED.contains(&method)
}

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

/// A value of a client's, as much of it as an answer repeats.
fn shown(value: &Value) -> String {
    let mut text = value.to_string();
    text.truncate(text.floor_char_boundary(SHOWN_BYTES));
    text
}

fn wrong(field: &str, wanted: &str, value: &Value) -> (ErrorCode, String) {
    (ErrorCode::INVALID_PARAMS, format!("{field} must be {wanted}, got {}", shown(value)))
}

/// What is wrong with JSON that is no request.
fn misshapen(message: &Value, has_id: bool) -> (ErrorCode, String) {
    let invalid = |reason: String| (ErrorCode::INVALID_REQUEST, reason);
    if message.is_array() {
        return invalid("batches are no part of the protocol; send each request by itself".into());
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
    let version = params["_meta"]["io.modelcontextprotocol/protocolVersion"].as_str();
    if let (Some(version), Some(method)) = (version, message["method"].as_str())
        && has_removed(version, method)
    {
        return (ErrorCode::METHOD_NOT_FOUND, method.to_owned());
    }
    if !params.is_object() && !params.is_null() {
        return wrong("params", "an object", params);
    }
    let (method, name) = (message["method"].as_str().unwrap_or_default(), &params["name"]);
    match method {
        "tools/call" if !name.is_string() => return wrong("params.name", "the name of a tool", name),
        "prompts/get" if !name.is_string() => return wrong("params.name", "the name of a prompt", name),
        "tools/call" | "prompts/get" => {
            if let Some(arguments) = params.get("arguments").filter(|arguments| !arguments.is_object()) {
                return wrong("params.arguments", "an object", arguments);
            }
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" if !params["uri"].is_string() => {
            return wrong("params.uri", "the address of a resource", &params["uri"]);
        }
        "completion/complete" => {
            let is_known = |kind: &Value| kind == "ref/prompt" || kind == "ref/resource";
            if !is_known(&params["ref"]["type"]) {
                return wrong("params.ref", "of type ref/prompt or ref/resource", &params["ref"]);
            }
            let argument = &params["argument"];
            if !argument["name"].is_string() || !argument["value"].is_string() {
                return wrong("params.argument", "a name and a value, both text", argument);
            }
        }
        _ => {}
    }
    (ErrorCode::INVALID_PARAMS, "params do not fit the method".into())
}

#[cfg(test)]
mod tests {
    use rmcp::model::NumberOrString;

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

    #[test]
    fn values_are_counted_as_they_are_parted_and_texts_are_one_each() {
        let call = |x: &str| format!("{{\"jsonrpc\":\"2.0\",\"method\":\"a/b\",\"params\":{{\"x\":{x}}},\"id\":1}}");
        let many = |value: &str, count: usize| format!("[{}]", vec![value; count].join(","));
        assert!(parse(call(&many("0", MAX_VALUES - 100)).as_bytes()).is_ok());
        let text = format!("\"{}\"", ",[{\\\"\\\\".repeat(MAX_VALUES));
        assert!(parse(call(&text).as_bytes()).is_ok(), "it is one value");
        let count = format!("1 -32600 a message must have at most {MAX_VALUES} values of JSON, got ");
        for value in ["0", "{}", "[]", "\"\"", "\"\\\"\"", "{\"a\":\"]\"}"] {
            let said = refused(&call(&many(value, MAX_VALUES + 1)));
            assert!(said.starts_with(&count) && said.ends_with("; send large data as text"), "{value}: {said}");
        }
        let nested = format!("{}{}", "[".repeat(MAX_VALUES + 1), "]".repeat(MAX_VALUES + 1));
        assert!(refused(&call(&nested)).starts_with(&count));
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
                r#"{"jsonrpc":"2.0","id":9,"method":"resources/read","params":{"uri":["belljar://guide"]}}"#,
                "9 -32602 params.uri must be the address of a resource, got [\"belljar://guide\"]",
            ),
            (
                r#"{"jsonrpc":"2.0","id":9,"method":"resources/list","params":{"cursor":7}}"#,
                "9 -32602 params.cursor must be the nextCursor of the page before, got 7",
            ),
            (
                r#"{"jsonrpc":"2.0","id":9,"method":"completion/complete","params":{"ref":{"type":"ref/tool"}}}"#,
                "9 -32602 params.ref must be of type ref/prompt or ref/resource, got {",
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
            (
                r#"{"jsonrpc":"2.0","id":10,"method":"resources/subscribe","params":{}}"#,
                "10 -32602 params.uri must be the address of a resource, got null",
            ),
            (
                r#"{"jsonrpc":"2.0","id":11,"method":"resources/subscribe","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
                "11 -32601 resources/subscribe",
            ),
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
