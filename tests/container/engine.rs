//! Docker's daemon, with data, a socket and a network of its own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tests::eventually;

use crate::{packages, run};

/// The network of the containers. The one that Docker has by default may be another's.
pub(crate) const NETWORK: &str = "belljar-tests";
/// How long the daemon has to end what it started.
const PATIENCE: Duration = Duration::from_secs(30);

/// Docker's daemon. It ends with this, and all of its containers.
#[derive(Debug)]
pub(crate) struct Engine {
    daemon: Child,
    /// Its socket lies here, where paths are short.
    runtime: TempDir,
    tools: PathBuf,
    /// Held while it runs, as two daemons cannot share their data.
    _turn: File,
}

impl Engine {
    /// Starts the daemon, with its data in `folder`.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(failed)?;
        let turn = File::create(folder.join("lock")).map_err(failed)?;
        turn.try_lock().map_err(|error| format!("another one is at work in {}: {error}", folder.display()))?;
        let tools = packages::unpacked(folder)?;
        let runtime = tempfile::tempdir().map_err(failed)?;
        let log = File::create(folder.join("daemon.log")).map_err(failed)?;
        let mut command = Command::new(tools.join("usr/sbin/dockerd"));
        command
            .env("PATH", packages::search_path(&tools))
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(runtime.path().join("exec"))
            .arg("--pidfile")
            .arg(runtime.path().join("pid"))
            .arg("--host")
            .arg(format!("unix://{}", runtime.path().join("socket").display()))
            .arg("--userland-proxy-path")
            .arg(tools.join("usr/sbin/docker-proxy"))
            // The rules of this machine's network stay as they are.
            .args(["--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log);
        let daemon = command.spawn().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
        let mut engine = Self { daemon, runtime, tools, _turn: turn };
        engine.wait_until_ready(folder)?;
        // An earlier one may have been killed.
        engine.clear();
        engine.docker(&["network", "create", NETWORK])?;
        Ok(engine)
    }

    fn wait_until_ready(&mut self, folder: &Path) -> Result<(), String> {
        eventually("Docker's daemon to answer", || {
            let ended = self.daemon.try_wait().ok().flatten();
            match ended {
                Some(status) => Some(Err(format!("Docker's daemon ended: {status}"))),
                None => self.docker(&["version"]).is_ok().then_some(Ok(())),
            }
        })
        .map_err(|message| {
            let log = fs::read_to_string(folder.join("daemon.log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(5).collect();
            format!("{message}\n{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"))
        })
    }

    /// The directory with the programs of Debian's packages.
    pub(crate) fn tools(&self) -> &Path {
        &self.tools
    }

    /// A command of Docker's.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.tools.join("usr/bin/docker"));
        command
            .env("DOCKER_HOST", format!("unix://{}", self.runtime.path().join("socket").display()))
            .env("DOCKER_CONFIG", self.runtime.path().join("config"))
            // It alone leaves out stages that nothing needs.
            .env("DOCKER_BUILDKIT", "1")
            .args(words)
            .stdin(Stdio::null());
        command
    }

    /// Runs a command of Docker's, and returns what it printed.
    pub(crate) fn docker(&self, words: &[&str]) -> Result<String, String> {
        run(&mut self.command(words))
    }

    /// The bytes of all files of an image.
    pub(crate) fn image_bytes(&self, tag: &str) -> u64 {
        let size = self.docker(&["image", "inspect", "--format", "{{.Size}}", tag]);
        size.ok().and_then(|size| size.parse().ok()).expect("an image that was built has a size")
    }

    /// Removes every container, every volume, and the network with its bridge.
    fn clear(&self) {
        for (list, remove) in [
            (&["ps", "--all", "--quiet"][..], &["rm", "--force"][..]),
            (&["volume", "ls", "--quiet"], &["volume", "rm", "--force"]),
        ] {
            let all = self.docker(list).unwrap_or_default();
            for one in all.lines() {
                // The daemon ends what is still there.
                let _ = self.docker(&[remove, &[one]].concat());
            }
        }
        // There may be none yet.
        let _ = self.docker(&["network", "rm", NETWORK]);
    }

    /// Removes what earlier builds left and nothing needs, but for what makes the next one
    /// quick.
    pub(crate) fn remove_leftovers(&self) -> Result<(), String> {
        self.docker(&["image", "prune", "--force"])?;
        self.docker(&["builder", "prune", "--force", "--keep-storage", "4gb"]).map(drop)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.clear();
        if let Ok(pid) = self.daemon.id().try_into() {
            // The daemon may have ended already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let began = Instant::now();
        while matches!(self.daemon.try_wait(), Ok(None)) && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
