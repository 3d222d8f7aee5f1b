//! Bounds of what a store is asked for: for how long it is waited, with all that is sent again
//! and the credentials that are asked for on the way, and how long its answer may be.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use hyper::body::Bytes;
use object_store::aws::{AwsCredential, AwsCredentialProvider};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::path::Path;
use object_store::{
    CopyOptions, CredentialProvider, Error, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use super::client::{ForContent, time_for};

/// How long one operation may take, beyond what its content takes: time to send it again
/// ([`RETRY_TIME`](super::RETRY_TIME)) and for a last answer.
const OPERATION_TIME: Duration = Duration::from_secs(15);
/// How long a listing of one folder may take, which may have many pages.
const LISTING_TIME: Duration = Duration::from_secs(60);
/// How long it may take to get credentials, which are several requests to a service of
/// Amazon's, to a container's or an instance's own.
const CREDENTIAL_TIME: Duration = Duration::from_secs(10);

/// From here on content is hashed for its signature beside the event loop, as it is sealed there.
const OFFLOAD_BYTES: usize = 128 << 10;

/// A store that answers in time, or not at all.
#[derive(Debug)]
pub(super) struct Bounded<T> {
    store: Arc<T>,
    operation: Duration,
    listing: Duration,
}

impl<T> Bounded<T> {
    pub(super) fn new(store: T) -> Self {
        Self { store: Arc::new(store), operation: OPERATION_TIME, listing: LISTING_TIME }
    }
}

impl<T: fmt::Display> fmt::Display for Bounded<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(formatter)
    }
}

#[async_trait]
impl<T: ObjectStore> ObjectStore for Bounded<T> {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let length = payload.content_length();
        let most = self.operation + time_for(length as u64);
        if length < OFFLOAD_BYTES {
            return within(most, self.store.put_opts(path, payload, options)).await;
        }
        let (store, path, runtime) = (Arc::clone(&self.store), path.clone(), Handle::current());
        // The bound goes along, so that the thread is free again in time.
        let put = move || runtime.block_on(within(most, store.put_opts(&path, payload, options)));
        spawn_blocking(put).await?
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.store.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, mut options: GetOptions) -> Result<GetResult> {
        options.extensions.insert(ForContent);
        let began = Instant::now();
        let mut got = within(self.operation, self.store.get_opts(path, options)).await?;
        if let GetResultPayload::Stream(content) = got.payload {
            let length = got.range.end.saturating_sub(got.range.start);
            got.payload = GetResultPayload::Stream(arriving(content, (began, self.operation), length));
        }
        Ok(got)
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        one_by_one(self.store.delete_stream(paths), self.operation)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        one_by_one(self.store.list(prefix), self.operation)
    }

    fn list_with_offset(&self, prefix: Option<&Path>, offset: &Path) -> BoxStream<'static, Result<ObjectMeta>> {
        one_by_one(self.store.list_with_offset(prefix, offset), self.operation)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        within(self.listing, self.store.list_with_delimiter(prefix)).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        within(self.operation, self.store.copy_opts(from, to, options)).await
    }
}

/// Credentials that come in time.
#[derive(Debug)]
pub(super) struct Prompt {
    credentials: AwsCredentialProvider,
    most: Duration,
}

impl Prompt {
    pub(super) const fn new(credentials: AwsCredentialProvider) -> Self {
        Self { credentials, most: CREDENTIAL_TIME }
    }
}

#[async_trait]
impl CredentialProvider for Prompt {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
        within(self.most, self.credentials.get_credential()).await
    }
}

/// What is not there by then is not waited for. Whether it was done is not known.
pub(super) async fn within<T>(most: Duration, asked: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(most, asked).await.unwrap_or_else(|_| Err(too_slow(most)))
}

/// Content that goes on coming, and is as long as was said.
fn arriving(
    content: BoxStream<'static, Result<Bytes>>,
    (began, operation): (Instant, Duration),
    length: u64,
) -> BoxStream<'static, Result<Bytes>> {
    unfold(Some((content, 0)), move |state| async move {
        let (mut content, so_far) = state?;
        let most = operation + time_for(so_far);
        let part = match timeout_at(began + most, content.next()).await {
            Ok(part) => part?,
            Err(_) => Err(too_slow(most)),
        };
        let bytes = part.as_ref().map_or(0, |part| part.len() as u64).saturating_add(so_far);
        if bytes > length {
            return Some((Err(failed(HttpErrorKind::Decode, too_long(length))), None));
        }
        let rest = part.is_ok().then_some((content, bytes));
        Some((part, rest))
    })
    .boxed()
}

/// Each of several answers in time.
fn one_by_one<T: Send + 'static>(
    answers: BoxStream<'static, Result<T>>,
    most: Duration,
) -> BoxStream<'static, Result<T>> {
    unfold(Some(answers), move |state| async move {
        let mut answers = state?;
        match timeout(most, answers.next()).await {
            Ok(answer) => Some((answer?, Some(answers))),
            Err(_) => Some((Err(too_slow(most)), None)),
        }
    })
    .boxed()
}

fn too_slow(most: Duration) -> Error {
    let text = format!("no answer within {} s, with all that was sent again", most.as_secs());
    failed(HttpErrorKind::Timeout, io::Error::new(io::ErrorKind::TimedOut, text))
}

