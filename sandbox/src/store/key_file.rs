//! The file of keys beside a store.
//!
//! It holds secrets of 32 bytes one after another, and nothing else. The first
//! is what this moment's objects are sealed with; all of them open what was
//! sealed with them. Their identifiers are derived from them, and stand in each
//! sealed object. A file of one key is how every store begins.
//!
//! A file is never changed, only replaced: who reads it has one state of it.
//!
//! One that an operator mounts (a secret of Kubernetes, the same for all servers) is
//! a link to what is replaced, belongs to whoever mounted it, and is never made here.

#![expect(clippy::disallowed_methods, reason = "owns the file of keys")]

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use object_store::path::Path as ObjectPath;

use super::ends::CloseReason;
use super::layout::{Object, parse};
use super::local::directory::{OBJECTS, is_private, unless_gone};
use super::seal::{KeyId, Keys, id_of};
use super::secret::{SECRET_BYTES, Secret, random_secret, weakness};
use crate::error::{Error, IoContext as _};
use crate::handle::SessionId;

const KEY: &str = "key";
/// As many as ten years of rotating twice a year leave, and fewer than make
/// looking for the end of a session slow.
const MAX_KEYS: usize = 20;

/// How long an object may be on its way to its place after it was sealed.
const IN_FLIGHT: Duration = Duration::from_secs(60);

/// By which a file is told from another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: (u64, u64),
    modified: (i64, i64),
    /// Of its permissions as well.
    changed: (i64, i64),
}

/// The keys of a store in a state directory.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// Of the store, or in which the file of an operator lies.
    directory: PathBuf,
    path: PathBuf,
    /// Whether it is an operator's.
    is_mounted: bool,
}

impl KeyFile {
    /// The keys of the store in `state_directory`.
    pub fn of(state_directory: &Path) -> Self {
        Self::in_store(&state_directory.join("store"))
    }

    /// The keys in a file of the operator's.
    pub fn at(path: &Path) -> Self {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self { directory: directory.to_path_buf(), path: path.to_path_buf(), is_mounted: true }
    }

    pub(super) fn in_store(directory: &Path) -> Self {
        Self { directory: directory.to_path_buf(), path: directory.join(KEY), is_mounted: false }
    }

    fn path(&self) -> &Path {
        &self.path
    }

    /// The keys by their identifiers, the one that seals first.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when the file is open to others or not one of keys;
    /// [`Error::NotFound`] when there is no store yet.
    pub fn ids(&self) -> Result<Vec<KeyId>, Error> {
        Ok(self.existing()?.iter().map(|secret| Keys::derive(secret).id()).collect())
    }

    /// Adds a key that seals from now on. Servers that run take it for their
    /// next commit, and open with it at once. Returns its identifier.
    ///
    /// # Errors
    ///
    /// As [`KeyFile::ids`], and [`Error::Denied`] when there are too many keys.
    pub fn rotate(&self) -> Result<KeyId, Error> {
        self.add_at(0)
    }

    /// Adds a key that opens and does not seal, so that all servers have it before
    /// one of them seals with it. Returns its identifier.
    ///
    /// # Errors
    ///
    /// As [`KeyFile::rotate`].
    pub fn add(&self) -> Result<KeyId, Error> {
        self.add_at(MAX_KEYS)
    }

    /// Has a key that there is already seal from now on.
    ///
    /// # Errors
    ///
    /// As [`KeyFile::ids`]; [`Error::NotFound`] when there is none of that identifier.
    pub fn seal_with(&self, id: &str) -> Result<(), Error> {
        let _lock = self.lock()?;
        let mut secrets = self.existing()?;
        let at = secrets.iter().position(|secret| Keys::derive(secret).id().to_string() == id);
        let secret = secrets.remove(at.ok_or_else(|| not_there(id))?);
        secrets.insert(0, secret);
        self.replace(&secrets)
    }

