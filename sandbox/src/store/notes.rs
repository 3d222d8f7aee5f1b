//! Notes that servers over one store leave for each other in what they share beside it:
//! what must be known soon, and need not be kept. A note is sealed for its name, so that
//! who holds what is shared can hide one, or bring back an earlier of the same name, and
//! nothing else. Which of two is the newer its content must say.

use object_store::path::Path;

use super::cache::Note;
use super::objects::Store;
use super::seal::Binding;
use crate::error::Error;

fn location(name: &str) -> Path {
    Path::from_iter(["notes", name])
}

fn binding(name: &str) -> Binding {
    Binding::Note { name: name.to_owned() }
}

impl Store {
    /// Leaves a note in place of what has its name. That it arrives is not certain.
    pub(crate) async fn leave_note(&self, name: &str, content: Vec<u8>) -> Result<(), Error> {
        let Some(cache) = &self.cache else { return Ok(()) };
        let sealed = self.seal(binding(name), content).await?;
        cache.put_in_shared(&location(name), &sealed).await;
        Ok(())
    }

    /// What there is of these notes, each of at most `max_bytes`. `None` while servers share
    /// nothing, or cannot.
    pub(crate) async fn notes(&self, names: &[String], max_bytes: usize) -> Option<Vec<Note>> {
        let paths: Vec<_> = names.iter().map(|name| location(name)).collect();
        let found = self.cache.as_ref()?.all_shared(&paths, max_bytes).await?;
        let mut notes = Vec::with_capacity(names.len());
        for (name, sealed) in names.iter().zip(found) {
            let Some(sealed) = sealed else {
                notes.push(Note::None);
                continue;
            };
            let opened = self.open_sealed(binding(name), sealed).await;
            notes.push(opened.map_or(Note::Wrong, Note::Content));
        }
        Some(notes)
    }
}
