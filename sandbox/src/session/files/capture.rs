//! Takes files from the directory to the store.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{BLOB_BYTES, Content, INLINE_BYTES, Manifest, Record};
use super::path::TreePath;
use super::{BATCH, SMALL_BYTES, Tree, in_parts};
use crate::error::{Error, IoContext as _};
use crate::handle::{Principal, SessionId};
use crate::store::{BlobHash, BlobName, Store, blocking};
use crate::workspace::Workspace;
use crate::workspace::path_map::PathMap;
use crate::workspace::survey::{DirectoryStamp, FileKind, FileStamp, Survey};

/// What the directory holds, as far as it was known or small.
struct Draft {
    survey: Survey,
    /// What is kept of each file of the survey.
    kept: Vec<Kept>,
    directories: PathMap<DirectoryStamp>,
    /// Which files have content that is to become blobs.
    large: Vec<usize>,
    /// How many bytes of those contents are new for certain.
    new_bytes: u64,
    /// How many other files were read.
    small: usize,
}

/// What is kept of a file.
enum Kept {
    /// The file is there and not kept, or not yet.
    Nothing,
    Record(Record),
    /// The file is there no more.
    Gone,
}

/// Where contents go, and what is there already.
#[derive(Clone)]
struct Sink {
    workspace: Arc<Workspace>,
    store: Store,
    principal: Principal,
    session: SessionId,
    sequence: u64,
    known: Arc<HashMap<BlobHash, BlobName>>,
}

/// Which file was read, and if it was still there its stamp, and what is kept.
type Taken = (usize, Option<(FileStamp, Record)>);

impl Tree {
    /// What the workspace holds now; nothing may write to it meanwhile.
    /// `self` is what it held before, and all that it refers to must be in the
    /// last commit of the session. Takes a survey that is at hand.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when the store has no room.
    ///
    /// # Cancellation
    ///
    /// Safe: blobs that nothing refers to are collected.
    pub(crate) async fn capture(
        &self,
        workspace: &Arc<Workspace>,
        survey: Option<Survey>,
        store: &Store,
        principal: &Principal,
        session: &SessionId,
        sequence: u64,
    ) -> Result<Self, Error> {
        if survey.as_ref().is_some_and(|survey| self.survey.is_all_unchanged(survey)) {
            return Ok(self.clone());
        }
        let (before, files) = (self.clone(), Arc::clone(workspace));
        let draft = blocking("look at a workspace", move || before.draft(&files, survey)).await?;
        let Some(mut draft) = draft else { return Ok(self.clone()) };
        let (read, of) = (draft.small + draft.large.len(), draft.survey.files.len());
        tracing::debug!(%session, read, of, "files are read to be saved");
        if !draft.large.is_empty() {
            // The space is checked before anything is written, as far as can be told: a
            // file that kept its size may have kept its content.
            store.check_space(principal, draft.new_bytes)?;
            let known = self.blobs().map(|name| (name.hash(), name.clone())).collect();
            let sink = Sink {
                workspace: Arc::clone(workspace),
                store: store.clone(),
                principal: principal.clone(),
                session: session.clone(),
                sequence,
                known: Arc::new(known),
            };
            for batch in std::mem::take(&mut draft.large).chunks(BATCH) {
                for (index, taken) in sink.take_all(batch, &draft.survey).await? {
                    draft.set(index, taken);
                }
            }
        }
        let (manifest, survey) = draft.finish();
        let is_same = manifest == *self.manifest;
        Ok(Self::new(if is_same { Arc::clone(&self.manifest) } else { Arc::new(manifest) }, survey))
    }

    /// Compares the directory with `self`, and reads links and small files that
    /// may have changed. `None` when nothing has.
    fn draft(&self, workspace: &Workspace, survey: Option<Survey>) -> Result<Option<Draft>, Error> {
        let mut survey = survey.map_or_else(|| workspace.survey(), Ok)?;
        if self.survey.is_all_unchanged(&survey) {
            return Ok(None);
        }
        survey.directories.keys().chain(survey.files.keys()).try_for_each(|path| check(&path))?;
        let (mut stamps, mut records) = (self.survey.files.cursor(), self.manifest.files.cursor());
        let mut kept = Vec::with_capacity(survey.files.len());
        let (mut large, mut new_bytes, mut small) = (Vec::new(), 0, 0);
        for (index, (path, stamp)) in survey.files.iter_mut().enumerate() {
            let is_unchanged = stamps
                .seek(&path)
                .filter(|before| self.survey.is_settled(before))
                .is_some_and(|before| before == stamp || self.untouched.is(&path, before, stamp));
            let record = records.seek(&path);
            kept.push(if stamp.kind == FileKind::Other {
                Kept::Nothing
            } else if let Some(record) = record.filter(|_| is_unchanged) {
                Kept::Record(record.clone())
            } else if stamp.kind == FileKind::Regular && stamp.size > INLINE_BYTES {
                large.push(index);
                new_bytes += if record.is_some_and(|record| record.size == stamp.size) { 0 } else { stamp.size };
                Kept::Nothing
            } else if let Some((read, record)) = take_small(workspace, &path, stamp.kind)? {
                small += 1;
                *stamp = read;
                Kept::Record(record)
            } else {
                Kept::Gone
            });
        }
        let directories = survey.directories.clone();
        Ok(Some(Draft { survey, kept, directories, large, new_bytes, small }))
    }
}