    fn add_at(&self, place: usize) -> Result<KeyId, Error> {
        let _lock = self.lock()?;
        let mut secrets = self.existing()?;
        if secrets.len() >= MAX_KEYS {
            return Err(Error::Denied {
                action: "adding a key".into(),
                reason: format!("a store has at most {MAX_KEYS}, got {}; forget one that seals nothing", secrets.len()),
            });
        }
        let new = random_secret()?;
        secrets.insert(place.min(secrets.len()), new);
        self.replace(&secrets)?;
        Ok(Keys::derive(&new).id())
    }

    /// Removes a key that nothing is sealed with any more.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when something is, when what is stored lies elsewhere
    /// and nobody can tell, it is the one that seals, or that changed less than a
    /// minute ago; [`Error::NotFound`] when
    /// there is none of that identifier.
    pub fn forget(&self, id: &str) -> Result<(), Error> {
        let _lock = self.lock()?;
        let mut secrets = self.existing()?;
        let found = secrets.iter().map(Keys::derive).enumerate().find(|(_, keys)| keys.id().to_string() == id);
        let denied = |reason| Error::Denied { action: format!("forgetting key {id}"), reason };
        let Some((at, keys)) = found else { return Err(not_there(id)) };
        if at == 0 {
            return Err(denied("it is the one that seals; `belljar store-keys rotate` first".into()));
        }
        let Some((objects, sessions)) = self.sealed_with(&keys)? else {
            let objects = self.directory.join(OBJECTS);
            return Err(denied(if self.is_mounted {
                "whether it is needed cannot be told, since sessions lie elsewhere: it may go once sessions have lived as \
                 long as they may since another key seals"
                    .to_owned()
            } else {
                format!("whether it is needed cannot be told: nothing is stored in {}", objects.display())
            }));
        };
        if objects > 0 {
            let some: Vec<_> = sessions.iter().take(3).map(ToString::to_string).collect();
            return Err(denied(format!(
                "{objects} objects of {} sessions are sealed with it ({}{}); close these sessions, or wait until they \
                 expire",
                sessions.len(),
                some.join(", "),
                if sessions.len() > some.len() { ", …" } else { "" }
            )));
        }
        if let Some(age) = self.age().filter(|age| *age < IN_FLIGHT) {
            return Err(denied(format!(
                "the keys were changed {} s ago, and a server may still store what it sealed before: try again {} s \
                 later",
                age.as_secs(),
                (IN_FLIGHT - age).as_secs() + 1
            )));
        }
        secrets.remove(at);
        self.replace(&secrets)
    }

    /// The secrets, which are made if there are none.
    pub(super) fn open(&self) -> Result<Vec<Secret>, Error> {
        if let Some(secrets) = self.read()? {
            return Ok(secrets);
        }
        if self.is_mounted {
            return self.existing();
        }
        self.make().doing(|| format!("make the key {}", self.path().display()))?;
        self.read()?.ok_or_else(|| Error::host(format!("read the key {}", self.path().display()), "it vanished"))
    }