/// What is said of an answer that may have so many bytes.
pub(super) fn too_long(most: u64) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("its answer has more than {most} bytes"))
}

fn failed(kind: HttpErrorKind, error: io::Error) -> Error {
    Error::Generic { store: "S3", source: Box::new(HttpError::new(kind, error)) }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::thread;
    use std::thread::ThreadId;

    use futures_util::TryStreamExt as _;
    use futures_util::stream;
    use object_store::memory::InMemory;
    use object_store::{GetRange, ObjectStoreExt as _, PutMode};
    use parking_lot::Mutex;

    use super::*;

    /// A store that does not answer, and whose content never ends or never comes.
    #[derive(Debug)]
    struct Bad {
        objects: InMemory,
        is_silent: bool,
        put_by: Mutex<Option<ThreadId>>,
    }

    impl Bad {
        fn new(is_silent: bool) -> Arc<Self> {
            Arc::new(Self { objects: InMemory::new(), is_silent, put_by: Mutex::default() })
        }
    }

    impl fmt::Display for Bad {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("bad")
        }
    }

    #[async_trait]
    impl ObjectStore for Bad {
        async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
            *self.put_by.lock() = Some(thread::current().id());
            match options.mode {
                PutMode::Create => pending().await,
                _ => self.objects.put_opts(path, payload, options).await,
            }
        }

        async fn put_multipart_opts(&self, _: &Path, _: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
            pending().await
        }

        async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
            let mut got = self.objects.get_opts(path, options).await?;
            let part = || Some((Ok(Bytes::from_static(b"more")), ()));
            let endless = unfold((), move |()| async move { part() });
            let content = if self.is_silent { stream::pending().boxed() } else { endless.boxed() };
            got.payload = GetResultPayload::Stream(content);
            Ok(got)
        }

        fn delete_stream(&self, _: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
            stream::pending().boxed()
        }

        fn list(&self, _: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
            stream::pending().boxed()
        }

        async fn list_with_delimiter(&self, _: Option<&Path>) -> Result<ListResult> {
            pending().await
        }

        async fn copy_opts(&self, _: &Path, _: &Path, _: CopyOptions) -> Result<()> {
            pending().await
        }
    }

    #[async_trait]
    impl CredentialProvider for Bad {
        type Credential = AwsCredential;

        async fn get_credential(&self) -> Result<Arc<AwsCredential>> {
            pending().await
        }
    }

    async fn bad(is_silent: bool) -> Bounded<Bad> {
        let soon = Duration::from_millis(20);
        let bad = Bounded { store: Bad::new(is_silent), operation: soon, listing: soon };
        bad.put(&Path::from("here"), PutPayload::from_static(b"content")).await.unwrap();
        bad
    }

    #[tokio::test]
    async fn nothing_that_is_asked_of_a_store_or_for_credentials_is_waited_for_without_end() {
        let store = bad(true).await;
        let path = Path::from("here");
        let given_up = |error: Error| {
            let text = format!("{:#}", anyhow::Error::from(error));
            assert!(text.contains("no answer within 0 s, with all that was sent again"), "{text}");
        };
        given_up(store.put_opts(&path, PutPayload::new(), PutMode::Create.into()).await.unwrap_err());
        given_up(store.get(&path).await.unwrap().bytes().await.unwrap_err());
        given_up(store.list(None).try_collect::<Vec<_>>().await.unwrap_err());
        given_up(store.list_with_delimiter(None).await.unwrap_err());
        given_up(store.delete(&path).await.unwrap_err());
        given_up(store.copy(&path, &Path::from("there")).await.unwrap_err());
        let bad = Bad::new(true);
        let prompt = Prompt { credentials: bad, most: Duration::from_millis(20) };
        given_up(prompt.get_credential().await.unwrap_err());
    }

    #[tokio::test]
    async fn large_content_is_hashed_beside_the_event_loop_and_within_its_bounds() {
        let store = bad(false).await;
        let path = Path::from("here");
        for (bytes, is_beside) in [(OFFLOAD_BYTES - 1, false), (OFFLOAD_BYTES, true)] {
            store.put(&path, vec![1; bytes].into()).await.unwrap();
            assert_eq!(*store.store.put_by.lock() != Some(thread::current().id()), is_beside, "{bytes}");
        }
        let silent = store.put_opts(&path, vec![1; OFFLOAD_BYTES].into(), PutMode::Create.into()).await.unwrap_err();
        assert!(format!("{:#}", anyhow::Error::from(silent)).contains("no answer within"));
    }

    #[tokio::test]
    async fn content_is_no_longer_than_it_says() {
        let store = bad(false).await;
        let long = store.get(&Path::from("here")).await.unwrap().bytes().await.unwrap_err();
        let text = format!("{:#}", anyhow::Error::from(long));
        assert!(text.contains("its answer has more than 7 bytes"), "{text}");
        let some = GetOptions { range: Some(GetRange::Bounded(0..3)), ..GetOptions::default() };
        assert!(store.get_opts(&Path::from("here"), some).await.unwrap().bytes().await.is_err());
    }
}
