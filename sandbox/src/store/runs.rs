//! Finished runs in what servers share. They are in no store: whoever does not find one
//! there reads it at the server that ran it.

use object_store::path::Path;

use super::objects::Store;
use super::seal::Binding;
use crate::error::Error;
use crate::handle::{Principal, RunId};

fn location(principal: &Principal, run: &RunId) -> Path {
    Path::from_iter(["runs", principal.directory_name(), run.as_str()])
}

fn binding(principal: &Principal, run: &RunId) -> Binding {
    Binding::Run { principal: principal.directory_name().to_owned(), run: run.clone() }
}

impl Store {
    /// Whether servers share anything beside the store.
    pub(crate) fn is_shared(&self) -> bool {
        self.cache.as_ref().is_some_and(|cache| cache.is_shared())
    }

    /// Hands a finished run to the other servers. That it arrives is not certain.
    pub(crate) async fn share_run(&self, principal: &Principal, run: &RunId, content: Vec<u8>) -> Result<(), Error> {
        let Some(cache) = &self.cache else { return Ok(()) };
        let sealed = self.seal(binding(principal, run), content).await?;
        cache.put_in_shared(&location(principal, run), &sealed).await;
        Ok(())
    }

    /// A run of `principal` that another server handed on, if it is there and right.
    pub(crate) async fn shared_run(&self, principal: &Principal, run: &RunId) -> Option<Vec<u8>> {
        let path = location(principal, run);
        let sealed = self.cache.as_ref()?.shared(&path).await?;
        let opened = self.open_sealed(binding(principal, run), sealed).await;
        opened.inspect_err(|_| tracing::warn!(%path, "what servers share has something else in place of a run")).ok()
    }
}
