//! Less of the machine for a server: another user, a container, an older
//! kernel. The program `restricted` takes it away and becomes the server.

use std::ffi::OsString;
use std::fs::{Permissions, create_dir_all, metadata, read_dir, rename, set_permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::server::{binary, cache_directory, target_directory};

/// A user of the host that owns nothing and is nobody.
pub const SOME_USER: u32 = 64242;

/// What a server does not get. Only root can take it away.
#[derive(Clone, Debug, Default)]
pub struct Restriction {
    user: Option<u32>,
    options: Vec<String>,
}

impl Restriction {
    /// A user without any capability, as people run programs.
    pub fn user(user: u32) -> Self {
        Self { user: Some(user), options: Vec::new() }.option(&format!("--uid={user}")).option("--capabilities=none")
    }

    /// Root in a container that Docker starts without further options.
    pub fn docker_root() -> Self {
        Self::default().option("--docker").option("--capabilities=docker")
    }

    /// A user in a container of which everything was taken that Docker can take.
    pub fn docker_user(user: u32) -> Self {
        Self::user(user).option("--docker").option("--no-new-privileges")
    }

    /// Adds an option of the program `restricted`.
    pub fn option(mut self, option: &str) -> Self {
        self.options.push(option.to_owned());
        self
    }

    /// Has a system call fail.
    pub fn error(self, call: &str, error: &str) -> Self {
        self.option(&format!("--errno={call}={error}"))
    }

    /// A command for a program with these restrictions.
    pub fn command(&self, program: &Path) -> Command {
        let restricted = binary().with_file_name("restricted");
        assert!(restricted.exists(), "{} is missing: run `cargo test --release --workspace`", restricted.display());
        let mut command = Command::new(restricted);
        command.args(&self.options).arg("--").arg(program).current_dir("/");
        command
    }

    /// Hands a directory to the user.
    pub(crate) fn give(&self, directory: &Path) {
        if let Some(user) = self.user {
            chown(directory, Some(user), Some(user)).expect("root can give a directory away");
        }
    }

    /// Where servers with this restriction keep what they compiled.
    pub fn cache_directory(&self) -> PathBuf {
        self.installation().1
    }

    /// The binary under test and the compiled images, where the user finds them.
    pub(crate) fn installation(&self) -> (PathBuf, PathBuf) {
        let Some(user) = self.user else { return (binary(), cache_directory().to_path_buf()) };
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // The target directory may lie in the home of root, where no other
        // user gets; what is copied is kept for the next time.
        let mut hasher = DefaultHasher::new();
        target_directory().hash(&mut hasher);
        let place = std::env::temp_dir().join(format!("belljar-tests-{:x}-{user}", hasher.finish()));
        let cache = place.join("cache");
        create_dir_all(&cache).expect("a directory can be made");
        let owner = metadata(&place).expect("it was just made").uid();
        assert_eq!(owner, nix::unistd::getuid().as_raw(), "{} belongs to somebody else", place.display());
        set_permissions(&place, Permissions::from_mode(0o755)).expect("it is ours");
        copy(&binary(), &place.join("belljar"), 0);
        let entries = read_dir(cache_directory()).expect("the cache can be read");
        for entry in entries.map(|entry| entry.expect("the cache can be read").path()) {
            let copied = cache.join(entry.file_name().expect("an entry has a name"));
            if entry.is_file() {
                copy(&entry, &copied, user);
            }
        }
        set_permissions(&cache, Permissions::from_mode(0o700)).expect("it is ours");
        self.give(&cache);
        (place.join("belljar"), cache)
    }
}

/// Copies a file unless that has been done.
fn copy(from: &Path, to: &Path, owner: u32) {
    let original = metadata(from).expect("the file is there");
    let is_same = |copied: std::fs::Metadata| copied.len() == original.len() && copied.mtime() >= original.mtime();
    if metadata(to).is_ok_and(is_same) {
        return;
    }
    // Somebody may be running the one that is there.
    let partial = to.with_file_name(OsString::from(format!("partial-{}", std::process::id())));
    std::fs::copy(from, &partial).expect("a file can be copied");
    chown(&partial, Some(owner), Some(owner)).expect("root can give a file away");
    rename(&partial, to).expect("a file can be renamed");
}
