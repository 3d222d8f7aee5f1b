//! Every resource that there is, in the order of their addresses, page by page.
//!
//! Of sessions that hibernate the folder is listed and no file: a list is no reason to
//! bring them here. What is on the next page does not depend on what was on this one,
//! only on where it ended.

use std::collections::BTreeMap;

use rmcp::model::{CacheScope, ListResourcesResult, PaginatedRequestParams, Resource};
use sandbox::{Error, FileEntry, FinishedRun, Principal, RunId, SessionFiles, SessionId, Stream, WorkspacePath};

use super::address::{Address, MAX_BYTES, SCHEME, encode};
use super::content::likely_type;
use super::cursor;
use super::refusal::Refusal;
use crate::service::Service;

/// The name of the list that cursors are signed for.
const NAME: &str = "resources";
/// The most resources on a page.
const PAGE: usize = 200;
/// The most bytes of addresses and names of resources on a page.
const PAGE_BYTES: usize = 128 << 10;

/// The resources that are always there.
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
    /// The address at which the page before this one ended.
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
        self.bytes += bytes_of(&resource.uri, &resource.name);
        if self.resources.len() == PAGE || self.bytes > PAGE_BYTES && !self.resources.is_empty() {
            self.has_more = true;
        } else {
            self.resources.push(resource);
        }
    }

    /// The session in which the page before this one ended.
    fn session(&self) -> Option<SessionId> {
        let rest = self.after.strip_prefix(SCHEME)?.strip_prefix("session/")?;
        SessionId::parse(rest.split('/').next()?).ok()
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
        // The first session may have been on pages before, and one more tells that there is more.
        let most = PAGE + 2 - page.resources.len();
        for id in executor.sessions_from(principal, page.session(), most).await? {
            let prefix = Address::of_session(&id, "");
            if page.has_more {
                break;
            }
            let folder = Resource::new(prefix, id.as_str()).with_title(format!("Files of session {id}"));
            page.push(folder.with_mime_type("text/plain"));
            if !page.has_more
                && let Some(files) = executor.session_files_here(principal, &id)
            {
                for file in of_session(&page, id, files).await? {
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
    // The order of addresses is that of text, in which the tenth comes before the second.
    all.sort_by(|one, other| one.uri.cmp(&other.uri));
    all.into_iter().for_each(|resource| page.push(resource));
}

/// The files of a session that come next on a page, in the order of their addresses.
/// One that cannot be looked over has none: its folder is listed, and says why.
async fn of_session(page: &Page, id: SessionId, files: SessionFiles) -> Result<Vec<Resource>, Refusal> {
    let mut next = Next::after(&page.after, PAGE - page.resources.len() + 1);
    let work = move || {
        let survey = files.survey();
        // A restore waits for whoever has the files.
        drop(files);
        let Ok(survey) = survey else { return Vec::new() };
        let mut uri = Address::of_session(&id, "");
        let folder = uri.len();
        for file in survey.regular_files() {
            uri.truncate(folder);
            encode(&file.path, &mut uri);
            next.offer(&uri, file);
        }
        next.into_resources()
    };
    let listed = tokio::task::spawn_blocking(work).await;
    Ok(listed.map_err(|source| Error::host("list the files of a session", source))?)
}

/// The first files after an address, of however many: of the others nothing is kept.
struct Next {
    after: String,
    most: usize,
    files: BTreeMap<String, FileEntry>,
    bytes: usize,
}

impl Next {
    fn after(after: &str, most: usize) -> Self {
        Self { after: after.to_owned(), most, files: BTreeMap::new(), bytes: 0 }
    }

    fn offer(&mut self, uri: &str, file: FileEntry) {
        let is_full = self.files.len() >= self.most || self.bytes > PAGE_BYTES;
        if *uri <= *self.after
            || is_full && self.files.last_key_value().is_some_and(|(last, _)| *uri > **last)
            || !can_be_read(uri, &file.path)
        {
            return;
        }
        self.bytes += bytes_of(uri, &file.path);
        self.files.insert(uri.to_owned(), file);
        // The last is on another page when the others alone are more than one.
        while let Some(last) = self.files.last_entry() {
            let rest = self.bytes - bytes_of(last.key(), &last.get().path);
            if self.files.len() <= self.most && rest <= PAGE_BYTES {
                return;
            }
            self.files.pop_last();
            self.bytes = rest;
        }
    }

    fn into_resources(self) -> Vec<Resource> {
        let resource = |(uri, file): (String, FileEntry)| {
            let mime = likely_type(&file.path);
            let resource = Resource::new(uri, file.path).with_size(file.size_bytes);
            match mime {
                Some(mime) => resource.with_mime_type(mime),
                None => resource,
            }
        };
        self.files.into_iter().map(resource).collect()
    }
}

fn bytes_of(uri: &str, name: &str) -> usize {
    uri.len() + name.len()
}

/// Whether a file that a program made has an address that is taken.
fn can_be_read(uri: &str, path: &str) -> bool {
    uri.len() <= MAX_BYTES && WorkspacePath::of_any_name("uri", path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_files_the_first_after_an_address_are_kept_and_nothing_of_the_others() {
        let file = |path: String| FileEntry { path, size_bytes: 1, is_link: false };
        let listed = |paths: &mut dyn Iterator<Item = String>| {
            let mut next = Next::after("0100", 5);
            for path in paths {
                next.offer(&path.clone(), file(path));
                assert!(next.files.len() <= 5);
            }
            next.into_resources().into_iter().map(|one| one.uri).collect::<Vec<_>>()
        };
        let expected = ["0101", "0102", "0103", "0104", "0105"];
        assert_eq!(listed(&mut (0..9000).map(|n| format!("{n:04}"))), expected);
        assert_eq!(listed(&mut (0..9000).rev().map(|n| format!("{n:04}"))), expected);
        // Long names fill a page before it has as many.
        let mut next = Next::after("", PAGE + 1);
        for number in (0..5000).rev() {
            let path = format!("{number:04}{}", "x".repeat(200));
            next.offer(&format!("{path}{}", "y".repeat(8000)), file(path));
            assert!(next.bytes <= PAGE_BYTES + 9000, "{} bytes are kept", next.bytes);
        }
        let names: Vec<_> = next.into_resources().into_iter().map(|one| one.name[..4].to_owned()).collect();
        assert_eq!(names, (0..names.len()).map(|n| format!("{n:04}")).collect::<Vec<_>>());
        assert!(names.len() > 10);
    }

    #[test]
    fn what_no_read_takes_is_not_listed() {
        let long = vec!["x".repeat(250); 5].join("/");
        assert!(can_be_read("u", &long[..1024]) && !can_be_read("u", &long));
        assert!(!can_be_read(&"u".repeat(MAX_BYTES + 1), "x"));
    }
}
