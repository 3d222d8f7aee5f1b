//! What must not be granted, whoever asks for it: nothing of the server's own
//! becomes visible in a mount, and nothing that the next server is made of can be
//! changed there.

use std::path::PathBuf;

use crate::error::{Error, IoContext as _};
use crate::filesystem::canonical::canonical;
use crate::mounts::{Mount, MountAccess, Mounts};
use crate::native::{Guarded, Kind, Private};

/// A place of the operator's that no mount may hold or lie in.
#[derive(Clone, Debug)]
pub struct Reserved {
    /// What it is, for people.
    pub what: &'static str,
    /// Where it lies, or will.
    pub path: PathBuf,
    /// Whether programs may read it there.
    pub is_readable: bool,
}

/// Holds mounts against what is private.
///
/// # Errors
///
/// [`Error::Denied`] with the mount and what is in its way.
pub(super) fn check(mounts: &Mounts, reserved: &[Reserved], private: &[Private]) -> Result<(), Error> {
    if mounts.is_empty() {
        return Ok(());
    }
    let mut hidden: Vec<_> = private.iter().filter(|place| place.kind == Kind::Secret).cloned().collect();
    add(&mut hidden, reserved, false)?;
    let mut unchangeable = hidden.clone();
    add(&mut unchangeable, reserved, true)?;
    let (hidden, unchangeable) = (look(&hidden)?, look(&unchangeable)?);
    if let Some(secret) = hidden.has_names() {
        let reason = format!(
            "{} {} has another name (a hard link), which may lie in a mount: remove that, or put a copy in the place \
             of the file",
            secret.what,
            secret.path.display()
        );
        return Err(refused("mounting folders", reason));
    }
    for (index, mount) in mounts.iter().enumerate() {
        let guarded = match mount.access() {
            MountAccess::ReadOnly => &hidden,
            MountAccess::ReadWrite => &unchangeable,
        };
        check_one(mount, guarded)?;
        let others = mounts.iter().take(index).filter(|other| other.access() != mount.access());
        others.into_iter().try_for_each(|other| keep_apart(mount, other))?;
    }
    Ok(())
}

/// What programs can change, so that none of it is shown as something else.
pub(super) fn changeable(mounts: &Mounts) -> impl Iterator<Item = Private> + '_ {
    let changeable = mounts.iter().filter(|mount| mount.access() == MountAccess::ReadWrite);
    let what = "the mounted folder";
    changeable.map(move |mount| Private { what, path: mount.source().to_path_buf(), kind: Kind::Secret })
}

fn look(places: &[Private]) -> Result<Guarded, Error> {
    Guarded::new(places).map_err(|reason| refused("mounting folders", reason))
}

fn add(places: &mut Vec<Private>, reserved: &[Reserved], is_readable: bool) -> Result<(), Error> {
    for Reserved { what, path, .. } in reserved.iter().filter(|place| place.is_readable == is_readable) {
        let path = canonical(path).doing(|| format!("find {}", path.display()))?;
        places.push(Private { what, path, kind: Kind::Secret });
    }
    Ok(())
}

fn check_one(mount: &Mount, guarded: &Guarded) -> Result<(), Error> {
    let source = mount.source();
    let denied = |reason: String| refused(&format!("mounting {}", source.display()), reason);
    if let Some(private) = guarded.in_the_way(source) {
        let reason = format!(
            "programs would come to {} {} at {}: name another folder, or put one of the two elsewhere",
            private.what,
            private.path.display(),
            mount.destination().display()
        );
        return Err(denied(reason));
    }
    if let Some(place) = guarded.of_kernel(source) {
        let reason =
            format!("{} is made by the kernel and says more than files do: name another folder", place.display());
        return Err(denied(reason));
    }
    Ok(())
}

/// Where one may be changed and the other not, neither may be a way to the other.
fn keep_apart(one: &Mount, other: &Mount) -> Result<(), Error> {
    let place = Private { what: "the mount", path: other.source().to_path_buf(), kind: Kind::Secret };
    if look(&[place])?.in_the_way(one.source()).is_none() {
        return Ok(());
    }
    let reason = format!(
        "{} is {} and {} is {}, and one lies in the other on this machine: give both the same access, or mount one",
        one.destination().display(),
        one.access().name(),
        other.destination().display(),
        other.access().name()
    );
    Err(refused(&format!("mounting {}", one.source().display()), reason))
}

fn refused(action: &str, reason: String) -> Error {
    Error::Denied { action: action.to_owned(), reason }
}