    /// What is there now; none where nothing is.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let metadata = if self.is_mounted { fs::metadata(self.path()) } else { fs::symlink_metadata(self.path()) };
        let metadata = metadata.ok()?;
        let modified = (metadata.mtime(), metadata.mtime_nsec());
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Some(Stamp { inode: (metadata.dev(), metadata.ino()), modified, changed })
    }

    /// How long ago the keys changed; none where that is in the future.
    fn age(&self) -> Option<Duration> {
        fs::symlink_metadata(self.path()).ok()?.modified().ok()?.elapsed().ok()
    }

    fn existing(&self) -> Result<Vec<Secret>, Error> {
        let advice = if self.is_mounted {
            "; it is named by `store_keys` and must be there: 32 random bytes in a file that only its owner reads, the \
             same for all servers over one store"
        } else {
            "; the first session makes one"
        };
        self.read()?.ok_or_else(|| Error::NotFound { kind: "key", id: self.path().display().to_string(), advice })
    }

    pub(super) fn read(&self) -> Result<Option<Vec<Secret>>, Error> {
        let path = self.path();
        let doing = || format!("read the key {}", path.display());
        let links = if self.is_mounted { 0 } else { libc::O_NOFOLLOW };
        let opened = OpenOptions::new().read(true).custom_flags(links | libc::O_NONBLOCK).open(path);
        let Some(mut file) = unless_gone(opened).doing(doing)? else { return Ok(None) };
        let metadata = file.metadata().doing(doing)?;
        let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        let is_whole = length.is_multiple_of(SECRET_BYTES) && (1..=MAX_KEYS).contains(&(length / SECRET_BYTES));
        // A group reads what Kubernetes mounts for users that are not root.
        let (is_closed, closed) = if self.is_mounted {
            let is_closed = metadata.mode() & 0o027 == 0;
            (
                is_closed,
                "that nobody but its owner can change and nobody but its owner and group read (0400, 0440, 0600)",
            )
        } else {
            (is_private(&metadata), "of mode 0600 that belongs to the user of this process")
        };
        if !metadata.is_file() || !is_whole || !is_closed {
            return Err(Error::Denied {
                action: format!("using the key {}", path.display()),
                reason: format!(
                    "it must be a file of 32 bytes for each key, 1 to {MAX_KEYS} of them, and {closed}; it has {} bytes \
                     and mode {:04o}",
                    metadata.len(),
                    metadata.mode() & 0o7777
                ),
            });
        }
        let mut bytes = vec![0; length];
        file.read_exact(&mut bytes).doing(doing)?;
        let (secrets, _) = bytes.as_chunks::<SECRET_BYTES>();
        for (number, secret) in (1..).zip(secrets) {
            if let Some(weakness) = weakness(secret) {
                return Err(Error::Denied {
                    action: format!("using the key {}", path.display()),
                    reason: format!(
                        "key {number} of {} in it is not random: {weakness}; take 32 bytes from the system, as \
                         `head -c 32 /dev/urandom` does",
                        secrets.len()
                    ),
                });
            }
        }
        Ok(Some(secrets.to_vec()))
    }

    /// Makes the first key, unless another server is faster.
    fn make(&self) -> io::Result<()> {
        let mut secret = [0; SECRET_BYTES];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        match self.staged(&[secret])?.persist_noclobber(self.path()) {
            Ok(_) => File::open(&self.directory)?.sync_all(),
            Err(refused) if refused.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(refused) => Err(refused.error),
        }
    }

    fn replace(&self, secrets: &[Secret]) -> Result<(), Error> {
        let replaced = self.staged(secrets).and_then(|file| Ok(file.persist(self.path()).map(drop)?));
        let synced = replaced.and_then(|()| File::open(&self.directory)?.sync_all());
        synced.doing(|| format!("replace the key {}", self.path().display()))
    }

    /// Sessions are lost with their key: it must not be younger than they are.
    fn staged(&self, secrets: &[Secret]) -> io::Result<tempfile::NamedTempFile> {
        let mut file = tempfile::Builder::new().prefix(".part-").tempfile_in(&self.directory)?;
        file.write_all(secrets.as_flattened())?;
        file.as_file().sync_all()?;
        Ok(file)
    }

    /// Keeps others from replacing the file meanwhile.
    fn lock(&self) -> Result<Flock<File>, Error> {
        let doing = || format!("lock the store {}", self.directory.display());
        self.existing()?;
        let directory = File::open(&self.directory).doing(doing)?;
        Flock::lock(directory, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error)).doing(doing)
    }

    /// How many objects in files depend on a key, and of which sessions; none
    /// where objects are no files.
    fn sealed_with(&self, keys: &Keys) -> Result<Option<(usize, BTreeSet<SessionId>)>, Error> {
        let root = self.directory.join(OBJECTS);
        if self.is_mounted || !root.is_dir() {
            return Ok(None);
        }
        let (mut objects, mut sessions) = (0, BTreeSet::new());
        let mut folders = vec![root.clone()];
        let looked = (|| {
            while let Some(folder) = folders.pop() {
                for entry in unless_gone(fs::read_dir(&folder))?.into_iter().flatten() {
                    let path = entry?.path();
                    let Some(metadata) = unless_gone(fs::symlink_metadata(&path))? else { continue };
                    if metadata.is_dir() {
                        folders.push(path);
                    } else if let Some(session) = depends_on(keys, &root, &path)? {
                        objects += 1;
                        sessions.insert(session);
                    }
                }
            }
            Ok(())
        })();
        looked.doing(|| format!("look for what is sealed in {}", root.display()))?;
        Ok(Some((objects, sessions)))
    }
}

