//! What an instance has outside its memory, saved and brought back: its open
//! files, its clock, and its place in repeatable entropy.
//!
//! Descriptors live on in the guest's memory as numbers, so every file comes
//! back under its own. What cannot come back as the file it was is poisoned.
//! Nothing here reads or writes the guest's memory.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p1::types::{Fdflags, Filestat, Filetype, Lookupflags, Oflags, Rights, Whence};
use wasmtime_wasi::p1::wasi_snapshot_preview1::WasiSnapshotPreview1 as _;
use wiggle::{GuestMemory, GuestPtr};

use super::WORKSPACE_FD;
use super::byte_names::{self, Found, How};
use super::devices::Device;
use super::entropy::Entropy;
use super::files::next_resource;
use super::folders;
use super::mounts::{self, Target};
use super::open_files::{FIRST, MAX_OPEN_FILES, MAX_PATH_BYTES};
use crate::error::Error;
use crate::wasm::host::Host;

/// The state of a [`Host`] between runs. Whatever it holds when it comes back,
/// it opens nothing but files of the workspace and of mounts, and boundedly many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostState {
    /// What the session's clock shows.
    pub(crate) clock_ns: u64,
    /// How many repeatable random bytes were drawn.
    pub(crate) entropy: u64,
    /// Open files by their numbers.
    #[serde(deserialize_with = "bounded_files")]
    files: BTreeMap<u32, OpenFile>,
    /// A number above all that were ever taken: it decides which is taken next.
    #[serde(deserialize_with = "bounded_end")]
    end: u32,
}

/// What a descriptor stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum OpenFile {
    File {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
        /// The size of the file, and when it was last modified, in nanoseconds: what it
        /// was as far as a name can tell. What lies there later may be another.
        version: (u64, u64),
        read: bool,
        write: bool,
        append: bool,
        nonblocking: bool,
        offset: u64,
    },
    Directory {
        #[serde(with = "serde_bytes")]
        path: Vec<u8>,
    },
    /// A file that has no name any more.
    Stale,
    Device(Device),
}

fn bounded_files<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<u32, OpenFile>, D::Error> {
    let files = BTreeMap::<u32, OpenFile>::deserialize(deserializer)?;
    let numbers = FIRST..FIRST + MAX_OPEN_FILES;
    if files.keys().any(|number| !numbers.contains(number)) {
        return Err(de::Error::custom("a descriptor is out of range"));
    }
    if files.values().any(|file| file.path().is_some_and(|path| path.len() > MAX_PATH_BYTES)) {
        return Err(de::Error::custom("the path of an open file is too long"));
    }
    Ok(files)
}

fn bounded_end<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let end = u32::deserialize(deserializer)?;
    if end > FIRST + MAX_OPEN_FILES {
        return Err(de::Error::custom("there were too many descriptors"));
    }
    Ok(end)
}

impl OpenFile {
    /// The rights and flags that it was opened with. A directory is there to be read.
    fn opened_for(&self) -> (Rights, Fdflags) {
        let (mut rights, mut flags) = (Rights::FD_READ, Fdflags::empty());
        if let Self::File { read, write, append, nonblocking, .. } = self {
            rights.set(Rights::FD_READ, *read);
            rights.set(Rights::FD_WRITE, *write);
            flags.set(Fdflags::APPEND, *append);
            flags.set(Fdflags::NONBLOCK, *nonblocking);
        }
        (rights, flags)
    }

    fn path(&self) -> Option<&[u8]> {
        match self {
            Self::File { path, .. } | Self::Directory { path } => Some(path),
            Self::Stale | Self::Device(_) => None,
        }
    }
}

impl Host {
    /// What must be known to go on in another instance. Between runs only.
    pub(in crate::wasm) async fn capture(&mut self) -> HostState {
        let mut files = BTreeMap::new();
        for number in self.open_files.numbers().collect::<Vec<_>>() {
            if let Some(device) = self.open_files.device(number) {
                files.insert(number, OpenFile::Device(device));
                continue;
            }
            let path = self.open_files.path(number).map(<[u8]>::to_vec);
            let resource = self.open_files.resource(number);
            let file = match path {
                Some(path) if self.open_files.is_folder(number) => Some(OpenFile::Directory { path }),
                Some(path) => {
                    let mounted = mounts::still_at(self, (number, resource), &path);
                    describe(self.wasi(), (number, resource), path, mounted).await
                }
                None => None,
            };
            files.insert(number, file.unwrap_or(OpenFile::Stale));
        }
        HostState {
            clock_ns: self.clock.position(),
            entropy: self.entropy.as_ref().map_or(0, Entropy::position),
            files,
            end: self.open_files.end(),
        }
    }

