//! What servers over one store tell each other.

use super::Executor;
use crate::error::Error;
use crate::store::Note;

impl Executor {
    /// Whether servers share anything beside the store, where notes can be.
    pub fn shares_notes(&self) -> bool {
        self.sessions.store().is_shared()
    }

    /// Leaves a note for the other servers over this store, sealed, in place of what has its
    /// name. It is kept for minutes, and may be lost at any time.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when it cannot be sealed.
    pub async fn leave_note(&self, name: &str, content: Vec<u8>) -> Result<(), Error> {
        self.sessions.store().leave_note(name, content).await
    }

    /// What there is of these notes, each of at most `max_bytes`. A note was left by a
    /// server over this store under its name, though another may have been left since.
    /// `None` while servers share nothing, or cannot.
    pub async fn notes(&self, names: &[String], max_bytes: usize) -> Option<Vec<Note>> {
        self.sessions.store().notes(names, max_bytes).await
    }
}
