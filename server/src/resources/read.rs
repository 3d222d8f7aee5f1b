//! What is at an address, whole and within a bound.

use std::io::Read as _;

use rmcp::model::{CacheScope, ReadResourceResult, ResourceContents};
use sandbox::{
    Error, FinishedRun, Found, Principal, RequestedLimits, Stream, StreamText, WorkspacePath, one_line, read_range,
};

use super::LASTING_TTL_MS;
use super::address::{Address, Part};
use super::content::{blob, contents, listing};
use super::refusal::Refusal;
use super::{facts, guide};
use crate::service::Service;
use crate::tools::Shown;

/// The most bytes of one resource: an image of a few megapixels, or more text than a
/// model reads. In JSON each may take six.
const MAX_BYTES: u64 = 2 << 20;
/// How long what may change with the configuration of a caller is fresh.
const LIMITS_TTL_MS: u64 = 60_000;

type Result<T> = std::result::Result<T, Refusal>;

/// How long something is fresh, and for whom.
type Freshness = (u64, CacheScope);

/// Reads what is at `uri`, for a principal by a credential of those `ceilings`.
pub(crate) async fn read(
    service: &Service,
    principal: &Principal,
    ceilings: &RequestedLimits,
    uri: &str,
) -> Result<ReadResourceResult> {
    let (contents, (ttl, scope)) = at(service, principal, ceilings, uri, Address::parse(uri)?).await?;
    Ok(ReadResourceResult::new(vec![contents]).with_ttl_ms(ttl).with_cache_scope(scope))
}

async fn at(
    service: &Service,
    principal: &Principal,
    ceilings: &RequestedLimits,
    uri: &str,
    address: Address,
) -> Result<(ResourceContents, Freshness)> {
    let executor = &service.executor;
    let json = |text: String| ResourceContents::text(text, uri).with_mime_type("application/json");
    match address {
        Address::Guide => {
            let text = guide::text(service, principal, ceilings).await;
            let contents = ResourceContents::text(text, uri).with_mime_type("text/markdown");
            Ok((contents, (LIMITS_TTL_MS, CacheScope::Private)))
        }
        Address::Languages => {
            let text = facts::languages(executor, principal).await;
            Ok((json(text), (LASTING_TTL_MS, CacheScope::Private)))
        }
        Address::Limits => {
            Ok((json(facts::limits(executor, principal, ceilings)), (LIMITS_TTL_MS, CacheScope::Private)))
        }
        Address::Session { id, path } => {
            let how = format!("session={id} path={}", one_line(&path));
            let file = File { uri: uri.to_owned(), path, how };
            let contents = match executor.policy(principal).mounts.path("uri", &file.path).transpose()? {
                Some(mounted) => blocking(move || file.contents(mounted.read()?)).await?,
                None => {
                    let path = WorkspacePath::of_any_name("uri", &file.path)?;
                    let files = executor.session_files(principal, &id).await?;
                    blocking(move || {
                        let found = files.read(&path);
                        // A restore waits for whoever has the files, and need not wait for more.
                        drop(files);
                        file.contents(found?)
                    })
                    .await?
                }
            };
            Ok((contents, (0, CacheScope::Private)))
        }
        Address::Run { id, part } => {
            let run = executor.finished_run(principal, &id).await?;
            // What a run left never changes, and its handle is nobody else's later.
            let ttl = u64::try_from(run.time_left().as_millis()).unwrap_or(u64::MAX);
            let uri = uri.to_owned();
            let work = move || match part {
                Part::Stream(stream) => of_stream(&run, stream, &uri, format!("run={id} stream={stream}")),
                Part::Output(number) => of_output(&run, number, &uri, format!("run={id} output={number}")),
                Part::File(path) => {
                    let found = run.workspace(&id)?.read(&WorkspacePath::of_any_name("uri", &path)?)?;
                    let how = format!("run={id} path={}", one_line(&path));
                    File { uri, path, how }.contents(found)
                }
            };
            Ok((blocking(work).await?, (ttl, CacheScope::Private)))
        }
    }
}

/// Does what waits for a disk, beside the calls of others.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::host("read a resource", source))?
}

/// Refuses what is too large; `how` the tool reads a part of it.
fn check(size_bytes: u64, how: &str) -> Result<()> {
    if size_bytes > MAX_BYTES {
        return Err(Refusal::TooLarge { size_bytes, bound_bytes: MAX_BYTES, how: how.to_owned() });
    }
    Ok(())
}

/// A file or folder that is asked for.
struct File {
    uri: String,
    path: String,
    how: String,
}

impl File {
    fn contents(self, found: Found) -> Result<ResourceContents> {
        let Self { uri, path, how } = self;
        match found {
            Found::File { mut file, size_bytes } => {
                let how = format!("{how}, with offset or byte_offset");
                check(size_bytes, &how)?;
                // A program may have written more meanwhile.
                let bytes = read_range(&mut file, 0, MAX_BYTES + 1)?;
                check(bytes.len() as u64, &how)?;
                Ok(contents(&uri, &path, bytes))
            }
            Found::Directory(entries) => {
                let text = listing(&entries);
                check(text.len() as u64, &format!("{how}, with offset"))?;
                Ok(ResourceContents::text(text, uri))
            }
            Found::Link { target } => {
                let reason =
                    format!("it is a symbolic link to {}, which is not followed: read that", one_line(&target));
                Err(Error::Denied { action: format!("reading {}", one_line(&path)), reason }.into())
            }
        }
    }
}

fn of_stream(run: &FinishedRun, stream: &str, uri: &str, how: String) -> Result<ResourceContents> {
    let how = format!("{how}, with offset or byte_offset");
    let stream = match stream {
        "stdout" => Stream::Stdout,
        "stderr" => Stream::Stderr,
        "result" => return text(uri, run.result()?, &how),
        _ => return text(uri, run.traceback()?, &how),
    };
    let bytes = match run.stream(stream)? {
        StreamText::Whole(bytes) => bytes,
        StreamText::Spooled { file, bytes_seen } => {
            check(bytes_seen, &how)?;
            let mut bytes = Vec::new();
            let read = file.take(MAX_BYTES).read_to_end(&mut bytes);
            read.map_err(|source| Error::host("read the output of a run", source))?;
            bytes
        }
    };
    check(bytes.len() as u64, &how)?;
    Ok(contents(uri, "", bytes))
}

fn text(uri: &str, text: String, how: &str) -> Result<ResourceContents> {
    check(text.len() as u64, how)?;
    Ok(ResourceContents::text(text, uri))
}

fn of_output(run: &FinishedRun, number: u64, uri: &str, how: String) -> Result<ResourceContents> {
    let how = format!("{how}, with byte_offset");
    match Shown::of(&run.output(number)?) {
        Shown::Image { image, .. } => {
            check(image.bytes as u64, "an image cannot be cut; have the program make it smaller")?;
            Ok(blob(uri, image.mime, image.base64))
        }
        Shown::Text { mime, text } => {
            check(text.len() as u64, &how)?;
            Ok(ResourceContents::text(text, uri).with_mime_type(mime))
        }
        Shown::Other { mime, base64 } => {
            check(base64.len() as u64 / 4 * 3, &how)?;
            Ok(blob(uri, &mime, base64))
        }
        Shown::Broken { mime, reason } => {
            Err(Error::Denied { action: format!("reading output {number}, {mime},"), reason }.into())
        }
    }
}
