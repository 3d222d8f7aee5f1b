//! Which guest image an interpreter runs in: the one of this build, or an older
//! one that the store keeps, which a saved interpreter differs from.
//!
//! An interpreter goes on in the image that it began in, whatever this build
//! carries, and is saved under that again. New interpreters begin in the image
//! of this build.

use std::sync::Arc;

use guest_runtimes::{ABI_VERSIONS, GuestRuntime, Image};

use super::compile::compile;
use super::opening::{Found, Opening, OpeningTurn};
use super::prepare;
use crate::error::Error;
use crate::handle::Principal;
use crate::session::snapshot::SavedInterpreter;
use crate::store::{Store, blocking};
use crate::wasm::{CodeCache, ImageName};
use crate::worker::{CompiledImage, Pool};

/// Finds the images of interpreters.
pub(crate) struct Bases {
    store: Store,
    cache: CodeCache,
    opening: Opening,
}

/// The image that an interpreter goes on in.
#[derive(Debug, PartialEq, Eq)]
enum Base<T> {
    /// The image of this build.
    Current,
    Older(T),
}

impl Bases {
    pub(crate) fn new(store: Store, cache: CodeCache) -> Self {
        Self { store, cache, opening: Opening::default() }
    }

    /// Sees to it that workers of `principal` can run the image of this build.
    /// That takes as long as compiling does, the first time on this machine.
    /// What `compiling` makes is held while it is compiled.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] when it cannot be compiled.
    pub(crate) async fn open_current<G>(
        &self,
        pool: &Pool,
        principal: &Principal,
        runtime: &Arc<GuestRuntime>,
        image: &Arc<Image>,
        compiling: impl FnOnce() -> G + Send + 'static,
    ) -> Result<(), Error> {
        let (cache, runtime, own) = (self.cache.clone(), Arc::clone(runtime), Arc::clone(image));
        let find = |turn| async {
            let prepare = move || {
                let code = prepare(&cache, &runtime, &own, compiling)?;
                Ok((Some(CompiledImage::current(code, own.abi(), *own.instance())), turn))
            };
            blocking("prepare a guest image", prepare).await
        };
        self.opening.open(pool, principal, image.digest(), find).await.map(drop)
    }

    /// Sees to it that workers of `principal` can go on with `saved`. That takes
    /// as long as compiling does, once for each older image.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when its image is revoked or nowhere, or it was saved
    /// under an ABI that this server does not speak.
    ///
    /// # Cancellation
    ///
    /// Safe: what is being compiled still goes to the cache.
    pub(crate) async fn open(
        &self,
        pool: &Pool,
        principal: &Principal,
        (runtime, image): (&Arc<GuestRuntime>, &Arc<Image>),
        saved: &SavedInterpreter,
    ) -> Result<(), Error> {
        let digest = &saved.image;
        let older = async {
            let find = |turn| self.find_older(runtime, image, saved, turn);
            Ok(self.opening.open(pool, principal, digest, find).await?.then_some(()))
        };
        match choose(runtime.name(), image.digest(), saved, image.revoked(digest), older).await? {
            Base::Current => self.open_current(pool, principal, runtime, image, || ()).await,
            Base::Older(()) => Ok(()),
        }
    }

    async fn find_older(
        &self,
        runtime: &Arc<GuestRuntime>,
        image: &Image,
        saved: &SavedInterpreter,
        turn: OpeningTurn,
    ) -> Result<Found, Error> {
        let (digest, abi) = (saved.image.as_str(), saved.abi);
        let older = |code| Some(CompiledImage::older(code, abi, *image.instance()));
        let (cache, name, own) = (self.cache.clone(), digest.to_owned(), Arc::clone(runtime));
        let find = move || cache.find(ImageName { runtime: own.id(), digest: &name });
        if let Some(compiled) = blocking("look for a compiled image", find).await? {
            return Ok((older(compiled), turn));
        }
        // What the store has is not verified before it is compiled.
        let Some(compressed) = self.store.base(digest).await? else { return Ok((None, turn)) };
        let (cache, name, own) = (self.cache.clone(), digest.to_owned(), Arc::clone(runtime));
        let compile = move || {
            let name = ImageName { runtime: own.id(), digest: &name };
            Ok((compile(&cache, name, &compressed)?, turn))
        };
        let (code, turn) = blocking("compile a guest image", compile).await?;
        Ok((older(code), turn))
    }
}

