//! Settings of the kernel that a native program sees below `/proc/sys`. They are
//! copied once, into a directory that every run is shown: those beside them are not.

#![expect(clippy::disallowed_methods, reason = "/proc has no owner, and what is made here no user but the server")]

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jailer::HOSTNAME;

use crate::filesystem::state_directory::StateDirectory;
use crate::handle::random_name;

/// Where settings of the kernel are.
const PLACE: &str = "/proc/sys";

/// What the directory is called, as no principal's is.
const NAME: &str = ".settings";

/// Settings that common programs and libraries read.
const COPIED: [&str; 13] = [
    "fs/file-max",
    "fs/nr_open",
    "fs/pipe-max-size",
    "kernel/cap_last_cap",
    "kernel/ngroups_max",
    "kernel/osrelease",
    "kernel/ostype",
    "kernel/overflowgid",
    "kernel/overflowuid",
    "kernel/pid_max",
    "kernel/threads-max",
    "vm/max_map_count",
    "vm/overcommit_memory",
];

/// The directory with the settings that a program sees. Making them for each run would
/// take longer than all else of its `/proc`.
pub(super) fn directory(state: &StateDirectory) -> io::Result<PathBuf> {
    let place = state.path().join(NAME);
    if place.exists() {
        return Ok(place);
    }
    // What is half made is never shown.
    let made = state.path().join(format!("{NAME}-{}", random_name()));
    make_directory(&made)?;
    for name in COPIED {
        // A kernel may not have all of them.
        if let Ok(content) = fs::read(Path::new(PLACE).join(name)) {
            make_file(&made, name, &content)?;
        }
    }
    make_file(&made, "kernel/hostname", format!("{HOSTNAME}\n").as_bytes())?;
    // The kernel's own shows through this one: it is another with each reading.
    make_file(&made, "kernel/random/uuid", b"")?;
    fs::rename(&made, &place)?;
    Ok(place)
}

/// Makes a file in `root`, with the directories above it, for every user to read.
fn make_file(root: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let path = root.join(name);
    let above = path.ancestors().skip(1).take_while(|above| *above != root).collect::<Vec<_>>();
    for directory in above.into_iter().rev() {
        make_directory(directory)?;
    }
    fs::write(&path, content)?;
    fs::set_permissions(&path, Permissions::from_mode(0o644))
}

fn make_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    fs::set_permissions(path, Permissions::from_mode(0o755))
}
