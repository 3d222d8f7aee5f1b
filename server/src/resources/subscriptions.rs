//! Telling clients when files of sessions change: over the connection of one that
//! subscribed, or as the stream that it listens to. What it has not been told yet is
//! told once, however often it changed.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use rmcp::RoleServer;
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, SubscriptionContext};
use sandbox::{Error, FileWatch, Mounts, SessionId, WorkspacePath};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::address::Address;
use super::refusal::Refusal;
use crate::caller::{Caller, SUBSCRIPTIONS};
use crate::service::Service;
use crate::transport::gate::Gate;

/// What of a session is watched.
type Place = (SessionId, WorkspacePath);

/// What a client of the `initialize` era subscribed to on one connection.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<Option<Told>>);

/// One that is told.
struct Told {
    watch: Arc<FileWatch>,
    /// By address, each with its part of what the caller may have.
    permits: HashMap<String, OwnedSemaphorePermit>,
    _telling: AbortOnDropHandle<()>,
}

impl Subscriptions {
    /// Has `peer` told when what is at `uri` changes, until the connection or the
    /// server ends.
    pub(crate) async fn add(
        &self,
        service: &Arc<Service>,
        caller: &Caller,
        (peer, gate): (Peer<RoleServer>, Option<Arc<Gate>>),
        ended: &CancellationToken,
        uri: &str,
    ) -> Result<(), Refusal> {
        let (session, path) = place(uri, &service.executor.policy(&caller.principal).mounts)?;
        // One that is not there is told now: nothing of it will ever change.
        drop(service.executor.session_files(&caller.principal, &session).await?);
        let mut told = self.0.lock();
        let told = told.get_or_insert_with(|| {
            let watch = Arc::new(service.executor.watch_files(&caller.principal));
            let telling = tell(Arc::clone(service), Arc::clone(&watch), peer, gate, ended.clone());
            #[expect(clippy::disallowed_methods, reason = "it ends with the connection")]
            let telling = AbortOnDropHandle::new(tokio::spawn(telling));
            Told { watch, permits: HashMap::new(), _telling: telling }
        });
        if told.permits.contains_key(uri) {
            return Ok(());
        }
        told.permits.insert(uri.to_owned(), permit(caller, 1)?);
        told.watch.add(&session, &path, uri);
        Ok(())
    }

    /// Tells of it no longer. What nobody subscribed to is none already.
    pub(crate) fn remove(&self, uri: &str) {
        if let Some(told) = self.0.lock().as_mut()
            && told.permits.remove(uri).is_some()
        {
            told.watch.remove(uri);
        }
    }
}

async fn tell(
    service: Arc<Service>,
    watch: Arc<FileWatch>,
    peer: Peer<RoleServer>,
    gate: Option<Arc<Gate>>,
    ended: CancellationToken,
) {
    let notify = async |uri: &str| peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await;
    let telling = async {
        let Some(gate) = gate else {
            while notify(&watch.next().await).await.is_ok() {}
            return;
        };
        loop {
            let way = gate.ready().await;
            let uri = tokio::select! {
                biased;
                () = gate.gone(way) => continue,
                uri = watch.next() => uri,
            };
            if !gate.hand_over(way) {
                watch.put_back(&uri);
                continue;
            }
            if notify(&uri).await.is_err() {
                return;
            }
            if !gate.taken(way).await {
                watch.put_back(&uri);
            }
        }
    };
    tokio::select! {
        () = telling => {}
        () = service.stopping() => {}
        () = ended.cancelled() => {}
    }
}

/// What of that is told to one who listens: of more than it may have, nothing.
pub(crate) fn accepted(mounts: &Mounts, requested: &SubscriptionFilter) -> SubscriptionFilter {
    let uris = requested.resource_subscriptions.as_deref().unwrap_or_default();
    let accepted: Vec<_> = if uris.len() > SUBSCRIPTIONS {
        Vec::new()
    } else {
        uris.iter().filter(|uri| place(uri, mounts).is_ok()).cloned().collect()
    };
    SubscriptionFilter::builder().resource_subscriptions(accepted).build()
}

/// Tells one who listens, until it leaves or the server ends.
pub(crate) async fn listen(
    service: &Service,
    caller: &Caller,
    ended: &CancellationToken,
    context: &SubscriptionContext,
) -> Result<(), Refusal> {
    let requested = context.requested().resource_subscriptions.as_ref().map_or(0, Vec::len);
    if requested > SUBSCRIPTIONS {
        return Err(too_many());
    }
    let uris = context.accepted().resource_subscriptions.as_deref().unwrap_or_default();
    let _permit = permit(caller, uris.len().max(1))?;
    let watch = service.executor.watch_files(&caller.principal);
    for uri in uris.iter().collect::<BTreeSet<_>>() {
        let (session, path) = place(uri, &service.executor.policy(&caller.principal).mounts)?;
        watch.add(&session, &path, uri);
    }
    let telling = async {
        loop {
            let uri = watch.next().await;
            if context.sink().notify_resource_updated(&*uri).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = telling => {}
        () = context.cancelled() => {}
        () = service.stopping() => {}
        () = ended.cancelled() => {}
    }
    Ok(())
}

fn permit(caller: &Caller, count: usize) -> Result<OwnedSemaphorePermit, Refusal> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    Arc::clone(&caller.subscriptions).try_acquire_many_owned(count).map_err(|_| too_many())
}

const fn too_many() -> Refusal {
    Refusal::TooMany {
        what: "subscriptions",
        bound: SUBSCRIPTIONS,
        instead: "end one, or subscribe to the folder of a session, which stands for all that is in it",
    }
}

/// What is watched for an address. Only files of sessions ever change.
fn place(uri: &str, mounts: &Mounts) -> Result<Place, Error> {
    let Address::Session { id, path } = Address::parse(uri)? else {
        return Err(Error::invalid("uri", "must be of a file or folder of a session: nothing else ever changes"));
    };
    if mounts.holding(&path).is_some() {
        return Err(Error::invalid("uri", "is of a folder of the operator's, which is not watched"));
    }
    Ok((id, WorkspacePath::of_any_name("uri", &path)?))
}
