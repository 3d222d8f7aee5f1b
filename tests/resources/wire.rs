//! A client in one of the eras over one of the transports.

use serde_json::{Value, json};
use tests::http::{HttpServer, Request, legacy, modern};
use tests::{Builder, Reply, Server};

/// Ways to speak with a server.
pub(crate) const ALL: [&str; 4] = ["stdio, initialize", "stdio, newer", "http, initialize", "http, newer"];

/// A server and one client of it.
pub(crate) enum Wire {
    Stdio { server: Server, is_modern: bool },
    Http { server: Box<HttpServer>, session: Option<String> },
}

impl Wire {
    /// A server with default settings.
    pub(crate) fn of(way: &str) -> Self {
        Self::with(way, Builder::default())
    }

    pub(crate) fn with(way: &str, builder: Builder) -> Self {
        let is_modern = way.ends_with("newer");
        if way.starts_with("stdio") {
            let builder = if is_modern { builder.without_handshake() } else { builder };
            return Self::Stdio { server: builder.start(), is_modern };
        }
        let server = Box::new(HttpServer::with(builder));
        server.wait_until_ready();
        let session = (!is_modern).then(|| hello(&server));
        Self::Http { server, session }
    }

    pub(crate) const fn is_modern(&self) -> bool {
        match self {
            Self::Stdio { is_modern, .. } => *is_modern,
            Self::Http { session, .. } => session.is_none(),
        }
    }

    /// A request over HTTP.
    pub(crate) fn request(&self, id: u64, method: &str, params: Value) -> Request {
        let Self::Http { server, session } = self else { panic!("not over HTTP") };
        match session {
            None => {
                let mut message = modern(method, params);
                message["id"] = id.into();
                server.request(&message)
            }
            Some(session) => in_session(server, session, &legacy(id, method, params)),
        }
    }

    pub(crate) fn http(&self) -> &HttpServer {
        let Self::Http { server, .. } = self else { panic!("not over HTTP") };
        server
    }

    /// Asks, and waits for the answer.
    pub(crate) fn ask(&self, method: &str, params: Value) -> Reply {
        match self {
            Self::Stdio { server, is_modern: false } => server.client.request(method, params).wait(),
            Self::Stdio { server, is_modern: true } => {
                server.client.request(method, modern(method, params)["params"].clone()).wait()
            }
            Self::Http { server, .. } => server.connect().ask(&self.request(7, method, params)).reply(),
        }
    }

    pub(crate) fn call(&self, tool: &str, arguments: Value) -> Reply {
        self.ask("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Runs Python in a session, which may be new.
    pub(crate) fn execute(&self, session: &str, code: &str) -> Reply {
        self.call("execute", json!({"language": "python", "code": code, "session": session}))
    }

    /// A new session with an empty interpreter.
    pub(crate) fn new_session(&self) -> String {
        self.execute("new", "").session()
    }

    pub(crate) fn write(&self, session: &str, path: &str, text: &str) -> Reply {
        self.call("write", json!({"session": session, "path": path, "text": text}))
    }

    pub(crate) fn read(&self, uri: &str) -> Reply {
        self.ask("resources/read", json!({"uri": uri}))
    }

    /// The only content of a resource.
    #[track_caller]
    pub(crate) fn contents(&self, uri: &str) -> Value {
        let reply = self.read(uri);
        let contents = reply.result()["contents"].as_array().expect("a resource has contents").clone();
        assert_eq!((contents.len(), &contents[0]["uri"]), (1, &json!(uri)));
        contents[0].clone()
    }

    /// The code of this era for what is not there.
    pub(crate) const fn not_found(&self) -> i64 {
        if self.is_modern() { -32602 } else { -32002 }
    }
}

fn hello(server: &HttpServer) -> String {
    let client = json!({"name": "belljar-tests", "version": "0"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    let answer = server.post(&legacy(1, "initialize", params));
    let session = answer.field("Mcp-Session-Id").expect("a session has an id").to_owned();
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.connect().ask(&in_session(server, &session, &initialized)).status, 202);
    session
}

fn in_session(server: &HttpServer, session: &str, message: &Value) -> Request {
    server.request(message).field("Mcp-Session-Id", session).field("MCP-Protocol-Version", "2025-11-25")
}
