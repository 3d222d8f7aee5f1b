//! Guest images that saved interpreters differ from: the one of this build, or
//! an older one that the store keeps.
//!
//! An interpreter goes on in the image that it began in, whatever this build
//! carries, and is saved under that again. New interpreters begin in the image
//! of this build.

use std::fs::File;
use std::sync::Arc;

use guest_runtimes::{GuestRuntime, Image};
use tokio::sync::Mutex as AsyncMutex;

use super::compile::compile;
use crate::error::Error;
use crate::session::snapshot::SavedInterpreter;
use crate::store::{Store, blocking};
use crate::wasm::{ABI_VERSION, CodeCache, ImageName};
use crate::worker::{CompiledImage, Pool};

/// Finds the images of saved interpreters.
pub(crate) struct Bases {
    store: Store,
    cache: CodeCache,
    /// Held while an image is looked for and compiled: whoever needs it too
    /// waits, rather than compile it again.
    opening: AsyncMutex<()>,
}

/// The image that an interpreter goes on in.
#[derive(Debug, PartialEq, Eq)]
enum Base<T> {
    /// The one of this build.
    Current,
    Older(T),
}

/// Where an image is that is not of this build.
enum Older {
    Pool,
    Cache(File),
    /// Compressed, and not verified.
    Store(Vec<u8>),
}

impl Bases {
    pub(crate) fn new(store: Store, cache: CodeCache) -> Self {
        Self { store, cache, opening: AsyncMutex::default() }
    }

    /// Sees to it that workers of `pool` can go on with `saved`. That takes as
    /// long as compiling does, once for each older image.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when its image is revoked or nowhere, or it was saved
    /// under another ABI.
    ///
    /// # Cancellation
    ///
    /// Safe: what is being compiled still goes to the cache.
    pub(crate) async fn open(
        &self,
        runtime: &Arc<GuestRuntime>,
        image: &Image,
        saved: &SavedInterpreter,
        pool: &Pool,
    ) -> Result<(), Error> {
        let _opening = if pool.has_image(&saved.image) { None } else { Some(self.opening.lock().await) };
        let base = choose(runtime.name(), image.digest(), saved, image.revoked(&saved.image), async {
            self.find_older(runtime, &saved.image, pool).await
        });
        let compiled = match base.await? {
            Base::Current | Base::Older(Older::Pool) => return Ok(()),
            Base::Older(Older::Cache(compiled)) => compiled,
            Base::Older(Older::Store(compressed)) => {
                let (cache, digest, runtime) = (self.cache.clone(), saved.image.clone(), Arc::clone(runtime));
                blocking("compile a guest image", move || {
                    let name = ImageName { runtime: runtime.id(), digest: &digest };
                    compile(&cache, name, &compressed, |_, _| {})
                })
                .await?
            }
        };
        pool.add_image(&saved.image, CompiledImage::older(compiled, *image.instance()));
        Ok(())
    }

    async fn find_older(&self, runtime: &Arc<GuestRuntime>, digest: &str, pool: &Pool) -> Result<Option<Older>, Error> {
        if pool.has_image(digest) {
            return Ok(Some(Older::Pool));
        }
        let (cache, name, runtime) = (self.cache.clone(), digest.to_owned(), Arc::clone(runtime));
        let find = move || cache.find(ImageName { runtime: runtime.id(), digest: &name });
        if let Some(compiled) = blocking("look for a compiled image", find).await? {
            return Ok(Some(Older::Cache(compiled)));
        }
        Ok(self.store.base(digest).await?.map(Older::Store))
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
    if *abi != ABI_VERSION {
        return Err(denied(format!("they were saved under guest ABI {abi}, and this server speaks ABI {ABI_VERSION}")));
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
        let chosen: Base<u8> = choose("Python", CURRENT, &saved(CURRENT, ABI_VERSION), None, never).await.unwrap();
        assert_eq!(chosen, Base::Current);
        assert_eq!(choose_of(&saved("older", ABI_VERSION), None, Some(7)).await, Ok(Base::Older(7)));
    }

    #[tokio::test]
    async fn an_image_that_is_nowhere_is_named_with_what_to_do() {
        let refused = choose_of(&saved("older", ABI_VERSION), None, None).await.unwrap_err();
        for part in ["the Python variables", "guest image older", "has current", "`bases/older`", "files can be read"] {
            assert!(refused.contains(part), "{refused}");
        }
        let broken = async { Err::<Option<u8>, _>(Error::host("read the store", "it is gone")) };
        let failed = choose("Python", CURRENT, &saved("older", ABI_VERSION), None, broken).await.unwrap_err();
        assert_eq!(failed.to_string(), "failed to read the store");
    }

    #[tokio::test]
    async fn a_revoked_image_is_refused_with_the_reason_even_where_it_is_at_hand() {
        for image in [CURRENT, "older"] {
            let refused = choose_of(&saved(image, ABI_VERSION), Some("it leaks"), Some(7)).await.unwrap_err();
            assert!(refused.contains(&format!("image {image}")) && refused.contains("revoked: it leaks;"), "{refused}");
            assert!(refused.contains("files can be read"), "{refused}");
        }
    }

    #[tokio::test]
    async fn another_abi_is_refused_with_both_versions() {
        for image in [CURRENT, "older"] {
            let refused = choose_of(&saved(image, ABI_VERSION + 1), None, Some(7)).await.unwrap_err();
            assert!(refused.contains("ABI 2") && refused.contains("ABI 1;"), "{refused}");
        }
    }
}
