//! Does a store on S3 keep what the README promises, with two servers over it, over a
//! real implementation, and over one that fails?

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed, and says what it did"
)]

mod faults;
mod kills;
mod moto;
mod pair;
mod quotas;
mod real_redis;
mod redis;
mod revoked;
mod settings;

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;
use tests::http::{HttpServer, modern};
use tests::{Builder, Reply, store_key};

/// What servers over one store share: the endpoint, and the file of keys.
struct House {
    endpoint: String,
    folder: TempDir,
}

impl House {
    fn over(endpoint: String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let house = Self { endpoint, folder };
        house.write_keys(&store_key(7));
        house
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn write_keys(&self, bytes: &[u8]) {
        use std::os::unix::fs::PermissionsExt as _;
        let new = self.folder.path().join("new");
        std::fs::write(&new, bytes).unwrap();
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o400)).unwrap();
        std::fs::rename(new, self.keys()).unwrap();
    }

    fn builder(&self) -> Builder {
        self.builder_with(&self.keys())
    }

    /// A server that finds its keys elsewhere.
    fn builder_with(&self, keys: &Path) -> Builder {
        Builder::default()
            .flag("--store=s3://belljar/tests")
            .flag(format!("--store-endpoint={}", self.endpoint))
            .flag(format!("--store-keys={}", keys.display()))
            .flag("--workers=1")
            .flag("--native-tier=off")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
    }

    /// A server that is ready.
    fn server(&self) -> HttpServer {
        let server = HttpServer::with(self.builder());
        server.wait_until_ready();
        server
    }

    /// What a server, or another command, says that does not come to serve.
    fn refused(&self, words: &[&str]) -> String {
        let home = tempfile::tempdir().unwrap();
        let output = self.builder().command(&home.path().join("state")).args(words).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        said(&output)
    }
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(String::from_utf8_lossy).concat()
}

fn tool(server: &HttpServer, name: &str, arguments: Value) -> Reply {
    server.post(&modern("tools/call", json!({"name": name, "arguments": arguments}))).reply()
}

/// Runs Python in a session.
fn execute(server: &HttpServer, session: &str, code: &str) -> Reply {
    tool(server, "execute", json!({"language": "python", "code": code, "session": session}))
}

/// The value of the last expression, of a call that must go well.
fn value(server: &HttpServer, session: &str, code: &str) -> String {
    let reply = execute(server, session, code);
    assert!(!reply.is_error(), "{}", reply.message);
    reply.structured()["result"].as_str().unwrap_or_default().to_owned()
}

fn begin(server: &HttpServer, code: &str) -> String {
    let reply = execute(server, "new", code);
    assert!(!reply.is_error(), "{}", reply.message);
    reply.structured()["session"]["id"].as_str().unwrap().to_owned()
}
