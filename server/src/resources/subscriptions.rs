//! Telling clients when files of sessions change: over the connection of one that
//! subscribed, or as the stream that it listens to. What it has not been told yet is
//! told once, however often it changed.

use std::collections::{BTreeMap, HashMap};
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

/// A client that is told of changes.
struct Told {
    watch: Arc<FileWatch>,
    /// Subscriptions by address, each with its part of what the caller may have.
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
        // A session that is not there is told of now: nothing of it will ever change.
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

    /// Tells of what is at `uri` no longer. What nobody subscribed to is none already.
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

/// What is watched for those who asked to listen, and whom the SDK has not handed over
/// yet: it tells a client that it listens first. What changes in between is told too.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<(SubscriptionFilter, Result<Watching, Refusal>)>>);

/// What is watched for one who listens.
struct Watching {
    watch: FileWatch,
    _permit: OwnedSemaphorePermit,
}

impl Listeners {
    /// Begins to watch what was asked for, and says what of it is told: of more than
    /// there may be, nothing.
    pub(crate) fn begin(
        &self,
        service: &Service,
        caller: &Caller,
        requested: &SubscriptionFilter,
    ) -> SubscriptionFilter {
        let mounts = &service.executor.policy(&caller.principal).mounts;
        let uris = requested.resource_subscriptions.as_deref().unwrap_or_default();
        let mut accepted = BTreeMap::new();
        if uris.len() <= SUBSCRIPTIONS {
            accepted.extend(uris.iter().filter_map(|uri| Some((uri, place(uri, mounts).ok()?))));
        }
        let told: Vec<_> = uris.iter().filter(|uri| accepted.contains_key(uri)).cloned().collect();
        let watching = if uris.len() > SUBSCRIPTIONS {
            Err(too_many())
        } else {
            permit(caller, told.len().max(1)).map(|permit| {
                let watch = service.executor.watch_files(&caller.principal);
                for (uri, (session, path)) in accepted {
                    watch.add(&session, &path, uri);
                }
                Watching { watch, _permit: permit }
            })
        };
        self.0.lock().push((requested.clone(), watching));
        SubscriptionFilter::builder().resource_subscriptions(told).build()
    }

    /// Tells a client who listens, until it leaves or the server ends.
    pub(crate) async fn tell(
        &self,
        service: &Service,
        ended: &CancellationToken,
        context: &SubscriptionContext,
    ) -> Result<(), Refusal> {
        let watching = {
            let mut begun = self.0.lock();
            // Several may have asked for the same, and each may have what any of them was given.
            let at = begun.iter().position(|(requested, _)| requested == context.requested());
            at.map(|at| begun.swap_remove(at).1)
        };
        let Some(watching) = watching.transpose()? else { return Ok(()) };
        let telling = async {
            loop {
                let uri = watching.watch.next().await;
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
