//! What an operator has mounted, as the jailer is told.

use std::path::Path;

use jailer::{Access, Mount};

use crate::mounts::{self, MountAccess, Mounts};

/// The mounts of a run, beside what is `shown` of the machine.
///
/// # Errors
///
/// Where one cannot be seen as the operator wants it.
pub(super) fn granted(mounts: &Mounts, shown: &[Mount], own_root: bool) -> Result<Vec<Mount>, String> {
    let each = |mount: &mounts::Mount| {
        let (source, destination) = (mount.source(), mount.destination());
        if !own_root && source != destination {
            let at = destination.display();
            return Err(format!(
                "{at} cannot be shown here: this machine gives programs no root of their own, so \
                 they see a folder only where it lies; its operator can mount it there, as in \
                 --mount SOURCE:SOURCE, or make namespaces possible"
            ));
        }
        if let Some(part) = in_the_way(shown, source, destination) {
            return Err(format!(
                "{} cannot be mounted there: programs of this language see {} of the machine; its operator can choose \
                 another destination",
                destination.display(),
                part.display()
            ));
        }
        let access = match mount.access() {
            MountAccess::ReadOnly => Access::Granted,
            MountAccess::ReadWrite => Access::GrantedWrite,
        };
        Ok(Mount { source: source.to_path_buf(), destination: destination.to_path_buf(), access })
    };
    mounts.iter().map(each).collect()
}

/// What would be covered by another folder, or would have one made in it.
fn in_the_way<'a>(shown: &'a [Mount], source: &Path, destination: &Path) -> Option<&'a Path> {
    let mut shown = shown.iter().map(|part| part.destination.as_path());
    shown.find(|part| source != destination && (part.starts_with(destination) || destination.starts_with(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_lies_beside_what_is_shown_and_without_a_root_where_it_lies() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().canonicalize().unwrap();
        let mounts = |destination: &Path, access| {
            Mounts::new(vec![mounts::Mount::open(&source, destination, access).unwrap()]).unwrap()
        };
        let shown = ["/usr", "/opt/python"].map(|path| Mount {
            source: path.into(),
            destination: path.into(),
            access: Access::Read,
        });
        let of = |destination: &str, own_root| {
            granted(&mounts(Path::new(destination), MountAccess::ReadOnly), &shown, own_root)
        };
        let there = of("/data", true).unwrap();
        let expected = Mount { source: source.clone(), destination: "/data".into(), access: Access::Granted };
        assert_eq!(there, [expected]);
        assert!(of("/data", false).unwrap_err().contains("/data cannot be shown here"));
        for destination in ["/opt", "/opt/python", "/opt/python/data"] {
            assert!(of(destination, true).unwrap_err().contains("see /opt/python of the machine"), "{destination}");
        }
        // The folder of a temporary directory cannot be a destination itself.
        assert!(in_the_way(&shown, Path::new("/opt"), Path::new("/opt")).is_none());
    }
}
