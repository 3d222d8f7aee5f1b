//! What of the host a program gets to see, held on to. Each part is looked up
//! once: what is mounted, allowed, watched and gone to afterwards is what was
//! found, whatever takes its place meanwhile.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, readlinkat};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::{Mode, fstat};

use crate::confinement::{Access, Confinement, Mount};
use crate::failure::{Doing, Failure};
use crate::overlay::Overlays;
use crate::sys;

/// Devices of the host that every program may use.
pub(crate) const DEVICES: [&str; 5] = ["/dev/null", ZERO, FULL, "/dev/random", "/dev/urandom"];

/// A device that, mapped as shared, is memory that stays when no process shows it any more.
pub(crate) const ZERO: &str = "/dev/zero";

/// A device that reads as zeros do, and cannot be mapped.
const FULL: &str = "/dev/full";

pub(crate) const INERT: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
pub(crate) const READ_ONLY: u64 = INERT | libc::MOUNT_ATTR_RDONLY;

/// What a mount names.
pub(crate) enum Part {
    /// A file or directory: with namespaces a mount of it that is the program's
    /// alone.
    Tree(OwnedFd),
    /// A link that is to look as it does on the host, `/bin` for one.
    Link(PathBuf),
}

/// Everything of the host that a program will see.
pub(crate) struct Parts {
    /// What the mounts name, in their order.
    pub(crate) parts: Vec<Part>,
    /// Devices of the host, with namespaces only.
    pub(crate) devices: Vec<OwnedFd>,
    /// The settings of the kernel that it sees.
    pub(crate) settings: Option<OwnedFd>,
    /// Whether files of the host's that can only be read are locked apart.
    pub(crate) own_locks: bool,
}

impl Parts {
    /// Takes what a confinement names, in a mount namespace of this process's own.
    /// `handed` are the mounts that come as descriptors.
    pub(crate) fn take(confinement: &Confinement, handed: Vec<OwnedFd>) -> Result<Self, Failure> {
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).doing("keeping mounts to ourselves")?;
        let device = |device: &&str| {
            let path = Path::new(if *device == ZERO { FULL } else { *device });
            let found = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).doing_at("opening", path)?;
            sys::clone_mount(found.as_fd()).doing_at("taking", path)
        };
        let devices = DEVICES.iter().map(device).collect::<Result<_, _>>()?;
        let mut overlays = Overlays::prepare()?;
        let (parts, own_locks) = find(&confinement.mounts, handed, Some(&mut overlays))?;
        let settings = confinement.settings.as_deref().map(take_read_only).transpose()?;
        Ok(Self { parts, devices, settings, own_locks })
    }

    /// Holds on to what `mounts` name, where the program sees it as it is.
    pub(crate) fn hold(mounts: &[Mount], handed: Vec<OwnedFd>) -> Result<Self, Failure> {
        let (parts, own_locks) = find(mounts, handed, None)?;
        Ok(Self { parts, devices: Vec::new(), settings: None, own_locks })
    }

    /// The trees, with what they are parts for.
    pub(crate) fn trees<'a>(&'a self, mounts: &'a [Mount]) -> impl Iterator<Item = (&'a Mount, BorrowedFd<'a>)> {
        mounts.iter().zip(&self.parts).filter_map(|(mount, part)| match part {
            Part::Tree(tree) => Some((mount, tree.as_fd())),
            Part::Link(_) => None,
        })
    }

    /// What the program sees at `path`, if that is one of the mounts.
    pub(crate) fn at<'a>(&'a self, mounts: &'a [Mount], path: &Path) -> Option<BorrowedFd<'a>> {
        self.trees(mounts).find(|(mount, _)| mount.destination == path).map(|(_, tree)| tree)
    }

    /// The directories that are the run's own to write, each with the path that it
    /// has inside.
    pub(crate) fn writable<'a>(&'a self, mounts: &'a [Mount]) -> impl Iterator<Item = (BorrowedFd<'a>, PathBuf)> {
        let writable = self.trees(mounts).filter(|(mount, _)| mount.access == Access::Write);
        writable.map(|(mount, tree)| (tree, mount.destination.clone()))
    }
}

