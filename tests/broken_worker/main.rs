//! Acts as a worker that was broken into: a process with the rights of one,
//! which moves whatever it can out of the way of the server, and puts what a
//! native program has left in its place.
//!
//! `broken-worker DIRECTORY SECONDS`: the directory that workers of a principal
//! share with the server. It says what it could do.

#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a program of tests, which fails by panicking")]

use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, renameat};
use nix::sys::stat::{Mode, mkdirat};

/// What a native program left in its workspace: a directory of links that are
/// called as what an inbox holds, and a link.
const PREPARED: &str = "prep";
const LINK: &str = "link";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, seconds] = &arguments[..] else { panic!("DIRECTORY SECONDS") };
    let directory = Path::new(directory);
    jailer::confine_worker(directory, &[], || Ok(())).unwrap();
    let shared = Dir::open_ambient_dir(directory, ambient_authority()).unwrap();
    let beside = directory.with_file_name("runs");
    let until = Instant::now() + Duration::from_secs(seconds.parse().unwrap());
    let (mut moved, mut number, mut inboxes) = (0_u64, 0_u64, 0_u64);
    while Instant::now() < until {
        for entry in shared.entries().unwrap() {
            let Ok(name) = entry.map(|entry| entry.file_name()) else { continue };
            let name = name.to_string_lossy().into_owned();
            number += 1;
            // Anything that the server has just made is replaced.
            if name.ends_with(".inbox") || name.ends_with(".stdout") {
                let aside = format!("aside-{number}");
                let taken = renameat(&shared, PREPARED, &shared, name.as_str()).or_else(|_| {
                    renameat(&shared, name.as_str(), &shared, aside.as_str())?;
                    renameat(&shared, PREPARED, &shared, name.as_str())
                });
                inboxes += u64::from(taken.is_ok());
                continue;
            }
            if name.contains("aside") || name == PREPARED || name == LINK {
                continue;
            }
            // What a program prepared is taken out of its workspace.
            let Ok(workspace) = openat(&shared, name.as_str(), OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty())
            else {
                continue;
            };
            let _ = renameat(&workspace, PREPARED, &shared, PREPARED);
            let _ = renameat(&workspace, LINK, &shared, LINK);
            // The workspace itself goes away, and comes back.
            let aside = format!("{name}.aside");
            if renameat(&shared, name.as_str(), &shared, aside.as_str()).is_ok() {
                moved += 1;
                if renameat(&shared, LINK, &shared, name.as_str()).is_ok() {
                    let _ = renameat(&shared, name.as_str(), &shared, LINK);
                }
                let _ = renameat(&shared, aside.as_str(), &shared, name.as_str());
            }
        }
    }
    let outside = [
        open(&beside, OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).map(drop),
        open(directory.parent().unwrap(), OFlag::O_RDONLY | OFlag::O_DIRECTORY, Mode::empty()).map(drop),
        mkdirat(shared.as_fd(), "../runs/new", Mode::S_IRWXU),
        renameat(&shared, PREPARED, nix::fcntl::AT_FDCWD, &beside),
        renameat(nix::fcntl::AT_FDCWD, directory, nix::fcntl::AT_FDCWD, &directory.with_extension("away")),
    ];
    let is_refused = |done: &nix::Result<()>| matches!(done, Err(Errno::EACCES | Errno::EXDEV));
    println!("{moved} moved, {inboxes} replaced, refused: {}", outside.iter().all(is_refused));
}
