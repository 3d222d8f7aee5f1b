//! One of two servers over one directory.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tests::eventually;

use crate::is_ready;

/// One of two servers. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Replica {
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Replica {
    /// Starts a server. `home` has the state of both, and the token.
    pub(crate) fn start(binary: &Path, cache: &Path, home: &Path, address: SocketAddr, url: &str) -> Self {
        let log = home.join(format!("log-{}", address.port()));
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("HOME", home)
            .env("BELLJAR_STATE_DIRECTORY", home.join("state"))
            .env("BELLJAR_CACHE_DIRECTORY", cache)
            .env("BELLJAR_STRUCTURED_CONTENT", "true")
            .env("BELLJAR_NATIVE_TIER", "off")
            .args(["serve", "--listen", &address.to_string(), "--public-url", url, "--token-file"])
            .arg(home.join("token"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).expect("a log file can be made"));
        let child = command.spawn().expect("the binary can be started");
        Self { child, address, log }
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
