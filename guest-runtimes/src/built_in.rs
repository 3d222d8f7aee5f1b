//! The runtimes of this build, each from a folder of this crate.

use std::sync::Arc;

use crate::image::{Image, Source};
use crate::native::Native;
use crate::runtime::{Description, GuestRuntime, Kind};

/// What a folder holds.
#[derive(Clone, Copy)]
struct Folder {
    description: &'static str,
    probes: &'static str,
    content: Content,
}

#[derive(Clone, Copy)]
enum Content {
    /// A compressed image.
    Image(&'static [u8]),
    /// Files that a native program finds beside the code, by their paths.
    Files(&'static [(&'static str, &'static str)]),
}

const FOLDERS: &[Folder] = &[
    Folder {
        description: include_str!("../python/runtime.toml"),
        probes: include_str!("../python/probes.toml"),
        content: Content::Image(include_bytes!("../python/python.wasm.zst")),
    },
    Folder {
        description: include_str!("../javascript/runtime.toml"),
        probes: include_str!("../javascript/probes.toml"),
        content: Content::Image(include_bytes!("../javascript/javascript.wasm.zst")),
    },
    Folder {
        description: include_str!("../bash/runtime.toml"),
        probes: include_str!("../bash/probes.toml"),
        content: Content::Files(&[]),
    },
    Folder {
        description: include_str!("../python-native/runtime.toml"),
        probes: include_str!("../python-native/probes.toml"),
        content: Content::Files(&[
            ("entrypoint.py", include_str!("../python-native/entrypoint.py")),
            ("belljar/runner.py", include_str!("../python-native/belljar/runner.py")),
            ("belljar/plots.py", include_str!("../python-native/belljar/plots.py")),
            ("belljar/notebooks.py", include_str!("../python-native/belljar/notebooks.py")),
            ("belljar/errors.py", include_str!("../python-native/belljar/errors.py")),
            ("belljar/advice.py", include_str!("../python-native/belljar/advice.py")),
            // The image and native programs make results by the same code, so that
            // these are the same.
            ("belljar/source.py", include_str!("../python/session/source.py")),
            ("belljar/hooks.py", include_str!("../python/session/hooks.py")),
            ("belljar/magics.py", include_str!("../python/session/magics.py")),
            ("belljar/notebook.py", include_str!("../python/session/notebook.py")),
            // This module is found last: where there is a real one, programs get that.
            ("IPython/__init__.py", include_str!("../python/session/IPython/__init__.py")),
            ("IPython/display.py", include_str!("../python/session/IPython/display.py")),
            ("IPython/core/__init__.py", include_str!("../python/session/IPython/core/__init__.py")),
            ("IPython/core/display.py", include_str!("../python/session/IPython/core/display.py")),
            ("IPython/core/display_functions.py", include_str!("../python/session/IPython/core/display_functions.py")),
            ("IPython/core/getipython.py", include_str!("../python/session/IPython/core/getipython.py")),
            ("IPython/core/interactiveshell.py", include_str!("../python/session/IPython/core/interactiveshell.py")),
            ("IPython/core/magic.py", include_str!("../python/session/IPython/core/magic.py")),
        ]),
    },
];

/// What all native runtimes have in common.
const COMMON: &str = include_str!("../native.toml");

/// All runtimes of this build.
pub(crate) fn runtimes() -> Result<Vec<GuestRuntime>, toml::de::Error> {
    FOLDERS.iter().map(load).collect()
}

fn load(folder: &Folder) -> Result<GuestRuntime, toml::de::Error> {
    let mut description: Description = toml::from_str(folder.description)?;
    let wrong = |key: &str, reason: &str| serde::de::Error::custom(format!("`{}`: {key} {reason}", description.id));
    let kind = match &folder.content {
        Content::Image(compressed) => {
            let digest = description.image_sha256.clone().ok_or_else(|| wrong("image_sha256", "is missing"))?;
            let image = Image::new(&description, digest, Source::BuiltIn(compressed));
            Kind::Wasm(Arc::new(image.map_err(|(key, reason)| wrong(key, &reason))?))
        }
        Content::Files(files) => {
            let native = description.native.take().ok_or_else(|| wrong("native", "is missing"))?;
            Kind::Native(Box::new(Native::new(native, toml::from_str(COMMON)?, files)))
        }
    };
    Ok(GuestRuntime::new(description, toml::from_str(folder.probes)?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Argument, Catalogue, ImageError, unpack};

    fn images() -> Vec<Arc<Image>> {
        let kinds = runtimes().unwrap().into_iter().map(GuestRuntime::into_kind);
        kinds.filter_map(|kind| if let Kind::Wasm(image) = kind { Some(image) } else { None }).collect()
    }

    #[test]
    fn every_image_is_the_one_that_its_description_names() {
        for image in images() {
            let module = unpack(&image.compressed().unwrap(), image.digest()).unwrap();
            assert!(module.starts_with(b"\0asm"), "{}", image.digest());
        }
        let catalogue = Catalogue::built_in();
        assert!(catalogue.iter().all(|runtime| catalogue.find(runtime.id()).is_some()));
    }

    #[test]
    fn an_image_that_is_damaged_or_another_is_refused() {
        let (image, other) = (&images()[0], "0".repeat(64));
        let compressed = image.compressed().unwrap();
        let error = unpack(&compressed, &other).unwrap_err().to_string();
        assert!(error.contains(image.digest()) && error.contains(&other), "{error}");
        let cut_off = &compressed[..compressed.len() / 2];
        assert!(matches!(unpack(cut_off, image.digest()), Err(ImageError::Decompress { .. })));
    }

    #[test]
    fn no_image_of_this_build_is_revoked_and_others_are_with_their_reason() {
        for image in images() {
            assert_eq!(image.revoked(image.digest()), None);
        }
        let text = include_str!("../python/runtime.toml");
        let text = format!("revoked = [{{ sha256 = \"ab\", reason = \"it leaks\" }}]\n{text}");
        let runtime = load(&Folder { description: String::leak(text), ..FOLDERS[0] }).unwrap();
        let Kind::Wasm(image) = runtime.kind() else { panic!("it has an image") };
        assert_eq!((image.revoked("ab"), image.revoked("cd")), (Some("it leaks"), None));
    }

    #[test]
    fn a_native_runtime_starts_with_its_code_or_its_request() {
        for runtime in runtimes().unwrap() {
            let Kind::Native(native) = runtime.kind() else { continue };
            let given = |argument: &Argument| matches!(argument, Argument::Program | Argument::Request);
            assert_eq!(native.arguments().iter().filter(|argument| given(argument)).count(), 1, "{}", runtime.id());
            assert!(native.canary().contains("version"), "{}", runtime.id());
        }
    }

    #[test]
    fn an_interpreter_is_known_by_the_names_of_its_parts() {
        let catalogue = Catalogue::built_in();
        let Kind::Native(native) = catalogue.find("python-native").unwrap().kind() else { panic!("it is native") };
        let layout = native.layout().unwrap();
        let programs = ["python", "python3", "python3.12", "pypy3"];
        assert!(programs.iter().all(|name| layout.is_program(name)));
        assert!(["python3-config", "pip3", "python.sh"].iter().all(|name| !layout.is_program(name)));
        assert!(layout.is_version("python3.13") && !layout.is_version("python3.d") && !layout.is_version("python3"));
        assert!(layout.is_shared_library("libpython3.12.so.1.0") && !layout.is_shared_library("libpython3.12.a"));
    }
}
