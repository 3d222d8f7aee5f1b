//! Does `belljar serve --websocket` speak MCP over WebSockets, under the checks of a
//! request over HTTP, and is there nothing of it without the flag?

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bounds;
mod ending;
mod frames;
mod identity;
mod opening;
mod speaking;

use serde_json::{Value, json};
use tests::Server;
use tests::http::{HttpServer, modern};

const ENDLESS: &str = "print('begun', flush=True)\nwhile True: pass";

/// A server that has WebSockets, ready for calls.
fn server() -> HttpServer {
    let server = HttpServer::with(Server::with().flag("--websocket"));
    server.wait_until_ready();
    server
}

/// A request of the newer era under this id.
fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    let mut request = modern(method, params);
    request["id"] = id.into();
    request
}

/// A run of Python that may take its time.
fn execute(id: impl Into<Value>, code: &str) -> Value {
    let arguments = json!({"language": "python", "code": code, "limits": {"wall_time_ms": 300_000}});
    request(id, "tools/call", json!({"name": "execute", "arguments": arguments}))
}

fn list(id: impl Into<Value>) -> Value {
    request(id, "tools/list", json!({}))
}
