//! What `tests/fuzz` gives to the connection: lines as a client may send them.

#![expect(clippy::expect_used, reason = "what cannot go on here is a finding")]

use std::io::Cursor;

use rmcp::model::{ErrorData, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, TxJsonRpcMessage};
use rmcp::transport::Transport as _;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::conversation::Conversation;
use super::lines::Lines;
use super::message::{Refusal, parse};
use super::request_id::IdFinder;
use super::unsent::Unsent;

/// The longest reason of a refusal: it repeats a little of what was sent.
const REASON_BYTES: usize = 2000;

/// Messages of both eras, and what is none.
pub fn lines_seeds() -> Vec<Vec<u8>> {
    [
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","id":"a","method":"tools/list","params":{"_meta":{"progressToken":7}}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"execute","arguments":{"language":"python","code":"1"}}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"server/discover","params":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3,"reason":"late"}}"#,
        r#"{"jsonrpc":"2.0","id":5,"method":"x\ud83d"}"#,
        r#"{"jsonrpc":"2.0","\u0069d":6,"method":5}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":8,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":9,"method":"ping","params":{"n":1e999}}"#,
        "[1]\n\n{\"id\":{\"id\":2}}\n",
        "{\"jsonrpc\":\"2.0\",\"id\":10,\"method\":\"ping",
    ]
    .map(|line| line.as_bytes().to_vec())
    .to_vec()
}

/// Lines, each by itself and all as a connection: a request is taken or answered
/// by its id.
pub fn lines(data: &[u8]) {
    for line in data.split(|byte| *byte == b'\n') {
        let parsed = parse(line);
        if let Err(Some(Refusal { reason, .. })) = &parsed {
            assert!(reason.len() <= REASON_BYTES, "a refusal repeats too much of what was sent");
        }
        let whole = found(line, line.len().max(1));
        assert_eq!(found(line, 1), whole, "where a line is cut decides about its id");
        // Members of one name, and names in escapes, are for each parser to choose from.
        let once = line.windows(4).filter(|word| word == b"\"id\"").count() == 1 && !line.contains(&b'\\');
        let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(line) else { continue };
        let id = object.get("id").and_then(|id| serde_json::from_value::<RequestId>(id.clone()).ok());
        let Some(id) = id.filter(|_| once) else { continue };
        assert_eq!(whole.as_ref(), Some(&id), "the id of a line that is too long would be another");
        if !object.contains_key("method") {
            continue;
        }
        match parsed {
            Ok(JsonRpcMessage::Request(request)) => assert_eq!(request.id, id),
            Err(Some(refusal)) => assert_eq!(refusal.id, Some(id)),
            // An answer to something, with a method all the same.
            Ok(_) | Err(None) if object.contains_key("result") || object.contains_key("error") => {}
            other => assert!(object.get("method").is_some_and(|method| !method.is_string()) || other.is_ok()),
        }
    }
    connection(data);
}

fn found(line: &[u8], size: usize) -> Option<RequestId> {
    let mut finder = IdFinder::default();
    line.chunks(size).for_each(|piece| finder.feed(piece));
    finder.found()
}

/// A connection that sends these bytes and ends: there are no more messages than
/// lines, and it is over.
fn connection(data: &[u8]) {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime =
            tokio::runtime::Builder::new_current_thread().build().expect("it can be made");
    }
    let (input, ended) = (Cursor::new(data.to_vec()), CancellationToken::new());
    let wire = Lines::new(input, tokio::io::sink());
    let mut lines = Conversation::over(wire, ended.clone(), Unsent::new());
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let mut messages = 0;
            while let Some(message) = lines.receive().await {
                messages += 1;
                // The end is told once what was asked is answered.
                if let JsonRpcMessage::Request(request) = message {
                    let answer = ErrorData::internal_error("answered", None);
                    let sent = lines.send(TxJsonRpcMessage::<RoleServer>::error(answer, Some(request.id))).await;
                    sent.expect("nothing is in the way");
                }
            }
            assert!(messages <= data.iter().filter(|byte| **byte == b'\n').count(), "a message is half a line");
        });
    });
    assert!(ended.is_cancelled(), "the end was not noticed");
}
