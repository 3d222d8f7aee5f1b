//! What a run is given beside its workspace: its code or request, the files of
//! its runtime, and places for temporary files and caches. Read-only to the program but
//! for the last two; removed with everything when dropped.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder};
use std::io;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use guest_runtimes::{Argument, Native};

use crate::abi::GuestRequest;
use crate::removal::remove_tree;

/// The directory of a run on the host.
#[derive(Debug)]
pub(super) struct Inbox {
    path: PathBuf,
}

impl Inbox {
    /// Makes it at `path`, which must not exist.
    pub(super) fn create(
        path: PathBuf,
        native: &Native,
        code: &str,
        args: &[String],
        env: &BTreeMap<String, String>,
        (result_bytes, output_bytes): (u64, u64),
    ) -> io::Result<Self> {
        // The user of the run must get through, and sees only what it is given.
        DirBuilder::new().mode(0o711).create(&path)?;
        set_mode(&path, 0o711)?;
        let inbox = Self { path };
        DirBuilder::new().mode(0o700).create(inbox.temporary())?;
        DirBuilder::new().mode(0o700).create(inbox.cache())?;
        DirBuilder::new().create(inbox.given())?;
        set_mode(&inbox.given(), 0o755)?;
        for (name, content) in native.files() {
            inbox.give(name, content, 0o644)?;
        }
        for argument in native.arguments() {
            match argument {
                Argument::Program => inbox.give(&program_name(native), code.as_bytes(), 0o644)?,
                Argument::Request => {
                    let request = GuestRequest {
                        code,
                        args,
                        env,
                        fresh: true,
                        last: true,
                        result_bytes,
                        output_bytes,
                        elsewhere: &BTreeMap::new(),
                        disk_bytes: None,
                        disk_files: None,
                    };
                    inbox.give(REQUEST, &serde_json::to_vec(&request)?, 0o644)?;
                }
                Argument::Text(_) | Argument::Args => {}
            }
        }
        Ok(inbox)
    }

    /// Gives the program a file of its own, at a path below what it is given.
    pub(super) fn give(&self, path: &str, content: &[u8], mode: u32) -> io::Result<()> {
        let file = self.given().join(path);
        if let Some(parent) = file.parent().filter(|parent| *parent != self.given() && !parent.exists()) {
            DirBuilder::new().recursive(true).create(parent)?;
            set_mode(parent, 0o755)?;
        }
        write(&file, content)?;
        set_mode(&file, mode)
    }

    /// What the program may read.
    pub(super) fn given(&self) -> PathBuf {
        self.path.join("given")
    }

    /// What the program sees as `/tmp`, or is told to use in its place.
    pub(super) fn temporary(&self) -> PathBuf {
        self.path.join(TEMPORARY)
    }

    /// Where the program may keep what it can make again, if it has no file
    /// system of its own for that.
    pub(super) fn cache(&self) -> PathBuf {
        self.path.join("cache")
    }

    /// The directory itself.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the directory of a run was left behind");
        }
    }
}

/// The name of [`Inbox::temporary`].
pub(super) const TEMPORARY: &str = "tmp";
const REQUEST: &str = "request.json";

fn program_name(native: &Native) -> String {
    format!("main.{}", native.extension())
}

/// The command line of `native` where its directory is seen at `given`.
pub(super) fn command_line(native: &Native, given: &Path, args: &[String]) -> Vec<String> {
    let path = |name: &str| given.join(name).to_string_lossy().into_owned();
    let mut line = vec![native.program().to_owned()];
    for argument in native.arguments() {
        match argument {
            Argument::Text(text) => line.push(text.replace("{runtime}", &given.to_string_lossy())),
            Argument::Program => line.push(path(&program_name(native))),
            Argument::Request => line.push(path(REQUEST)),
            Argument::Args => line.extend_from_slice(args),
        }
    }
    line
}

/// The umask of this process hides new files from everyone else.
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode))
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}
