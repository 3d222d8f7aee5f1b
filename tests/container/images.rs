//! The images of `deploy/Dockerfile`, of a Debian that was made here and the program that
//! was built outside: no registry of images is asked.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::engine::Engine;
use crate::{packages, repository, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Image {
    Slim,
    Full,
}

impl Image {
    const fn target(self) -> &'static str {
        match self {
            Self::Slim => "slim",
            Self::Full => "full",
        }
    }

    pub(crate) const fn tag(self) -> &'static str {
        match self {
            Self::Slim => "belljar:slim",
            Self::Full => "belljar:full",
        }
    }
}

/// What the images are made of.
#[derive(Debug)]
pub(crate) struct Images {
    base: String,
}

const PROGRAM: &str = "belljar-program";

impl Images {
    /// Makes the Debian, once, and an image of the program that was built last.
    pub(crate) fn prepare(engine: &Engine, folder: &Path) -> Result<Self, String> {
        engine.remove_leftovers()?;
        let base = format!("belljar-debian:{}", packages::release()?);
        if engine.docker(&["image", "inspect", &base]).is_err() {
            import_debian(engine, folder, &base)?;
        }
        let context = tempfile::tempdir_in(folder).map_err(|error| error.to_string())?;
        let program = context.path().join("belljar");
        run(Command::new("strip").args(["--strip-all", "-o"]).arg(&program).arg(tests::binary()))?;
        fs::write(context.path().join("Dockerfile"), "FROM scratch\nCOPY belljar /belljar\n")
            .map_err(|error| error.to_string())?;
        run(engine.command(&["build", "--quiet", "--tag", PROGRAM]).arg(context.path()))?;
        Ok(Self { base })
    }

    /// Builds an image as `deploy/Dockerfile` says, but for the stage that compiles.
    pub(crate) fn build(&self, engine: &Engine, image: Image) -> Result<(), String> {
        let base = format!("BASE={}", self.base);
        let program = format!("PROGRAM={PROGRAM}");
        let mut build = engine.command(&["build", "--quiet", "--target", image.target(), "--tag", image.tag()]);
        build
            .args(["--build-arg", &base, "--build-arg", &program])
            // Packages of `full` come over the network of this machine.
            .args(["--network", "host", "--file"])
            .arg(repository().join("deploy/Dockerfile"))
            .arg(repository());
        run(&mut build).map(drop)
    }
}

fn import_debian(engine: &Engine, folder: &Path, tag: &str) -> Result<(), String> {
    let place = tempfile::tempdir_in(folder).map_err(|error| error.to_string())?;
    let root = place.path().join("debian");
    packages::debootstrap(engine.tools(), &root)?;
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(&root).args(["-c", "."]).stdout(Stdio::piped());
    let mut packed = tar.spawn().map_err(|error| format!("{tar:?} cannot be started: {error}"))?;
    let mut import = engine.command(&["import", "-", tag]);
    if let Some(output) = packed.stdout.take() {
        import.stdin(output);
    }
    let imported = run(&mut import);
    let status = packed.wait().map_err(|error| error.to_string())?;
    if !status.success() {
        return Err(format!("{tar:?} failed: {status}"));
    }
    imported.map(drop)
}