    /// Goes on from `state`. Right after [`Host::open`].
    pub(in crate::wasm) async fn restore(&mut self, state: &HostState) -> Result<(), Error> {
        self.clock.resume(state.clock_ns);
        if let Some(entropy) = &self.entropy {
            entropy.resume(state.entropy);
        }
        // Wasmtime gives a new descriptor the next number as long as none was
        // closed, so every number is taken in order, and what is too much is
        // closed at the end.
        let last = state.files.last_key_value().map_or(FIRST, |(number, _)| *number + 1);
        let mut unused = Vec::new();
        for number in FIRST..state.end.max(last) {
            let file = state.files.get(&number);
            let elsewhere = file.and_then(OpenFile::path).filter(|path| path.starts_with(b"/"));
            let reopened = match (file, elsewhere) {
                (Some(file), Some(path)) => reopen_elsewhere(self, file, path).await,
                (Some(file), None) => reopen(self.wasi(), file).await,
                (None, _) => None,
            };
            let taken = match reopened {
                Some(taken) => Some(taken),
                None => open_directory(self.wasi(), b".").await,
            };
            let Some((_, resource)) = taken.filter(|(taken, _)| *taken == number) else {
                return Err(Error::host("restore the open files of a guest", "a descriptor got no number or another"));
            };
            match (file.and_then(OpenFile::path), reopened) {
                (Some(_), Some(_)) if elsewhere.is_some() => {}
                (Some(path), Some(_)) => self.open_files.opened(number, resource, WORKSPACE_FD.cast_unsigned(), path),
                _ => match file {
                    Some(OpenFile::Device(device)) => self.open_files.opened_device(number, *device),
                    Some(_) => self.open_files.poison(number),
                    None => unused.push(number),
                },
            }
        }
        for number in unused {
            close(self.wasi(), number).await;
            self.open_files.closed(number);
        }
        Ok(())
    }
}

/// What `number` stands for, if it still lies at `path`. `mounted` is what is
/// found there if that is in a mount.
async fn describe(
    wasi: &mut WasiP1Ctx,
    (number, resource): Opened,
    path: Vec<u8>,
    mounted: Option<Option<Found>>,
) -> Option<OpenFile> {
    let (is_directory, version) = match mounted {
        Some(found) => found.map(|found| (found.is_directory, found.version))?,
        None => described(wasi, (number, resource), &path).await?,
    };
    if is_directory {
        return Some(OpenFile::Directory { path });
    }
    let memory = &mut GuestMemory::Unshared(&mut []);
    let status = wasi.fd_fdstat_get(memory, number.into()).await.ok()?;
    Some(OpenFile::File {
        path,
        version,
        read: status.fs_rights_base.contains(Rights::FD_READ),
        write: status.fs_rights_base.contains(Rights::FD_WRITE),
        append: status.fs_flags.contains(Fdflags::APPEND),
        nonblocking: status.fs_flags.contains(Fdflags::NONBLOCK),
        offset: wasi.fd_tell(memory, number.into()).ok()?,
    })
}

/// Whether what is open still lies at `path`, and is a directory, and which file otherwise.
async fn described(wasi: &mut WasiP1Ctx, (number, resource): Opened, path: &[u8]) -> Option<(bool, (u64, u64))> {
    // A device and inode stay taken as long as the file is open.
    if !is_utf8(path) {
        let (open, named) = (byte_names::find_open(wasi, resource?)?, byte_names::find(wasi, path).await?);
        let is_same = open.identity == named.identity && open.is_directory == named.is_directory;
        return is_same.then_some((named.is_directory, named.version));
    }
    let memory = &mut GuestMemory::Unshared(&mut []);
    let open = wasi.fd_filestat_get(memory, number.into()).await.ok()?;
    let named = stat(wasi, path).await?;
    // Wasmtime derives `ino` from both.
    let is_same = open.ino == named.ino && open.filetype == named.filetype;
    is_same.then(|| (open.filetype == Filetype::Directory, version(&named)))
}

fn is_utf8(path: &[u8]) -> bool {
    std::str::from_utf8(path).is_ok()
}

fn version(stat: &Filestat) -> (u64, u64) {
    (stat.size, stat.mtim)
}

/// A descriptor, and its entry in Wasmtime's table if that is known.
pub(in crate::wasm) type Opened = (u32, Option<u32>);