/// Finds the parts, and tells whether all that can only be read have locks of
/// their own.
fn find(
    mounts: &[Mount],
    handed: Vec<OwnedFd>,
    mut overlays: Option<&mut Overlays>,
) -> Result<(Vec<Part>, bool), Failure> {
    let wanted = mounts.iter().filter(|mount| mount.access.is_handed()).count();
    if wanted != handed.len() {
        let reason = format!("{wanted} are handed over, and there are {} descriptors", handed.len());
        return Err(Failure::new("taking directories", reason));
    }
    let mut handed = handed.into_iter();
    let mut own_locks = overlays.is_some();
    let mut parts = Vec::with_capacity(mounts.len());
    for mount in mounts {
        parts.push(find_one(mount, &mut handed, overlays.as_deref_mut(), &mut own_locks)?);
    }
    Ok((parts, own_locks))
}

fn find_one(
    mount: &Mount,
    handed: &mut impl Iterator<Item = OwnedFd>,
    overlays: Option<&mut Overlays>,
    own_locks: &mut bool,
) -> Result<Part, Failure> {
    let clone = overlays.is_some();
    let source = &mount.source;
    // Where a folder that was granted lies is not for whoever reads the error.
    let named = match mount.access {
        Access::Granted | Access::GrantedWrite => &mount.destination,
        Access::Read | Access::Write => source,
    };
    let own = mount.access.is_handed().then(|| handed.next()).flatten();
    let found = match own {
        Some(handed) if !clone => handed,
        // The descriptor comes from another namespace than that in which this process
        // is, and a mount is taken from where the process is.
        Some(handed) => {
            let found = hold(source, named)?;
            let (wanted, is) =
                (fstat(&handed).doing_at("looking at", named)?, fstat(&found).doing_at("looking at", named)?);
            if (wanted.st_dev, wanted.st_ino) != (is.st_dev, is.st_ino) {
                let reason = "it is not the directory that was handed over: something took its place";
                return Err(Failure::new(format!("taking {}", named.display()), reason));
            }
            found
        }
        None => hold(source, named)?,
    };
    match kind(found.as_fd(), named)? {
        libc::S_IFLNK if mount.access == Access::Read => {
            Ok(Part::Link(readlinkat(&found, "").doing_at("reading the link", source)?.into()))
        }
        libc::S_IFLNK => Err(Failure::new(format!("taking {}", named.display()), "it is a symbolic link")),
        _ if clone => {
            // A part that lies elsewhere on the host is the run's own.
            if let Some(overlays) = overlays.filter(|_| mount.access == Access::Read && mount.destination == *source) {
                match overlays.of(source, found.as_fd())? {
                    Some(tree) => return Ok(Part::Tree(tree)),
                    None => *own_locks = false,
                }
            }
            let tree = sys::clone_mount(found.as_fd()).doing_at("taking", named)?;
            let attributes = match mount.access {
                Access::Read | Access::Granted => READ_ONLY,
                Access::Write | Access::GrantedWrite => INERT,
            };
            sys::set_mount_attributes(tree.as_fd(), attributes, true).doing_at("setting attributes of", named)?;
            Ok(Part::Tree(tree))
        }
        _ => Ok(Part::Tree(found)),
    }
}

/// Takes a directory that is the server's own, to be read and nothing else.
fn take_read_only(path: &Path) -> Result<OwnedFd, Failure> {
    let tree = sys::clone_mount(hold(path, path)?.as_fd()).doing_at("taking", path)?;
    sys::set_mount_attributes(tree.as_fd(), READ_ONLY | libc::MOUNT_ATTR_NOEXEC, true)
        .doing_at("making read-only", path)?;
    Ok(tree)
}

/// What is at a path, a link itself; an error calls the path `named`.
fn hold(path: &Path, named: &Path) -> Result<OwnedFd, Failure> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    open(path, flags, Mode::empty()).doing_at("taking", named)
}

/// The kind of file that is open.
pub(crate) fn kind(file: BorrowedFd<'_>, path: &Path) -> Result<libc::mode_t, Failure> {
    Ok(fstat(file).doing_at("looking at", path)?.st_mode & libc::S_IFMT)
}
