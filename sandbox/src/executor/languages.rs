//! What can be run here, and by whom.

use std::sync::Arc;

use guest_runtimes::{GuestRuntime, Kind};

use super::Executor;
use crate::handle::Principal;

/// A language that can be run on this machine.
#[derive(Clone, Debug)]
pub struct Language {
    /// Its id in a request.
    pub id: String,
    /// One line on what the language is.
    pub description: String,
    /// The packages that it has of those that agents ask for; `None` where it
    /// has no such thing.
    pub packages: Option<Vec<String>>,
    /// How the operator adds packages.
    pub add: Option<String>,
}

impl Executor {
    /// The languages that can be run on this machine and that `principal` may run,
    /// and what each has there. The first call may take as long as a native run.
    pub async fn languages(&self, principal: &Principal) -> Vec<Language> {
        let _running = self.tracker.token();
        let mut languages = Vec::new();
        let policy = &self.bounds.of(principal).policy;
        let may_run = |runtime: &&Arc<GuestRuntime>| policy.languages.allow(runtime.id());
        for runtime in self.settings.catalogue.iter().filter(may_run) {
            let native = match runtime.kind() {
                Kind::Wasm(_) => None,
                Kind::Native(native) => match self.native.runtime.offer(runtime).await {
                    Some(offer) => Some((native, offer)),
                    None => continue,
                },
            };
            let packages = native.as_ref().and_then(|(_, offer)| offer.packages.clone());
            let add = native.as_ref().and_then(|(native, _)| native.packages()).map(|packages| packages.add.clone());
            let (id, description) = (runtime.id().to_owned(), runtime.description().to_owned());
            languages.push(Language { id, description, packages, add });
        }
        languages
    }
}
