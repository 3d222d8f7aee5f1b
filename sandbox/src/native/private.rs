//! What of this machine must not become visible to a native program, however it
//! is called: a directory has as many paths as there are bind mounts of it.

#![expect(clippy::disallowed_methods, reason = "asks the kernel which files are the same")]

use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// File systems that hold no files of anybody.
const OF_KERNEL: [&str; 17] = [
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fusectl",
    "mqueue",
    "nsfs",
    "proc",
    "pstore",
    "securityfs",
    "sysfs",
    "tracefs",
];

/// A place, and what to say of it.
#[derive(Clone, Debug)]
pub(crate) struct Private {
    /// What it is, for people.
    pub(crate) what: &'static str,
    /// The path of the place, without links.
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
}

/// How private a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The server's own: nothing of it may be visible.
    Secret,
    /// Somebody's files: an interpreter may lie among them and is shown by
    /// itself, but never with all that is there.
    Personal,
}

/// Private places, and what is mounted where.
#[derive(Debug)]
pub(crate) struct Guarded {
    places: Vec<(Private, Identity)>,
    mounted: Vec<Mounted>,
}

/// What a file or directory is, whatever it is called.
#[derive(Debug)]
struct Identity {
    /// Device and inode of the file; none where it is not there yet.
    own: Option<(u64, u64)>,
    /// Devices and inodes of the file and of every directory above it.
    chain: Vec<(u64, u64)>,
    location: Option<Location>,
}

/// Where something lies in its file system.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Location {
    device: String,
    path: PathBuf,
}

/// A line of `mountinfo`.
#[derive(Debug)]
struct Mounted {
    root: Location,
    at: PathBuf,
    /// The kind of its file system.
    kind: String,
}

impl Guarded {
    /// Looks at what is mounted now.
    pub(crate) fn new(places: &[Private]) -> Result<Self, String> {
        let text = fs::read("/proc/self/mountinfo").map_err(|error| format!("what is mounted is unknown: {error}"))?;
        let mounted: Vec<_> = text.split(|byte| *byte == b'\n').filter_map(Mounted::read).collect();
        let places = places.iter().map(|place| (place.clone(), Identity::of(&place.path, &mounted))).collect();
        Ok(Self { places, mounted })
    }

    /// The private place of which something would be visible if `shown`, which has no
    /// links in it, was mounted with all below it.
    pub(crate) fn in_the_way(&self, shown: &Path) -> Option<&Private> {
        let own = Identity::of(shown, &self.mounted);
        // What is mounted below is shown with it.
        let below = self.mounted.iter().filter(|mounted| mounted.at != shown && mounted.at.starts_with(shown));
        let below: Vec<_> = below.map(|mounted| Identity::of(&mounted.at, &self.mounted)).collect();
        let is_in_the_way = |(place, identity): &&(Private, Identity)| {
            [&own]
                .into_iter()
                .chain(&below)
                .any(|view| view.holds(identity) || (place.kind == Kind::Secret && identity.holds(view)))
        };
        self.places.iter().find(is_in_the_way).map(|(place, _)| place)
    }

    /// A place in `shown`, or around it, whose files are none but the kernel's way
    /// to say or do something.
    pub(crate) fn of_kernel(&self, shown: &Path) -> Option<&Path> {
        let around = self.mounted.iter().filter(|mounted| shown.starts_with(&mounted.at));
        let around = around.max_by_key(|mounted| mounted.at.components().count());
        let below = self.mounted.iter().filter(|mounted| mounted.at.starts_with(shown));
        let is_of_kernel = |mounted: &&Mounted| OF_KERNEL.contains(&mounted.kind.as_str());
        let found = around.into_iter().chain(below).find(is_of_kernel).map(|mounted| mounted.at.as_path());
        // The kernel's own places may have file systems of other kinds on some hosts.
        let known = ["/proc", "/sys", "/dev"].into_iter().map(Path::new).find(|known| shown.starts_with(known));
        found.or(known)
    }

    /// A secret that has another name somewhere.
    pub(crate) fn has_names(&self) -> Option<&Private> {
        let has_names = |place: &&Private| {
            place.kind == Kind::Secret
                && fs::symlink_metadata(&place.path).is_ok_and(|found| found.is_file() && found.nlink() > 1)
        };
        self.places.iter().map(|(place, _)| place).find(has_names)
    }

    /// Paths that no program may be able to open.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &Path> {
        let secrets = self.places.iter().filter(|(place, _)| place.kind == Kind::Secret);
        secrets.map(|(place, _)| place.path.as_path())
    }

    /// Personal places below `directory`.
    pub(super) fn personal_below<'a>(&'a self, directory: &'a Path) -> impl Iterator<Item = &'a Path> {
        let personal = self.places.iter().filter(|(place, _)| place.kind == Kind::Personal);
        personal.map(|(place, _)| place.path.as_path()).filter(move |path| path.starts_with(directory))
    }
}

impl Identity {
    fn of(path: &Path, mounted: &[Mounted]) -> Self {
        let number = |path: &Path| fs::symlink_metadata(path).ok().map(|found| (found.dev(), found.ino()));
        let chain = path.ancestors().filter_map(number).collect();
        Self { own: number(path), chain, location: Location::of(path, mounted) }
    }