fn not_there(id: &str) -> Error {
    Error::NotFound {
        kind: "key",
        id: id.chars().take(40).collect(),
        advice: "; `belljar store-keys` lists those that there are",
    }
}

/// The session of an object that is of no use without a key.
fn depends_on(keys: &Keys, root: &Path, path: &Path) -> io::Result<Option<SessionId>> {
    let relative = path.strip_prefix(root).ok().and_then(Path::to_str);
    let object = relative.and_then(|path| parse(&ObjectPath::parse(path).ok()?));
    let Some((owner, session, object)) = object else { return Ok(None) };
    if let Object::End(hash) = object {
        let is_ours = CloseReason::ALL.into_iter().any(|reason| keys.end_hash(&owner, &session, reason) == hash);
        return Ok(is_ours.then_some(session));
    }
    let opened = OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK).open(path);
    let Some(file) = unless_gone(opened)? else { return Ok(None) };
    let mut header = Vec::new();
    file.take(64).read_to_end(&mut header)?;
    Ok(id_of(&header).filter(|id| *id == keys.id()).map(|_| session))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use std::time::SystemTime;

    use super::*;

    #[test]
    fn a_key_that_is_mounted_is_never_made_and_taken_through_a_link_from_whoever_mounts_it() {
        let parent = tempfile::tempdir().unwrap();
        let (data, path) = (parent.path().join("data"), parent.path().join("ring"));
        let keys = KeyFile::at(&path);
        assert!(keys.open().unwrap_err().to_string().contains("must be there: 32 random bytes"));
        assert!(!path.exists());
        let secret = random_secret().unwrap();
        fs::write(&data, secret).unwrap();
        std::os::unix::fs::symlink("data", &path).unwrap();
        for (mode, taken) in
            [(0o400, true), (0o440, true), (0o600, true), (0o444, false), (0o660, false), (0o620, false)]
        {
            fs::set_permissions(&data, fs::Permissions::from_mode(mode)).unwrap();
            let opened = keys.open();
            assert_eq!(opened.is_ok(), taken, "{mode:o}");
            if let Err(error) = opened {
                assert!(error.to_string().ends_with(&format!("it has 32 bytes and mode {mode:04o}")), "{error}");
            }
        }
        fs::set_permissions(&data, fs::Permissions::from_mode(0o400)).unwrap();
        // What Kubernetes does: the link leads to another file from one moment on.
        let before = keys.stamp();
        fs::write(parent.path().join("new"), [random_secret().unwrap(), secret].concat()).unwrap();
        fs::set_permissions(parent.path().join("new"), fs::Permissions::from_mode(0o400)).unwrap();
        fs::rename(parent.path().join("new"), &data).unwrap();
        assert!(keys.stamp() != before && keys.open().unwrap().len() == 2);
    }

    #[test]
    fn a_key_is_added_before_anything_is_sealed_with_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("ring");
        fs::write(&path, random_secret().unwrap()).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let keys = KeyFile::at(&path);
        let first = keys.ids().unwrap().remove(0);
        let second = keys.add().unwrap();
        assert_eq!(keys.ids().unwrap(), [first, second]);
        keys.seal_with(&second.to_string()).unwrap();
        assert_eq!(keys.ids().unwrap(), [second, first]);
        assert!(keys.seal_with("0123456789abcdef").unwrap_err().to_string().contains("no key `0123456789abcdef`"));
        assert!(keys.forget(&first.to_string()).unwrap_err().to_string().contains("sessions lie elsewhere"));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn servers_that_start_at_once_agree_on_one_key() {
        let parent = tempfile::tempdir().unwrap();
        let barrier = std::sync::Barrier::new(8);
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let start = || {
                barrier.wait();
                KeyFile::in_store(parent.path()).open().unwrap()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]) && secrets[0] != [[0; 32]]);
        let names: Vec<_> = fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, [KEY]);
        assert_eq!(fs::metadata(parent.path().join(KEY)).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_cut_off_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let (path, keys) = (parent.path().join(KEY), KeyFile::in_store(parent.path()));
        keys.open().unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = keys.open().unwrap_err().to_string();
        assert!(error.contains("mode 0600") && error.contains("/key"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        keys.open().unwrap();
        for bytes in [0, 5, 33, 32 * 21] {
            fs::write(&path, vec![7; bytes]).unwrap();
            assert!(keys.open().unwrap_err().to_string().contains("32 bytes for each key, 1 to 20"), "{bytes}");
        }
    }

    #[test]
    fn a_key_that_is_not_random_is_refused_wherever_it_is_in_the_ring() {
        let parent = tempfile::tempdir().unwrap();
        let strong = random_secret().unwrap();
        for keys in [KeyFile::in_store(parent.path()), KeyFile::at(&parent.path().join("ring"))] {
            let put = |ring: &[Secret]| {
                fs::write(keys.path(), ring.as_flattened()).unwrap();
                fs::set_permissions(keys.path(), fs::Permissions::from_mode(0o600)).unwrap();
            };
            put(&[strong, [7; 32]]);
            let refused = keys.open().unwrap_err().to_string();
            assert!(refused.contains("key 2 of 2 in it is not random: all of its bytes are the same"), "{refused}");
            put(&[*b"correct horse battery staple 123", strong]);
            let refused = keys.add().unwrap_err().to_string();
            assert!(
                refused.contains("key 1 of 2 in it is not random: it is text") && !refused.contains("horse"),
                "{refused}"
            );
            put(&[strong]);
            keys.open().unwrap();
        }
    }

    #[test]
    fn keys_that_are_added_at_once_are_all_there_and_the_last_one_seals() {
        let parent = tempfile::tempdir().unwrap();
        fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let keys = KeyFile::in_store(parent.path());
        assert!(matches!(keys.rotate(), Err(Error::NotFound { .. })), "there is no store");
        keys.open().unwrap();
        let first = keys.ids().unwrap().remove(0);
        let added: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| keys.rotate().unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        let last = keys.rotate().unwrap();
        let ids = keys.ids().unwrap();
        assert!(ids.len() == 10 && ids[0] == last && ids[9] == first && added.iter().all(|id| ids.contains(id)));
        let error = keys.forget(&last.to_string()).unwrap_err().to_string();
        assert!(error.contains("the one that seals"), "{error}");
        assert!(keys.forget("0123456789abcdef").unwrap_err().to_string().contains("no key `0123456789abcdef`"));
        let error = keys.forget(&first.to_string()).unwrap_err().to_string();
        assert!(error.contains("cannot be told: nothing is stored in"), "{error}");
        fs::create_dir(parent.path().join(OBJECTS)).unwrap();
        File::open(keys.path()).unwrap().set_modified(SystemTime::now() - IN_FLIGHT - Duration::from_secs(1)).unwrap();
        keys.forget(&first.to_string()).unwrap();
        assert!(!keys.ids().unwrap().contains(&first));
        for _ in 9..MAX_KEYS {
            keys.rotate().unwrap();
        }
        assert!(keys.rotate().unwrap_err().to_string().contains("at most 20, got 20"));
    }
}
