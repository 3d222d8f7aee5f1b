//! Puts files from the store into the directory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Content, Manifest, Record};
use super::{BATCH, SMALL_BYTES, Tree, in_parts};
use crate::error::{Error, IoContext as _};
use crate::handle::{Principal, SessionId};
use crate::store::{Store, blocking};
use crate::workspace::permissions::Mode;
use crate::workspace::survey::{Survey, Time};
use crate::workspace::{NewFile, Workspace};

/// What is left to do once everything is gone that should go, and everything
/// small is there.
struct Progress {
    survey: Survey,
    /// Whether the survey still tells what is there.
    is_current: bool,
    /// Which files of the manifest are to be written, and whether there is none
    /// by their name yet.
    large: Vec<(usize, bool)>,
}

/// A file to write.
struct Wanted {
    path: PathBuf,
    /// The index of the file in the manifest.
    index: usize,
    /// Whether there is no file by its name yet.
    is_new: bool,
}

/// Where contents come from.
#[derive(Clone)]
struct Source {
    manifest: Arc<Manifest>,
    workspace: Arc<Workspace>,
    store: Store,
    principal: Principal,
    session: SessionId,
}

impl Tree {
    /// Makes the directory equal to `manifest`, whose blobs are those of
    /// `session`; nothing may write to it meanwhile. Only files, symbolic links
    /// and directories remain. `now` is what the directory was last known to
    /// equal: files that are still so and are to be so are not touched.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when the manifest or a blob is damaged, or the
    /// directory cannot be written. Then it holds something in between.
    ///
    /// # Cancellation
    ///
    /// As after an error, and a thread may still be writing to it: the
    /// workspace is of no more use.
    pub(crate) async fn restore(
        manifest: impl Into<Arc<Manifest>>,
        now: Option<&Self>,
        workspace: &Arc<Workspace>,
        store: &Store,
        principal: &Principal,
        session: &SessionId,
    ) -> Result<Self, Error> {
        let manifest = manifest.into();
        let (wanted, now, files) = (Arc::clone(&manifest), now.cloned().unwrap_or_default(), Arc::clone(workspace));
        let progress = blocking("restore a workspace", move || {
            wanted.check()?;
            now.put_small(&wanted, &files)
        })
        .await?;
        if progress.is_current && progress.large.is_empty() {
            return Ok(Self::new(manifest, progress.survey));
        }
        let source = Source {
            manifest: Arc::clone(&manifest),
            workspace: Arc::clone(workspace),
            store: store.clone(),
            principal: principal.clone(),
            session: session.clone(),
        };
        source.put_all(progress.large).await?;
        let (wanted, files) = (Arc::clone(&manifest), Arc::clone(workspace));
        let survey = blocking("restore a workspace", move || finish(&wanted, &files)).await?;
        Ok(Self::new(manifest, survey))
    }

    /// Removes what is not in `wanted`, makes its directories and links and
    /// writes the files whose content is in it. `self` is what the directory was.
    fn put_small(&self, wanted: &Manifest, workspace: &Workspace) -> Result<Progress, Error> {
        let survey = workspace.survey()?;
        let mut is_current = wanted.has_directories_of(&survey);
        let doing = |verb: &str, path: &Path| format!("{verb} {} of a workspace", path.display());
        let mut records = wanted.files.cursor();
        for path in survey.files.keys().filter(|path| records.seek(path).is_none()) {
            workspace.remove_file(&path).doing(|| doing("remove", &path))?;
            is_current = false;
        }
        // Paths in order have every directory before what is in it.
        for path in survey.directories.keys_backwards().filter(|path| !wanted.directories.contains_key(path)) {
            workspace.remove_directory(&path).doing(|| doing("remove", &path))?;
        }
        for path in wanted.directories.keys().filter(|path| !survey.directories.contains_key(path)) {
            workspace.make_directory(&path).doing(|| doing("make", &path))?;
        }
        let mut large = Vec::new();
        let mut found = survey.files.cursor();
        let (mut stamps, mut records) = (self.survey.files.cursor(), self.manifest.files.cursor());
        for (index, (path, record)) in wanted.files.iter().enumerate() {
            let (stamp, known) = (found.seek(&path), stamps.seek(&path));
            let is_same = records.seek(&path).is_some_and(|known| known.is_same_file(record));
            if is_same && stamp.is_some() && stamp == known && known.is_some_and(|stamp| self.survey.is_settled(stamp))
            {
                continue;
            }
            is_current = false;
            let wanted = Wanted { path, index, is_new: stamp.is_none() };
            let path = &wanted.path;
            match &record.content {
                Content::Blobs(names) if !names.is_empty() => large.push((index, wanted.is_new)),
                Content::Blobs(_) => wanted.write(workspace, record, &[]).doing(|| doing("write", path))?,
                Content::Inline(bytes) => {
                    wanted.write(workspace, record, bytes).doing(|| doing("write", path))?;
                }
                Content::Link(text) => {
                    if !wanted.is_new {
                        workspace.remove_file(path).doing(|| doing("replace", path))?;
                    }
                    let made = workspace.make_link(path, text, record.modified);
                    made.doing(|| doing("make", path))?;
                }
            }
        }
        Ok(Progress { survey, is_current, large })
    }
}