    /// Whether `other` is this or lies in it.
    fn holds(&self, other: &Self) -> bool {
        let by_number = self.own.is_some_and(|own| other.chain.contains(&own));
        let by_location = match (&self.location, &other.location) {
            (Some(own), Some(other)) => own.device == other.device && other.path.starts_with(&own.path),
            _ => false,
        };
        by_number || by_location
    }
}

impl Location {
    fn of(path: &Path, mounted: &[Mounted]) -> Option<Self> {
        // Of several at one place, the last covers the others.
        let mount = mounted
            .iter()
            .filter(|mounted| path.starts_with(&mounted.at))
            .max_by_key(|mounted| mounted.at.components().count())?;
        let below = path.strip_prefix(&mount.at).ok()?;
        Some(Self { device: mount.root.device.clone(), path: mount.root.path.join(below) })
    }
}

impl Mounted {
    /// See proc_pid_mountinfo(5).
    fn read(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == b' ').skip(2);
        let device = String::from_utf8_lossy(words.next()?).into_owned();
        let (root, at) = (unescaped(words.next()?), unescaped(words.next()?));
        let kind = words.skip_while(|word| *word != b"-").nth(1).unwrap_or_default();
        let kind = String::from_utf8_lossy(kind).into_owned();
        Some(Self { root: Location { device, path: root }, at, kind })
    }
}

/// White space and backslashes are written as three octal digits.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guarded(places: &[(&'static str, PathBuf, Kind)]) -> Guarded {
        let place =
            |(what, path, kind): &(&'static str, PathBuf, Kind)| Private { what, path: path.clone(), kind: *kind };
        Guarded::new(&places.iter().map(place).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_secret_is_in_the_way_from_above_and_below_and_a_home_from_above_alone() {
        let parent = tempfile::tempdir().unwrap();
        let top = parent.path().canonicalize().unwrap();
        for directory in ["prefix/lib/state/store", "home/venv/lib"] {
            fs::create_dir_all(top.join(directory)).unwrap();
        }
        let state = top.join("prefix/lib/state");
        let guarded = guarded(&[("state", state.clone(), Kind::Secret), ("home", top.join("home"), Kind::Personal)]);
        let way = |path: &str| guarded.in_the_way(&top.join(path)).map(|private| private.what);
        assert_eq!(way("prefix"), Some("state"));
        assert_eq!(way("prefix/lib/state"), Some("state"));
        assert_eq!(way("prefix/lib/state/store"), Some("state"));
        assert_eq!(way("prefix/lib/state/not-yet"), Some("state"));
        assert_eq!(way("prefix/other"), None);
        assert_eq!((way("home"), way("home/venv/lib")), (Some("home"), None));
        assert_eq!(way(""), Some("state"));
        assert_eq!(guarded.secrets().collect::<Vec<_>>(), [state.as_path()]);
    }

    #[test]
    fn what_is_bound_elsewhere_is_the_same_place() {
        let line = |text: &str| Mounted::read(text.as_bytes()).unwrap();
        let mounted = [
            line("22 1 8:1 / / rw - ext4 /dev/sda1 rw"),
            line("23 22 8:1 /var/lib/belljar /opt/py/lib/x\\040y rw - ext4 /dev/sda1 rw"),
            line("24 22 0:5 / /tmp rw - tmpfs tmpfs rw"),
        ];
        let of =
            |path: &str| Identity { own: None, chain: Vec::new(), location: Location::of(Path::new(path), &mounted) };
        let state = of("/var/lib/belljar");
        assert_eq!(mounted[1].at, Path::new("/opt/py/lib/x y"));
        assert!(of("/opt/py/lib/x y").holds(&state) && state.holds(&of("/opt/py/lib/x y/store")));
        assert!(!of("/tmp/var/lib").holds(&state) && of("/var").holds(&state));
    }

    #[test]
    fn what_the_kernel_makes_is_told_from_files() {
        let line = |text: &str| Mounted::read(text.as_bytes()).unwrap();
        let mounted = vec![
            line("22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"),
            line("23 22 0:5 / /srv/jail/proc rw - proc proc rw"),
            line("24 22 0:6 / /dev rw master:2 - tmpfs tmpfs rw"),
        ];
        let guarded = Guarded { places: Vec::new(), mounted };
        let found = |path: &str| guarded.of_kernel(Path::new(path)).map(|place| place.to_str().unwrap());
        assert_eq!((found("/srv"), found("/srv/jail")), (Some("/srv/jail/proc"), Some("/srv/jail/proc")));
        assert_eq!((found("/srv/jail/proc/1"), found("/dev/shm")), (Some("/srv/jail/proc"), Some("/dev")));
        assert_eq!((found("/srv/jail/etc"), found("/home"), found("/procedures")), (None, None, None));
    }

    #[test]
    fn a_key_with_two_names_is_told() {
        let parent = tempfile::tempdir().unwrap();
        let key = parent.path().canonicalize().unwrap().join("key");
        fs::write(&key, "k").unwrap();
        let secret = [("key", key.clone(), Kind::Secret)];
        assert!(guarded(&secret).has_names().is_none());
        fs::hard_link(&key, key.with_extension("other")).unwrap();
        assert_eq!(guarded(&secret).has_names().unwrap().what, "key");
    }
}