/// Opens a file as it was, and never makes or empties one.
async fn reopen(wasi: &mut WasiP1Ctx, file: &OpenFile) -> Option<Opened> {
    let (path, known, offset) = match file {
        OpenFile::File { path, version, offset, .. } => (path, *version, *offset),
        OpenFile::Directory { path } => return open_directory(wasi, path).await,
        OpenFile::Stale | OpenFile::Device(_) => return None,
    };
    // Looked at first: opening something else, a FIFO say, could do harm.
    let found = if is_utf8(path) {
        let found = stat(wasi, path).await?;
        (found.filetype == Filetype::RegularFile).then(|| version(&found))
    } else {
        byte_names::find(wasi, path).await.filter(|found| !found.is_directory).map(|found| found.version)
    };
    if found != Some(known) {
        return None;
    }
    let (rights, flags) = file.opened_for();
    let offset = i64::try_from(offset).ok()?;
    let (number, resource) = open(wasi, path, Oflags::empty(), rights, flags).await?;
    let memory = &mut GuestMemory::Unshared(&mut []);
    if wasi.fd_seek(memory, number.into(), offset, Whence::Set).await.is_err() {
        close(wasi, number).await;
        return None;
    }
    Some((number, resource))
}

/// Opens a file that does not lie in the workspace as it was, as far as it is to be seen here.
async fn reopen_elsewhere(host: &mut Host, file: &OpenFile, path: &[u8]) -> Option<Opened> {
    let (known, offset) = match file {
        OpenFile::File { version, offset, .. } => (Some(*version), *offset),
        OpenFile::Directory { .. } => (None, 0),
        OpenFile::Stale | OpenFile::Device(_) => return None,
    };
    let mounted = match (mounts::target(host, WORKSPACE_FD, path), known) {
        (Target::Mounted(mounted), _) => mounted,
        (Target::Folder(path), None) => return folders::open(host, path).await,
        _ => return None,
    };
    if mounted.version(host)? != known {
        return None;
    }
    let (rights, flags) = file.opened_for();
    let offset = i64::try_from(offset).ok()?;
    let oflags = if known.is_none() { Oflags::DIRECTORY } else { Oflags::empty() };
    let opened = mounts::open(host, &mounted, How { follow: false, oflags, rights, flags }).await.ok()?;
    let memory = &mut GuestMemory::Unshared(&mut []);
    if known.is_some() && host.wasi().fd_seek(memory, opened.0.into(), offset, Whence::Set).await.is_err() {
        close(host.wasi(), opened.0).await;
        host.open_files.closed(opened.0);
        return None;
    }
    Some(opened)
}

/// Opens a directory. Where a guest was in reading it, the guest knows.
pub(in crate::wasm) async fn open_directory(wasi: &mut WasiP1Ctx, path: &[u8]) -> Option<Opened> {
    open(wasi, path, Oflags::DIRECTORY, Rights::FD_READ, Fdflags::empty()).await
}

async fn open(wasi: &mut WasiP1Ctx, path: &[u8], oflags: Oflags, rights: Rights, flags: Fdflags) -> Option<Opened> {
    if is_utf8(path) {
        return open_utf8(wasi, path, oflags, rights, flags).await;
    }
    // The future is boxed, because that function opens by way of this one.
    Box::pin(byte_names::open_again(wasi, path, How { follow: false, oflags, rights, flags })).await
}

/// Opens what lies at a path that Wasmtime takes.
pub(super) async fn open_utf8(
    wasi: &mut WasiP1Ctx,
    path: &[u8],
    oflags: Oflags,
    rights: Rights,
    flags: Fdflags,
) -> Option<Opened> {
    let resource = next_resource(wasi);
    let (mut bytes, path) = argument(wasi, path)?;
    let memory = &mut GuestMemory::Unshared(&mut bytes);
    let (directory, lookup) = (WORKSPACE_FD.into(), Lookupflags::empty());
    let opened = wasi.path_open(memory, directory, lookup, path, oflags, rights, rights, flags).await;
    Some((opened.ok()?.into(), resource))
}

async fn stat(wasi: &mut WasiP1Ctx, path: &[u8]) -> Option<Filestat> {
    let (mut bytes, path) = argument(wasi, path)?;
    let memory = &mut GuestMemory::Unshared(&mut bytes);
    wasi.path_filestat_get(memory, WORKSPACE_FD.into(), Lookupflags::empty(), path).await.ok()
}

pub(super) async fn close(wasi: &mut WasiP1Ctx, number: u32) {
    // Closing fails for numbers that are not open only.
    let _ = wasi.fd_close(&mut GuestMemory::Unshared(&mut []), number.into()).await;
}

/// Memory that holds `path`, the workspace itself being `.`, and its place.
pub(super) fn argument(wasi: &mut WasiP1Ctx, path: &[u8]) -> Option<(Vec<u8>, GuestPtr<str>)> {
    let bytes = if path.is_empty() { b".".to_vec() } else { path.to_vec() };
    let size = u32::try_from(bytes.len()).ok()?;
    wasi.set_hostcall_fuel(bytes.len());
    Some((bytes, GuestPtr::new((0, size))))
}

#[cfg(test)]
mod tests;
