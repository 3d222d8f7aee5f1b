//! Every resource that there is, in the order of their addresses, page by page.
//!
//! Of sessions that hibernate the folder is listed and no file: a list is no reason to
//! bring them here. What is on the next page does not depend on what was on this one,
//! only on where it ended.

use rmcp::model::{CacheScope, ListResourcesResult, PaginatedRequestParams, Resource};
use sandbox::{Error, FileEntry, FinishedRun, Principal, RunId, SessionFiles, SessionId, Stream};

use super::address::{Address, SCHEME};
use super::content::likely_type;
use super::cursor;
use super::refusal::Refusal;
use crate::service::Service;

/// What cursors are signed for.
const NAME: &str = "resources";
/// The most resources on a page.
const PAGE: usize = 200;
/// And the most bytes of their addresses and names.
const PAGE_BYTES: usize = 128 << 10;

/// What is always there.
const FIXED: [(&str, &str, &str, &str); 3] = [
    (
        "guide",
        "How to write code for this sandbox",
        "What programs can rely on here, and what they cannot",
        "text/markdown",
    ),
    ("languages", "Languages and packages", "Those that can be run on this machine", "application/json"),
    (
        "limits",
        "Limits and policy",
        "Defaults and ceilings of a run, and what programs are granted",
        "application/json",
    ),
];

/// A page while it is made.
struct Page {
    /// Where the one before it ended.
    after: String,
    resources: Vec<Resource>,
    bytes: usize,
    has_more: bool,
}

impl Page {
    /// Takes what comes next, if it belongs on this page.
    fn push(&mut self, resource: Resource) {
        if resource.uri <= self.after || self.has_more {
            return;
        }
        self.bytes += resource.uri.len() + resource.name.len();
        if self.resources.len() == PAGE || self.bytes > PAGE_BYTES && !self.resources.is_empty() {
            self.has_more = true;
        } else {
            self.resources.push(resource);
        }
    }

    /// Whether everything whose address begins so was on pages before.
    fn is_past(&self, prefix: &str) -> bool {
        *self.after > *prefix && !self.after.starts_with(prefix)
    }
}

/// The page that a request asks for.
pub(crate) async fn list(
    service: &Service,
    principal: &Principal,
    request: Option<&PaginatedRequestParams>,
) -> Result<ListResourcesResult, Refusal> {
    let executor = &service.executor;
    let after = cursor::position(executor, principal, NAME, request)?.unwrap_or_default();
    let mut page = Page { after, resources: Vec::new(), bytes: 0, has_more: false };
    for (name, title, description, mime) in FIXED {
        let resource = Resource::new(format!("{SCHEME}{name}"), name).with_title(title);
        page.push(resource.with_description(description).with_mime_type(mime));
    }
    for (id, run) in executor.finished_runs(principal) {
        of_run(&mut page, &id, &run);
    }
    if !page.has_more {
        let mut sessions = executor.list_sessions(principal).await?;
        sessions.sort_by(|one, other| one.id.cmp(&other.id));
        for session in sessions {
            let prefix = Address::of_session(&session.id, "");
            if page.has_more || page.is_past(&prefix) {
                continue;
            }
            let folder =
                Resource::new(prefix, session.id.as_str()).with_title(format!("Files of session {}", session.id));
            page.push(folder.with_mime_type("text/plain"));
            if let Some(files) = executor.session_files_here(principal, &session.id) {
                for file in of_session(session.id, files, page.after.clone()).await? {
                    page.push(file);
                }
            }
        }
    }
    let last = page.resources.last().filter(|_| page.has_more);
    let next = last.map(|last| cursor::after(executor, principal, NAME, &last.uri));
    let mut result = ListResourcesResult::with_all_items(page.resources).with_ttl_ms(0);
    result.next_cursor = next;
    Ok(result.with_cache_scope(CacheScope::Private))
}

/// What can be read of a run.
fn of_run(page: &mut Page, id: &RunId, run: &FinishedRun) {
    if page.has_more || page.is_past(&Address::of_run(id, "")) {
        return;
    }
    let mut all = Vec::new();
    if run.has_files() {
        let folder = Resource::new(Address::of_run(id, "files/"), format!("{id} files"));
        all.push(folder.with_title(format!("Files of run {id}")).with_mime_type("text/plain"));
    }
    for number in 1..=run.outputs() {
        all.push(Resource::new(Address::of_run(id, &format!("output/{number}")), format!("{id} output {number}")));
    }
    for (name, stream) in [("stderr", Stream::Stderr), ("stdout", Stream::Stdout)] {
        let size = run.stream_bytes(stream);
        if size > 0 {
            let resource = Resource::new(Address::of_run(id, name), format!("{id} {name}"));
            all.push(resource.with_mime_type("text/plain").with_size(size));
        }
    }
    // As text the tenth comes before the second.
    all.sort_by(|one, other| one.uri.cmp(&other.uri));
    all.into_iter().for_each(|resource| page.push(resource));
}

/// The files of a session in the order of their addresses, as many as a page may
/// have of those that come after one.
async fn of_session(id: SessionId, files: SessionFiles, after: String) -> Result<Vec<Resource>, Refusal> {
    let work = move || {
        let survey = files.survey();
        // A restore waits for it.
        drop(files);
        let survey = survey?;
        let files = survey.files().filter(|file| !file.is_link);
        let addressed = files.map(|file| (Address::of_session(&id, &file.path), file));
        let mut files: Vec<_> = addressed.filter(|(uri, _)| *uri > after).collect();
        files.sort_by(|(one, _), (other, _)| one.cmp(other));
        files.truncate(PAGE + 1);
        let resource = |(uri, FileEntry { path, size_bytes, .. }): (String, FileEntry)| {
            let mime = likely_type(&path);
            let resource = Resource::new(uri, path).with_size(size_bytes);
            match mime {
                Some(mime) => resource.with_mime_type(mime),
                None => resource,
            }
        };
        Ok::<_, Error>(files.into_iter().map(resource).collect())
    };
    let listed = tokio::task::spawn_blocking(work).await;
    Ok(listed.map_err(|source| Error::host("list the files of a session", source))??)
}
