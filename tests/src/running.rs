//! A server's process, whatever it speaks: killed when dropped, with its log shown
//! if that is for a test that failed.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::signal::Signal;

use crate::eventually;
use crate::process::Process;

/// A running server.
#[derive(Debug)]
pub struct Running {
    process: Process,
    child: Mutex<Child>,
    log: PathBuf,
}

impl Running {
    /// Starts the server, with its log in the file `log`.
    pub(crate) fn start(command: &mut Command, log: PathBuf) -> Self {
        let file = File::create(&log).expect("a log file can be made");
        let child = command.stderr(file).spawn().expect("the binary can be started");
        let process =
            child.id().try_into().ok().and_then(Process::find).expect("a process that was not waited for is there");
        Self { process, child: Mutex::new(child), log }
    }

    /// The process of the server itself.
    pub const fn process(&self) -> Process {
        self.process
    }

    /// What the server has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Sends a signal to the server's process.
    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the end of the server.
    pub fn wait(&self) -> ExitStatus {
        eventually("the server to end", || self.child().try_wait().expect("a child can be waited for"))
    }

    pub(crate) fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            // Best effort: the panic itself is what the test reports.
            let _ = writeln!(std::io::stderr().lock(), "--- log of the server ---\n{log}--- end of the log ---");
        }
        let mut child = self.child();
        // The server may have ended already.
        let _ = child.kill();
        let _ = child.wait();
    }
}
