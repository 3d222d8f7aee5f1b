//! A server for clients, with one sort of credential.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use tests::http::HttpServer;
use tests::{Server, free_address};

use crate::clients::Installation;
use crate::trial::Target;

/// The sorts of credentials.
pub(crate) const CREDENTIALS: [&str; 3] = ["token", "key", "oauth"];

/// A server for clients. It runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) target: Target,
    _server: Option<HttpServer>,
    _authority: Option<Authority>,
}

/// An authorization server.
#[derive(Debug)]
struct Authority(Child);

impl Drop for Authority {
    fn drop(&mut self) {
        // The authorization server may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Served {
    /// A server that somebody else runs.
    pub(crate) const fn elsewhere(target: Target) -> Self {
        Self { target, _server: None, _authority: None }
    }

    /// A server of our own.
    pub(crate) fn with(credential: &str, binary: PathBuf, installation: &Installation) -> Self {
        // There is one place: a call that is not cancelled keeps every later one waiting.
        let builder = Server::with().text_only().flag("--runs=1").binary(binary);
        let (builder, authority) = match credential {
            "key" => (builder.flag("--authentication=keys"), None),
            "oauth" => {
                let (port, own) = (free_address().port(), free_address().port());
                let resource = format!("http://127.0.0.1:{own}/mcp");
                let authority = authority(port, &resource, installation);
                let builder = builder
                    .listen(&format!("127.0.0.1:{own}"))
                    .flag(format!("--oauth-resource={resource}"))
                    .flag(format!("--oauth-issuer=http://127.0.0.1:{port}"));
                (builder, Some(authority))
            }
            _ => (builder, None),
        };
        let server = HttpServer::with(builder);
        server.wait_until_ready();
        let authorization = match credential {
            "key" => Some(format!("Bearer {}", server.add_key(&["--scopes=sandbox:execute"]))),
            "oauth" => None,
            _ => Some(format!("Bearer {}", server.token())),
        };
        let target = Target { url: format!("http://{}/mcp", server.address()), authorization };
        Self { target, _server: Some(server), _authority: authority }
    }
}

fn authority(port: u16, resource: &str, installation: &Installation) -> Authority {
    let said = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let output = File::create(said.path()).expect("a temporary file can be written");
    let child = installation
        .script("authorization_server.mjs")
        .arg(port.to_string())
        .arg(resource)
        .stdin(Stdio::null())
        .stderr(output.try_clone().expect("a file can be shared"))
        .stdout(output)
        .spawn()
        .expect("what was installed can be started");
    let authority = Authority(child);
    tests::eventually("the authorization server to listen", || {
        let said = std::fs::read_to_string(said.path()).unwrap_or_default();
        said.lines().any(|line| line == "ready").then_some(())
    });
    authority
}