/// Decides which image `saved` goes on in, if any. `current` is the image of
/// this build, and `older` is asked when that is another.
async fn choose<T>(
    language: &str,
    current: &str,
    saved: &SavedInterpreter,
    revoked: Option<&str>,
    older: impl Future<Output = Result<Option<T>, Error>>,
) -> Result<Base<T>, Error> {
    let SavedInterpreter { image, abi, .. } = saved;
    let denied = |reason| Error::Denied {
        action: format!("going on with the {language} variables of this session"),
        reason: format!("{reason}; its files can be read, and variables begin anew in another session"),
    };
    if let Some(reason) = revoked {
        return Err(denied(format!("guest image {image}, which they belong to, was revoked: {reason}")));
    }
    if !ABI_VERSIONS.contains(abi) {
        let (oldest, newest) = ABI_VERSIONS.into_inner();
        return Err(denied(format!(
            "they were saved under guest ABI {abi}, and this server speaks ABI {oldest} to {newest}"
        )));
    }
    if image == current {
        return Ok(Base::Current);
    }
    older.await?.map(Base::Older).ok_or_else(|| {
        denied(format!(
            "they belong to guest image {image}, this server has {current}, and the store does not keep the other; \
             the operator can put it there as `bases/{image}` or start the version that has it"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CURRENT: &str = "current";

    fn saved(image: &str, abi: u32) -> SavedInterpreter {
        let engine = "0.0.0".to_owned();
        SavedInterpreter { image: image.into(), abi, engine, parts: Vec::new(), tail: Vec::new(), state: Vec::new() }
    }

    async fn choose_of(saved: &SavedInterpreter, revoked: Option<&str>, older: Option<u8>) -> Result<Base<u8>, String> {
        let older = async { Ok(older) };
        choose("Python", CURRENT, saved, revoked, older).await.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_interpreter_goes_on_in_its_own_image_wherever_that_is() {
        let never = async { panic!("the image of this build is not looked for") };
        let chosen: Base<u8> = choose("Python", CURRENT, &saved(CURRENT, 1), None, never).await.unwrap();
        assert_eq!(chosen, Base::Current);
        assert_eq!(choose_of(&saved("older", 1), None, Some(7)).await, Ok(Base::Older(7)));
    }

    #[tokio::test]
    async fn an_image_that_is_nowhere_is_named_with_what_to_do() {
        let refused = choose_of(&saved("older", 1), None, None).await.unwrap_err();
        for part in ["the Python variables", "guest image older", "has current", "`bases/older`", "files can be read"] {
            assert!(refused.contains(part), "{refused}");
        }
        let broken = async { Err::<Option<u8>, _>(Error::host("read the store", "it is gone")) };
        let failed = choose("Python", CURRENT, &saved("older", 1), None, broken).await.unwrap_err();
        assert_eq!(failed.to_string(), "failed to read the store");
    }

    #[tokio::test]
    async fn a_revoked_image_is_refused_with_the_reason_even_where_it_is_at_hand() {
        for image in [CURRENT, "older"] {
            let refused = choose_of(&saved(image, 1), Some("it leaks"), Some(7)).await.unwrap_err();
            assert!(refused.contains(&format!("image {image}")) && refused.contains("revoked: it leaks;"), "{refused}");
            assert!(refused.contains("files can be read"), "{refused}");
        }
    }

    #[tokio::test]
    async fn every_abi_that_this_server_speaks_goes_on_and_others_are_refused_with_all_versions() {
        for abi in ABI_VERSIONS {
            assert_eq!(choose_of(&saved("older", abi), None, Some(7)).await, Ok(Base::Older(7)), "{abi}");
            assert_eq!(choose_of(&saved(CURRENT, abi), None, None).await, Ok(Base::Current), "{abi}");
        }
        for (image, abi) in [(CURRENT, 3), ("older", 3), ("older", 0)] {
            let refused = choose_of(&saved(image, abi), None, Some(7)).await.unwrap_err();
            assert!(refused.contains(&format!("under guest ABI {abi}, ")), "{refused}");
            assert!(refused.contains("speaks ABI 1 to 2;"), "{refused}");
        }
    }
}
