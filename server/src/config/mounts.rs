//! Folders of the machine that programs see, as they are written, and what none of
//! them may be.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sandbox::{Mount, Mounts, Reserved};

use super::machine::base_directory;
use super::merged;
use super::values::MountSetting;

const VARIABLE: &str = "BELLJAR_MOUNTS";

/// The mounts of the file, of the variable and of flags. One of a later layer takes the
/// place of what has its destination in an earlier one.
pub(super) fn mounts(file: Vec<MountSetting>, flags: Vec<MountSetting>) -> anyhow::Result<Vec<MountSetting>> {
    let variable = std::env::var(VARIABLE).unwrap_or_default();
    let variable = merged(Vec::new(), &variable).map_err(|reason| anyhow::anyhow!("${VARIABLE}: {reason}"))?;
    Ok(layered([file, variable, flags]))
}

/// Each layer takes the place of what has its destinations in those before it.
pub(super) fn layered<const N: usize>(layers: [Vec<MountSetting>; N]) -> Vec<MountSetting> {
    layers.into_iter().fold(Vec::new(), |mut below: Vec<MountSetting>, layer| {
        below.retain(|one| layer.iter().all(|other| other.destination != one.destination));
        below.extend(layer);
        below
    })
}

/// Opens the folders.
pub(super) fn open(settings: Vec<MountSetting>) -> anyhow::Result<Mounts> {
    let open = |MountSetting { source, destination, access }: MountSetting| Mount::open(&source, &destination, access);
    let opened = settings.into_iter().map(open).collect::<Result<_, _>>();
    opened.and_then(Mounts::new).map_err(anyhow::Error::msg).context("mounts cannot be used")
}

/// What no mount may show or change beside what the sandbox has of its own: where
/// configuration is looked for, be it there or not, and what the next server is
/// made of.
pub(super) fn reserved(runtimes: Option<&Path>) -> Vec<Reserved> {
    let reserve = |what, path, is_readable| Reserved { what, path, is_readable };
    let configuration = base_directory("XDG_CONFIG_HOME", ".config").ok();
    let program = std::env::current_exe().ok();
    configuration
        .into_iter()
        .map(|path| reserve("the directory of the configuration", path, false))
        .chain(runtimes.map(|path| reserve("the runtimes", path.to_path_buf(), true)))
        .chain(program.map(|path: PathBuf| reserve("the program of this server", path, true)))
        .collect()
}

#[cfg(test)]
mod tests {
    use sandbox::MountAccess;

    use super::*;

    fn parsed(text: &str) -> Result<(String, String, MountAccess), String> {
        let MountSetting { source, destination, access } = text.parse()?;
        Ok((source.display().to_string(), destination.display().to_string(), access))
    }

    #[test]
    fn a_mount_is_a_source_a_destination_and_an_access() {
        use MountAccess::{ReadOnly, ReadWrite};
        for (text, source, destination, access) in [
            ("/srv/data:/data", "/srv/data", "/data", ReadOnly),
            ("/srv/data:/data:ro", "/srv/data", "/data", ReadOnly),
            ("/srv/data:/data:rw", "/srv/data", "/data", ReadWrite),
            ("/srv/data/:/data/", "/srv/data/", "/data", ReadOnly),
            ("/srv/12:30/x:/data/y:rw", "/srv/12:30/x", "/data/y", ReadWrite),
            ("/a:/b:/c", "/a:/b", "/c", ReadOnly),
            ("./data:/data", "./data", "/data", ReadOnly),
        ] {
            assert_eq!(parsed(text), Ok((source.into(), destination.into(), access)), "{text}");
        }
        for text in ["", "/srv/data", ":/data", "/srv/data:data", "/srv/data:rw", "/srv/data:data:rw"] {
            assert!(parsed(text).unwrap_err().contains("SOURCE:DESTINATION[:ro|rw]"), "{text}");
        }
        // There is no third access, so this is a destination that there cannot be.
        let (source, destination, access) = parsed("/tmp:/data:rx").unwrap();
        let error = Mount::open(source.as_ref(), destination.as_ref(), access).unwrap_err();
        assert!(error.contains("`:`, got \"/data:rx\""), "{error}");
    }

    #[test]
    fn a_later_layer_takes_the_place_of_a_destination_and_two_in_one_layer_are_refused() {
        let layer = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<MountSetting>>();
        let merged = layered([layer(&["/a:/x", "/b:/y"]), layer(&["/c:/y:rw"]), layer(&["/d:/z"])]);
        let shown: Vec<_> = merged.iter().map(|one| one.source.to_str().unwrap()).collect();
        assert_eq!(shown, ["/a", "/c", "/d"]);
        let twice = open(layer(&["/usr:/x", "/etc:/x"])).unwrap_err();
        assert!(format!("{twice:#}").contains("mounts cannot be used: two mounts have the destination /x"));
    }
}
