//! From the directory to the store.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{BLOB_BYTES, Content, Cursor, INLINE_BYTES, Manifest, Record};
use super::path::TreePath;
use super::{SMALL_BYTES, Tree, in_parts};
use crate::error::{Error, IoContext as _};
use crate::handle::{Principal, SessionId};
use crate::store::{BlobHash, BlobName, Store, blocking};
use crate::workspace::Workspace;
use crate::workspace::survey::{FileKind, FileStamp, Survey};

/// What the directory holds, as far as it was known or small.
struct Draft {
    survey: Survey,
    manifest: Manifest,
    /// Files whose content is to become blobs.
    large: Vec<TreePath>,
    /// How many others were read.
    small: usize,
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

/// A file that was read, if it was still there: its stamp, and what is kept.
type Taken = (TreePath, Option<(FileStamp, Record)>);

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
        let Some(Draft { mut survey, mut manifest, large, small }) = draft else { return Ok(self.clone()) };
        tracing::debug!(%session, read = small + large.len(), of = survey.files.len(), "files are read to be saved");
        if !large.is_empty() {
            // Before anything is written, as far as can be told: a file that
            // kept its size may have kept its content.
            let is_other = |path: &TreePath, stamp: &FileStamp| {
                self.manifest.files.get(path).is_none_or(|record| record.size != stamp.size)
            };
            let stamps = large.iter().filter_map(|path| Some((path, survey.files.get(path.as_path())?)));
            let bytes = stamps.filter(|(path, stamp)| is_other(path, stamp)).map(|(_, stamp)| stamp.size).sum();
            store.room(principal, bytes)?;
            let known = self.blobs().map(|name| (name.hash(), name.clone())).collect();
            let sink = Sink {
                workspace: Arc::clone(workspace),
                store: store.clone(),
                principal: principal.clone(),
                session: session.clone(),
                sequence,
                known: Arc::new(known),
            };
            for (path, taken) in sink.take_all(large, &survey).await? {
                match taken {
                    Some((stamp, record)) => {
                        survey.files.insert(path.as_path().to_path_buf(), stamp);
                        manifest.files.insert(path, record);
                    }
                    None => drop(survey.files.remove(path.as_path())),
                }
            }
        }
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
        let directories = survey.directories.iter().map(|(path, stamp)| Ok((tree_path(path)?, *stamp)));
        let directories = directories.collect::<Result<_, Error>>()?;
        let (mut stamps, mut records) =
            (Cursor::new(self.survey.files.iter()), Cursor::new(self.manifest.files.iter()));
        let (mut files, mut large, mut gone, mut small) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (path, stamp) in survey.files.iter_mut().filter(|(_, stamp)| stamp.kind != FileKind::Other) {
            let is_unchanged = stamps
                .seek(path)
                .filter(|(_, before)| self.survey.is_settled(before))
                .is_some_and(|(_, before)| before == stamp || self.untouched.is(path, before, stamp));
            if let Some((path, record)) = records.seek(path).filter(|_| is_unchanged) {
                files.push((path.clone(), record.clone()));
            } else if stamp.kind == FileKind::Regular && stamp.size > INLINE_BYTES {
                large.push(tree_path(path)?);
            } else if let Some((read, record)) = take_small(workspace, path, stamp.kind)? {
                small += 1;
                *stamp = read;
                files.push((tree_path(path)?, record));
            } else {
                gone.push(path.clone());
            }
        }
        let manifest = Manifest { files: files.into_iter().collect(), directories };
        for path in gone {
            survey.files.remove(&path);
        }
        Ok(Some(Draft { survey, manifest, large, small }))
    }
}

impl Sink {
    /// Takes files, small ones several at once.
    async fn take_all(&self, files: Vec<TreePath>, survey: &Survey) -> Result<Vec<Taken>, Error> {
        let is_small =
            |path: &TreePath| survey.files.get(path.as_path()).is_some_and(|stamp| stamp.size <= SMALL_BYTES);
        let (small, large): (Vec<_>, Vec<_>) = files.into_iter().partition(is_small);
        let each = |store, files| {
            let sink = Self { store, ..self.clone() };
            async move { sink.take_each(files).await }
        };
        let mut taken = in_parts(&self.store, small, each).await?.concat();
        taken.extend(self.take_each(large).await?);
        Ok(taken)
    }

    async fn take_each(&self, files: Vec<TreePath>) -> Result<Vec<Taken>, Error> {
        let mut taken = Vec::with_capacity(files.len());
        for path in files {
            taken.push(self.take(path).await?);
        }
        Ok(taken)
    }

    async fn take(&self, path: TreePath) -> Result<Taken, Error> {
        let (workspace, name) = (Arc::clone(&self.workspace), path.as_path().to_path_buf());
        let doing = format!("read {} of a workspace", name.display());
        let open = move || workspace.open_file(&name).doing(|| format!("open {} of a workspace", name.display()));
        let Some((mut file, stamp)) = blocking(&doing, open).await? else { return Ok((path, None)) };
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
        Ok((path, Some((stamp_of_read(stamp, size), record))))
    }

    async fn put(&self, hash: BlobHash, content: Vec<u8>) -> Result<BlobName, Error> {
        if let Some(name) = self.known.get(&hash) {
            return Ok(name.clone());
        }
        self.store.room(&self.principal, content.len() as u64)?;
        self.store.put_hashed_blob(&self.principal, &self.session, self.sequence, hash, content).await
    }
}

fn tree_path(path: &Path) -> Result<TreePath, Error> {
    TreePath::new(PathBuf::from(path)).map_err(|reason| Error::Denied {
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