impl Draft {
    fn set(&mut self, index: usize, taken: Option<(FileStamp, Record)>) {
        let kept = match taken {
            Some((stamp, record)) => {
                self.survey.files.set_at(index, stamp);
                Kept::Record(record)
            }
            None => Kept::Gone,
        };
        if let Some(slot) = self.kept.get_mut(index) {
            *slot = kept;
        }
    }

    /// The manifest of what is kept, and the survey of what is there.
    fn finish(mut self) -> (Manifest, Survey) {
        let (mut files, mut stamps) = (PathMap::default(), PathMap::default());
        for ((path, stamp), kept) in std::mem::take(&mut self.survey.files).into_entries().zip(self.kept) {
            match kept {
                Kept::Gone => continue,
                Kept::Record(record) => files.insert(&path, record),
                Kept::Nothing => {}
            }
            stamps.insert(&path, stamp);
        }
        files.shrink();
        stamps.shrink();
        self.survey.files = stamps;
        (Manifest { files, directories: self.directories }, self.survey)
    }
}

impl Sink {
    /// Takes files, small ones several at once.
    async fn take_all(&self, files: &[usize], survey: &Survey) -> Result<Vec<Taken>, Error> {
        let is_small = |(index, _): &(usize, PathBuf)| {
            survey.files.value_at(*index).is_some_and(|stamp| stamp.size <= SMALL_BYTES)
        };
        let files = files.iter().filter_map(|index| Some((*index, survey.files.key_at(*index)?)));
        let (small, large): (Vec<_>, Vec<_>) = files.partition(is_small);
        let each = |store, files| {
            let sink = Self { store, ..self.clone() };
            async move { sink.take_each(files).await }
        };
        let mut taken = in_parts(&self.store, small, each).await?.into_iter().flatten().collect::<Vec<_>>();
        taken.extend(self.take_each(large).await?);
        Ok(taken)
    }

    async fn take_each(&self, files: Vec<(usize, PathBuf)>) -> Result<Vec<Taken>, Error> {
        let mut taken = Vec::with_capacity(files.len());
        for (index, path) in files {
            taken.push((index, self.take(path).await?));
        }
        Ok(taken)
    }

    async fn take(&self, name: PathBuf) -> Result<Option<(FileStamp, Record)>, Error> {
        let workspace = Arc::clone(&self.workspace);
        let doing = format!("read {} of a workspace", name.display());
        let open = move || workspace.open_file(&name).doing(|| format!("open {} of a workspace", name.display()));
        let Some((mut file, stamp)) = blocking(&doing, open).await? else { return Ok(None) };
        let (mut blobs, mut size) = (Vec::new(), 0);
        // What grows meanwhile is not waited for.
        while size < stamp.size {
            let (store, principal) = (self.store.clone(), self.principal.clone());
            let read = move || {
                let content = read_at_most(&mut file, BLOB_BYTES.min(stamp.size - size))?;
                let hash = store.blob_hash(&principal, &content);
                Ok((file, content, hash))
            };
            let (returned, content, hash) =
                blocking(&doing, move || read().doing(|| "read a file of a workspace".into())).await?;
            file = returned;
            let length = content.len() as u64;
            if length == 0 {
                break;
            }
            size += length;
            blobs.push(self.put(hash, content).await?);
            if length < BLOB_BYTES {
                break;
            }
        }
        let record = Record { size, modified: stamp.modified, mode: stamp.mode, content: Content::Blobs(blobs) };
        Ok(Some((stamp_of_read(stamp, size), record)))
    }

    async fn put(&self, hash: BlobHash, content: Vec<u8>) -> Result<BlobName, Error> {
        if let Some(name) = self.known.get(&hash) {
            return Ok(name.clone());
        }
        self.store.check_space(&self.principal, content.len() as u64)?;
        self.store.put_hashed_blob(&self.principal, &self.session, self.sequence, hash, content).await
    }
}

/// Whether a path can be kept.
fn check(path: &Path) -> Result<(), Error> {
    TreePath::check(path).map_err(|reason| Error::Denied {
        action: "keeping the files of this session".into(),
        reason: format!("a path {reason}"),
    })
}

/// A link or small file, and the stamp that it had before it was read. `None`
/// when there is none any more.
fn take_small(workspace: &Workspace, path: &Path, kind: FileKind) -> Result<Option<(FileStamp, Record)>, Error> {
    let read = || {
        if kind == FileKind::Link {
            return Ok(workspace.read_link(path)?.map(|(text, stamp)| (stamp, text.len(), Content::Link(text))));
        }
        let Some((mut file, stamp)) = workspace.open_file(path)? else { return Ok(None) };
        let content = read_at_most(&mut file, stamp.size.min(INLINE_BYTES))?;
        Ok(Some((stamp, content.len(), Content::Inline(content))))
    };
    let read = read().doing(|| format!("read {} of a workspace", path.display()))?;
    Ok(read.map(|(stamp, length, content)| {
        let size = length as u64;
        let record = Record { size, modified: stamp.modified, mode: stamp.mode, content };
        (stamp_of_read(stamp, size), record)
    }))
}

/// The stamp of a file of which `read` bytes were read: one that no file has if
/// that was not all, so that it will be read again.
fn stamp_of_read(stamp: FileStamp, read: u64) -> FileStamp {
    if stamp.size == read { stamp } else { FileStamp::default() }
}

fn read_at_most(file: &mut File, limit: u64) -> io::Result<Vec<u8>> {
    let mut content = Vec::with_capacity(usize::try_from(limit).unwrap_or(0));
    file.take(limit).read_to_end(&mut content)?;
    Ok(content)
}
