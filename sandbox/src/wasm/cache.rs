//! Compiled guest images on disk.
//!
//! A file is named for the image, for everything compiled code depends on, and
//! for its own content, so that the name alone says whether a file is the
//! right one and whole. It appears by rename and is never changed. The
//! directory is for its owner alone, and no guest process can reach it.

#![expect(clippy::disallowed_methods, reason = "owns the files of the cache")]

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use guest_runtimes::{GuestRuntime, Image};
use nix::fcntl::{Flock, FlockArg};

use super::engine;
use super::engine::Processors;
use crate::error::{Error, IoContext as _};

/// Names one guest image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ImageName<'a> {
    /// The language id.
    pub(crate) runtime: &'a str,
    /// SHA-256 of the image in hexadecimal.
    pub(crate) digest: &'a str,
}

impl<'a> ImageName<'a> {
    /// The name of an image of this build.
    pub(crate) fn of(runtime: &'a GuestRuntime, image: &'a Image) -> Self {
        Self { runtime: runtime.id(), digest: image.digest() }
    }
}

/// The directory of compiled images.
#[derive(Clone, Debug)]
pub struct CodeCache {
    directory: PathBuf,
    /// The processors for which code is compiled that the cache does not have.
    processors: Processors,
    /// The name of what compiled code depends on.
    compatibility: String,
}

impl CodeCache {
    /// Opens the cache, and makes it if it is not there.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when others than its owner could write to it,
    /// [`Error::Host`] when it cannot be made.
    pub fn open(directory: PathBuf) -> Result<Self, Error> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .doing(|| format!("make the cache {}", directory.display()))?;
        let metadata =
            fs::symlink_metadata(&directory).doing(|| format!("look at the cache {}", directory.display()))?;
        let safe =
            metadata.is_dir() && metadata.mode() & 0o077 == 0 && metadata.uid() == nix::unistd::geteuid().as_raw();
        if !safe {
            return Err(Error::Denied {
                action: format!("running code from the cache {}", directory.display()),
                reason: "it must be a directory of mode 0700 that belongs to the user of this process".into(),
            });
        }
        let processors = Processors::LikeThis;
        Ok(Self { directory, processors, compatibility: engine::compatibility(processors)? })
    }

    /// This cache, for compiling for these processors.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when this machine cannot.
    pub fn for_processors(self, processors: Processors) -> Result<Self, Error> {
        Ok(Self { processors, compatibility: engine::compatibility(processors)?, ..self })
    }

    /// The processors that this cache compiles for.
    pub(crate) const fn processors(&self) -> Processors {
        self.processors
    }

    /// Where it lies.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The compiled image, verified, if it is there.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the directory cannot be read.
    pub(crate) fn find(&self, image: ImageName<'_>) -> Result<Option<File>, Error> {
        let found = self.find_with(&prefix(image, &self.compatibility))?;
        if found.is_some() || self.processors == Processors::All {
            return Ok(found);
        }
        self.find_with(&prefix(image, &engine::compatibility(Processors::All)?))
    }

    fn find_with(&self, prefix: &str) -> Result<Option<File>, Error> {
        let entries = fs::read_dir(&self.directory).doing(|| format!("read the cache {}", self.directory.display()))?;
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            let Some(digest) = name.to_str().and_then(|name| name.strip_prefix(prefix)?.strip_suffix(".cwasm")) else {
                continue;
            };
            let path = entry.path();
            let verified = File::open(&path).and_then(|file| Ok((digest_of(&file)? == digest).then_some(file)));
            match verified {
                Ok(Some(file)) => return Ok(Some(file)),
                // An image that was removed as damaged will be compiled again.
                Ok(None) => {
                    tracing::warn!(path = %path.display(), "a damaged compiled image was removed");
                    let _ = fs::remove_file(&path);
                }
                Err(error) => tracing::warn!(%error, path = %path.display(), "a compiled image cannot be read"),
            }
        }
        Ok(None)
    }

    /// Compiles the image in `compressed` and puts it into the cache, unless
    /// another process has done so meanwhile. Runs in a process of its own: see `role.rs`.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the image is damaged or another than its name
    /// says, breaks a rule of the guest ABI, or the disk is full.
    pub(crate) fn compile(&self, name: ImageName<'_>, compressed: &[u8]) -> Result<(), Error> {
        let lock_path = self.directory.join("lock");
        let lock_file = File::create(&lock_path).doing(|| format!("open {}", lock_path.display()))?;
        let _lock = Flock::lock(lock_file, FlockArg::LockExclusive)
            .map_err(|(_, error)| io::Error::from(error))
            .doing(|| format!("lock {}", lock_path.display()))?;
        if self.find(name)?.is_some() {
            return Ok(());
        }
        let image = guest_runtimes::unpack(compressed, name.digest)
            .map_err(|source| Error::host("unpack a guest image", source))?;
        // Merging, resetting and copying would be wrong for any other.
        guest_runtimes::rules::check(&image).map_err(|source| Error::host("accept a guest image", source))?;
        let compiled = engine::compile(&image, self.processors)?;
        let name = format!("{}{}.cwasm", prefix(name, &self.compatibility), blake3::hash(&compiled).to_hex());
        let mut file = tempfile::Builder::new()
            .prefix(".part-")
            .tempfile_in(&self.directory)
            .doing(|| format!("make a file in {}", self.directory.display()))?;
        file.write_all(&compiled)
            .and_then(|()| file.as_file().sync_all())
            .and_then(|()| file.persist(self.directory.join(name)).map_err(io::Error::from))
            .doing(|| format!("write a compiled image to {}", self.directory.display()))?;
        Ok(())
    }
}

fn prefix(image: ImageName<'_>, compatibility: &str) -> String {
    let digest = image.digest.get(..16).unwrap_or(image.digest);
    format!("{}-{digest}-{compatibility}-", image.runtime)
}

fn digest_of(file: &File) -> io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file)?;
    Ok(hasher.finalize().to_hex().to_string())
}
