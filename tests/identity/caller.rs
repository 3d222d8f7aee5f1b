//! A server with keys, and whoever has one.

use serde_json::{Value, json};
use tests::http::{Answer, HttpServer, Request, legacy, modern};
use tests::{Reply, Server};

/// The configuration of two tenants, and any other.
pub(crate) const TENANTS: &str = "[tenants.default]\nruns = 4\n[tenants.one]\n[tenants.two]\n";

/// A server with keys and this configuration.
pub(crate) fn server(configuration: &str) -> HttpServer {
    let server = HttpServer::with(Server::with().configured(configuration).flag("--authentication=keys"));
    server.wait_until_ready();
    server
}

/// A caller who has a key.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) server: &'a HttpServer,
    pub(crate) key: &'a str,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(server: &'a HttpServer, key: &'a str) -> Self {
        Self { server, key }
    }

    pub(crate) fn request(&self, message: &Value) -> Request {
        self.server.request_with(self.key, message)
    }

    pub(crate) fn ask(&self, message: &Value) -> Answer {
        self.server.connect().ask(&self.request(message))
    }

    /// Calls a tool in the newer era.
    pub(crate) fn tool(&self, name: &str, arguments: Value) -> Answer {
        self.ask(&tool(name, arguments))
    }

    pub(crate) fn execute(&self, code: &str) -> Reply {
        self.tool("execute", json!({"language": "python", "code": code})).reply()
    }

    pub(crate) fn execute_in(&self, session: &str, code: &str) -> Reply {
        self.tool("execute", json!({"language": "python", "code": code, "session": session})).reply()
    }

    pub(crate) fn health(&self) -> Value {
        self.tool("health_check", json!({})).reply().structured().clone()
    }

    /// A session of the `initialize` era.
    pub(crate) fn hello(&self) -> String {
        let client = json!({"name": "belljar-tests", "version": "0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        let answer = self.ask(&legacy(1, "initialize", params));
        assert_eq!(answer.status, 200, "{answer:?}");
        let session = answer.field("Mcp-Session-Id").unwrap().to_owned();
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        assert_eq!(self.server.connect().ask(&self.in_session(&session, &initialized)).status, 202);
        session
    }

    /// A request in a session of the `initialize` era.
    pub(crate) fn in_session(&self, session: &str, message: &Value) -> Request {
        self.request(message).field("Mcp-Session-Id", session).field("MCP-Protocol-Version", "2025-11-25")
    }
}

/// A call of a tool in the newer era.
pub(crate) fn tool(name: &str, arguments: Value) -> Value {
    modern("tools/call", json!({"name": name, "arguments": arguments}))
}
