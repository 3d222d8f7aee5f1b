//! The root that the program sees: a file system in memory with nothing in it
//! but what was asked for. Nothing of the host's own tree is changed, and
//! nothing of it can be reached in the end.

use std::os::fd::{AsFd, BorrowedFd, IntoRawFd as _, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open, openat, readlinkat};
use nix::libc;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, mkdirat};
use nix::unistd::{chdir, chroot, fchdir, pivot_root, symlinkat};

use crate::confinement::{Confinement, Mount, Scratch};
use crate::failure::{Doing, Failure};
use crate::given;
use crate::parts::{DEVICES, Part, Parts, READ_ONLY, kind};
use crate::proc::mount_proc;
use crate::sys;

/// Where the new root is built: a directory that every host has. It is covered
/// in this namespace only, and only until the root is changed. What lies below
/// it must have been taken before.
const BUILDING_SITE: &str = "/proc";

/// What the root itself takes, beside what is given.
const ROOT_BYTES: u64 = 1 << 20;
const ROOT_NAMES: usize = 4096;

const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];

/// Builds the root and changes to it.
pub(crate) fn build(confinement: &Confinement, parts: &Parts) -> Result<(), Failure> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let given = &confinement.files;
    let (bytes, names) = (ROOT_BYTES + given::bytes(given), ROOT_NAMES + given::names(given));
    let options = format!("size={bytes},nr_inodes={names},mode=0755");
    mount(Some("tmpfs"), BUILDING_SITE, Some("tmpfs"), flags, Some(options.as_str())).doing("mounting a new root")?;
    chdir(BUILDING_SITE).doing("going to the new root")?;
    let root = open(".", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
        .doing("opening the new root")?;

    for (device, tree) in DEVICES.iter().zip(&parts.devices) {
        let place = make_file(root.as_fd(), Path::new(device))?;
        sys::attach_mount(tree.as_fd(), place.as_fd()).doing_at("mounting", Path::new(device))?;
    }
    for (link, target) in LINKS {
        symlink(target, link).doing_at("linking", Path::new(link))?;
    }
    given::write(root.as_fd(), given)?;
    mount_proc(root.as_fd(), parts.settings.as_ref())?;
    // A program's own files may lie within a scratch directory, not the other
    // way round: what is mounted later covers what was there.
    for scratch in &confinement.scratch {
        mount_scratch(root.as_fd(), scratch)?;
    }
    for (mount, part) in confinement.mounts.iter().zip(&parts.parts) {
        attach(root.as_fd(), mount, part)?;
    }

    // The old root is put on top of the new one, and taken off with all below.
    pivot_root(".", ".").doing("pivot_root")?;
    umount2(".", MntFlags::MNT_DETACH).doing("detaching the host's tree")?;
    chdir("/").doing("going to the root")?;
    sys::set_mount_attributes(root.as_fd(), READ_ONLY | libc::MOUNT_ATTR_NOEXEC, false)
        .doing("making the root read-only")?;
    hide_mounts()
}

/// Goes on in a copy of the root that is in no namespace. The kernel lists the
/// mounts of the namespace that lie below the root of who asks, with the place
/// that each has on the host: from in here, none does.
fn hide_mounts() -> Result<(), Failure> {
    let copy = open("/", OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty());
    let copy = sys::clone_mount(copy.doing("opening the root")?.as_fd()).doing("copying the root")?;
    fchdir(&copy).doing("going to the copy of the root")?;
    chroot(".").doing("changing to the copy of the root")?;
    // The copy is there for as long as somebody holds it, and this process is the last to end.
    let _ = copy.into_raw_fd();
    Ok(())
}

fn attach(root: BorrowedFd<'_>, mount: &Mount, part: &Part) -> Result<(), Failure> {
    let destination = &mount.destination;
    match part {
        Part::Link(target) => {
            let (Some(parent), Some(name)) = (destination.parent(), destination.file_name()) else {
                return Err(Failure::new(
                    format!("using {} as a link inside", destination.display()),
                    "it has no name",
                ));
            };
            // A link in a writable mount may be there from before.
            let parent = make_directory(root, parent)?;
            match symlinkat(target.as_path(), &parent, name) {
                Err(Errno::EEXIST) if readlinkat(&parent, name).is_ok_and(|there| *target == *there) => Ok(()),
                made => made.doing_at("linking", destination),
            }
        }
        Part::Tree(tree) => {
            let is_directory = kind(tree.as_fd(), &mount.source)? == libc::S_IFDIR;
            let make = if is_directory { make_directory } else { make_file };
            let place = make(root, destination)?;
            sys::attach_mount(tree.as_fd(), place.as_fd()).doing_at("mounting", destination)
        }
    }
}

fn mount_scratch(root: BorrowedFd<'_>, scratch: &Scratch) -> Result<(), Failure> {
    let destination = &scratch.destination;
    make_directory(root, destination)?;
    let options = format!("size={},nr_inodes={},mode=1777", scratch.bytes, scratch.files.saturating_add(1));
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), inside(destination)?, Some("tmpfs"), flags, Some(options.as_str()))
        .doing_at("mounting scratch space at", destination)
}

/// A path inside, relative to the root that is being built.
fn inside(path: &Path) -> Result<&Path, Failure> {
    path.strip_prefix("/").doing_at("using as a path inside", path)
}

/// Makes a directory with all above it, and opens it. Links are not followed:
/// a writable mount may hold one that a program has left there.
pub(crate) fn make_directory(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mut directory = root.try_clone_to_owned().doing("copying a descriptor")?;
    for component in inside(path)?.components() {
        let Component::Normal(name) = component else {
            return Err(Failure::new(format!("using {} as a path inside", path.display()), "it is not plain"));
        };
        match mkdirat(&directory, name, Mode::from_bits_truncate(0o755)) {
            Ok(()) | Err(Errno::EEXIST | Errno::EROFS) => {}
            Err(errno) => return Err(errno).doing_at("making the directory", path),
        }
        directory = openat(&directory, name, flags, Mode::empty()).doing_at("opening inside", path)?;
    }
    Ok(directory)
}

/// Makes an empty file with all directories above it, and opens it.
fn make_file(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Failure> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Failure::new(format!("using {} as a file inside", path.display()), "it has no name"));
    };
    let parent = make_directory(root, parent)?;
    let create = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
    match openat(&parent, name, create, Mode::from_bits_truncate(0o644)) {
        Ok(_) | Err(Errno::EEXIST | Errno::EROFS) => {}
        Err(errno) => return Err(errno).doing_at("making the file", path),
    }
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    openat(&parent, name, flags, Mode::empty()).doing_at("opening inside", path)
}