impl Wanted {
    fn start(&self, workspace: &Workspace) -> io::Result<NewFile> {
        if self.is_new { workspace.start_file_at(self.path.clone()) } else { workspace.start_file() }
    }

    fn write(&self, workspace: &Workspace, record: &Record, content: &[u8]) -> io::Result<()> {
        let mut file = self.start(workspace)?;
        file.write_all(content)?;
        self.put(file, record.mode, record.modified)
    }

    fn put(&self, file: NewFile, mode: Mode, modified: Time) -> io::Result<()> {
        file.set_mode(mode)?;
        file.set_modified(modified)?;
        file.put(&self.path)
    }
}

impl Source {
    /// Writes files, small ones several at once.
    async fn put_all(&self, files: Vec<(usize, bool)>) -> Result<(), Error> {
        // Paths of a batch are in memory at once, and not those of all files.
        for batch in files.chunks(BATCH) {
            let wanted = |(index, is_new): &(usize, bool)| {
                let path = self.manifest.files.key_at(*index)?;
                Some(Wanted { path, index: *index, is_new: *is_new })
            };
            self.put_batch(batch.iter().filter_map(wanted).collect()).await?;
        }
        Ok(())
    }

    async fn put_batch(&self, files: Vec<Wanted>) -> Result<(), Error> {
        let is_small = |wanted: &Wanted| {
            self.manifest.files.value_at(wanted.index).is_some_and(|record| record.size <= SMALL_BYTES)
        };
        let (small, large): (Vec<_>, Vec<_>) = files.into_iter().partition(is_small);
        let each = |store, files| {
            let source = Self { store, ..self.clone() };
            async move { source.put_each(files).await }
        };
        in_parts(&self.store, small, each).await?;
        self.put_each(large).await
    }

    async fn put_each(&self, files: Vec<Wanted>) -> Result<(), Error> {
        for wanted in files {
            if let Some(record) = self.manifest.files.value_at(wanted.index) {
                self.put(wanted, record).await?;
            }
        }
        Ok(())
    }

    async fn put(&self, wanted: Wanted, record: &Record) -> Result<(), Error> {
        let doing = format!("write {} of a workspace", wanted.path.display());
        let wanted = Arc::new(wanted);
        let (mode, modified, mut blobs) = (record.mode, record.modified, record.blobs().peekable());
        let mut file: Option<NewFile> = None;
        while let Some((name, bytes)) = blobs.next() {
            let content = self.store.get_blob(&self.principal, &self.session, name, bytes).await?;
            if content.len() as u64 != bytes {
                return Err(Error::host(doing, format!("blob {name} has {} bytes, not {bytes}", content.len())));
            }
            let is_last = blobs.peek().is_none();
            let (workspace, wanted) = (Arc::clone(&self.workspace), Arc::clone(&wanted));
            let write = move || {
                let mut file = file.map_or_else(|| wanted.start(&workspace), Ok)?;
                file.write_all(&content)?;
                if is_last { wanted.put(file, mode, modified).map(|()| None) } else { Ok(Some(file)) }
            };
            file = blocking(&doing, move || write().doing(|| "write a file of a workspace".into())).await?;
        }
        Ok(())
    }
}

/// Sets modes of directories, and their times, which changed with what is in
/// them, and looks at everything once more.
fn finish(wanted: &Manifest, workspace: &Workspace) -> Result<Survey, Error> {
    let mut survey = workspace.survey()?;
    for (path, stamp) in wanted.directories.iter() {
        if let Some(found) = survey.directories.get_mut(&path).filter(|found| *found != stamp) {
            let doing = || format!("set mode and time of {} of a workspace", path.display());
            workspace.set_directory(&path, *stamp).doing(doing)?;
            *found = *stamp;
        }
    }
    Ok(survey)
}
