//! One of two servers over one store.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::moto::Moto;
use tests::{binary, cache_directory, eventually, store_key};

use crate::{is_ready, private_file};

/// The token of the one user that both servers have.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// What keeps the sessions of both servers.
#[derive(Debug)]
pub(crate) enum Store {
    /// The state directory of both.
    Directory,
    /// Storage across a network, by which alone they know of each other.
    S3(Moto),
}

/// What both servers have.
#[derive(Debug)]
pub(crate) struct Shared {
    home: tempfile::TempDir,
    url: String,
    store: Store,
}

impl Shared {
    /// Servers that clients find at `url`.
    pub(crate) fn new(url: String, store: Store) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        private_file(&home.path().join("token"), TOKEN.as_bytes());
        if let Store::S3(moto) = &store {
            moto.make_bucket();
            private_file(&home.path().join("keys"), &store_key(7));
        }
        Self { home, url, store }
    }

    fn command(&self, address: SocketAddr) -> Command {
        let home = self.home.path();
        let mut command = Command::new(binary());
        command
            .env_clear()
            .env("HOME", home)
            .env("BELLJAR_CACHE_DIRECTORY", cache_directory())
            .env("BELLJAR_STRUCTURED_CONTENT", "true")
            .env("BELLJAR_NATIVE_TIER", "off")
            .args(["serve", "--listen", &address.to_string(), "--public-url", &self.url, "--token-file"])
            .arg(home.join("token"));
        match &self.store {
            Store::Directory => command.env("BELLJAR_STATE_DIRECTORY", home.join("state")),
            Store::S3(moto) => command
                .env("BELLJAR_STATE_DIRECTORY", home.join(format!("state-{}", address.port())))
                .env("BELLJAR_STORE", "s3://belljar/rolling")
                .env("BELLJAR_STORE_ENDPOINT", moto.endpoint())
                .env("BELLJAR_STORE_KEYS", home.join("keys"))
                .env("AWS_ACCESS_KEY_ID", "test")
                .env("AWS_SECRET_ACCESS_KEY", "test"),
        };
        command
    }
}

/// One of two servers. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Replica {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Replica {
    pub(crate) fn start(shared: &Shared, address: SocketAddr) -> Self {
        let log = shared.home.path().join(format!("log-{}", address.port()));
        let output = File::create(&log).expect("a log file can be made");
        let mut command = shared.command(address);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output).spawn();
        Self { child: child.expect("the binary can be started"), address, log }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn wait_until_ready(&self) {
        eventually("a server to be ready", || is_ready(self.address).then_some(()));
    }

    /// Asks the server to end, and returns how long it took.
    ///
    /// # Panics
    ///
    /// When it does not end with success.
    pub(crate) fn end(&mut self) -> Duration {
        let began = Instant::now();
        let pid = Pid::from_raw(self.child.id().try_into().expect("a number of a process fits"));
        kill(pid, Signal::SIGTERM).expect("the server runs");
        let status = eventually("a server to end", || self.child.try_wait().expect("a child can be waited for"));
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        assert!(status.success(), "it ended with {status}: {log}");
        began.elapsed()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // The server may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
