//! Which images the workers of a principal are started with: those that its
//! runs wanted lately. An image never gets from one principal's set into
//! another's, so neither does its code into another's worker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::{CompiledImage, Images};
use crate::handle::Principal;

/// How long an image stays that nobody uses, beside the one used last.
const UNUSED: Duration = Duration::from_secs(600);
/// The most images of one principal. Each costs every worker that has it a
/// millisecond at its start and its warm slots later.
const MOST: usize = 16;

/// The images of each principal, by digest.
#[derive(Debug, Default)]
pub(crate) struct ImageSets(Mutex<HashMap<Principal, HashMap<String, Wanted>>>);

/// An image, and when a run last wanted it.
#[derive(Debug)]
struct Wanted {
    image: Arc<CompiledImage>,
    last_used: Instant,
}

impl ImageSets {
    /// An image of `principal`, which is used now.
    pub(crate) fn wanted(&self, principal: &Principal, digest: &str, now: Instant) -> Option<Arc<CompiledImage>> {
        let mut sets = self.0.lock();
        let wanted = sets.get_mut(principal)?.get_mut(digest)?;
        wanted.last_used = now;
        Some(Arc::clone(&wanted.image))
    }

    /// Adds an image to what workers of `principal` have that start from now on.
    pub(crate) fn add(&self, principal: &Principal, digest: &str, image: Arc<CompiledImage>, now: Instant) {
        let mut sets = self.0.lock();
        let set = sets.entry(principal.clone()).or_default();
        set.insert(digest.to_owned(), Wanted { image, last_used: now });
        while set.len() > MOST {
            let oldest = set.iter().min_by_key(|(_, wanted)| wanted.last_used).map(|(digest, _)| digest.clone());
            let Some(oldest) = oldest else { break };
            set.remove(&oldest);
        }
    }

    /// Takes out an image that cannot be loaded: no other should suffer from it.
    pub(crate) fn remove(&self, principal: &Principal, digest: &str) {
        if let Some(set) = self.0.lock().get_mut(principal) {
            set.remove(digest);
        }
    }

    /// Forgets the images of `principal`.
    pub(crate) fn forget(&self, principal: &Principal) {
        self.0.lock().remove(principal);
    }

    /// Whether a worker of `principal` that starts now has the image.
    pub(crate) fn has(&self, principal: &Principal, digest: &str) -> bool {
        self.0.lock().get(principal).is_some_and(|set| set.contains_key(digest))
    }

    /// What a worker of `principal` has that starts now.
    pub(crate) fn of(&self, principal: &Principal) -> Images {
        let sets = self.0.lock();
        let set = sets.get(principal).into_iter().flatten();
        set.map(|(digest, wanted)| (digest.clone(), Arc::clone(&wanted.image))).collect()
    }

    /// Takes out what nobody has used for a while. The one that a principal used
    /// last stays, so that a worker which has it alone is not started anew.
    pub(crate) fn shrink(&self, now: Instant) {
        for set in self.0.lock().values_mut() {
            let newest = set.values().map(|wanted| wanted.last_used).max();
            set.retain(|_, Wanted { last_used, .. }| {
                Some(*last_used) == newest || now.saturating_duration_since(*last_used) < UNUSED
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use guest_runtimes::Instance;

    use super::*;

    fn image() -> Arc<CompiledImage> {
        let instance = Instance {
            initial_bytes: 1 << 20,
            minimum_bytes: 1 << 20,
            headroom_bytes: 0,
            stack_bytes: 1 << 20,
            warm_slots: 1,
            warm_bytes: 0,
            hot_bytes: 0,
        };
        Arc::new(CompiledImage::current(tempfile::tempfile().unwrap(), 1, instance))
    }

    fn digests(sets: &ImageSets, principal: &Principal) -> Vec<String> {
        let mut digests: Vec<_> = sets.of(principal).into_keys().collect();
        digests.sort();
        digests
    }

    #[test]
    fn an_image_of_one_principal_is_never_in_the_set_of_another() {
        let (sets, now) = (ImageSets::default(), Instant::now());
        let (me, other) = (Principal::local(), Principal::named("other"));
        sets.add(&me, "mine", image(), now);
        sets.add(&other, "theirs", image(), now);
        assert_eq!((digests(&sets, &me), digests(&sets, &other)), (vec!["mine".into()], vec!["theirs".into()]));
        assert!(sets.wanted(&other, "mine", now).is_none() && !sets.has(&other, "mine"));
        assert!(sets.wanted(&me, "mine", now).is_some() && sets.has(&me, "mine"));
        sets.remove(&other, "mine");
        assert!(sets.has(&me, "mine"));
        assert_eq!(digests(&sets, &Principal::named("third")), [""; 0]);
    }

    #[test]
    fn a_set_shrinks_to_what_was_used_lately_and_never_loses_the_last() {
        let (sets, start) = (ImageSets::default(), Instant::now());
        let (me, other) = (Principal::local(), Principal::named("other"));
        sets.add(&me, "a", image(), start);
        sets.add(&me, "b", image(), start);
        sets.add(&other, "a", image(), start);
        let later = start + UNUSED;
        sets.wanted(&me, "b", start + Duration::from_secs(1));
        sets.shrink(later - Duration::from_secs(1));
        assert_eq!(digests(&sets, &me), ["a", "b"]);
        sets.shrink(later);
        assert_eq!(digests(&sets, &me), ["b"]);
        sets.shrink(later + 9 * UNUSED);
        assert_eq!((digests(&sets, &me), digests(&sets, &other)), (vec!["b".to_owned()], vec!["a".to_owned()]));
    }

    #[test]
    fn a_set_has_a_bound_and_the_longest_unused_goes() {
        let (sets, start, me) = (ImageSets::default(), Instant::now(), Principal::local());
        let at = |second| start + Duration::from_secs(second as u64);
        (0..MOST).for_each(|number| sets.add(&me, &format!("{number:02}"), image(), at(number)));
        sets.wanted(&me, "00", at(MOST));
        sets.add(&me, "new", image(), at(MOST + 1));
        assert_eq!(sets.of(&me).len(), MOST);
        assert!(sets.has(&me, "00") && sets.has(&me, "new") && !sets.has(&me, "01"));
    }
}
