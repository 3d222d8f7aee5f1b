//! The clients as npm installs them, in a folder of the target directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::clients::Client;
use crate::processes;

/// The clients together are about a gigabyte.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A folder with every client in it.
#[derive(Debug)]
pub(crate) struct Installation(PathBuf);

impl Installation {
    /// Installs those of `clients` that are not there in their version, from
    /// the registry that npm is configured for.
    pub(crate) fn of(clients: &[&Client]) -> Result<Self, String> {
        let folder = tests::target_directory().join("real-clients");
        fs::create_dir_all(&folder).expect("a folder of the target directory can be made");
        let installation = Self(folder);
        let mut missing: Vec<_> = clients
            .iter()
            .filter(|client| installation.version(client.package).as_deref() != Some(client.version))
            .map(|client| format!("{}@{}", client.package, client.version))
            .collect();
        // A package may be there for two clients, one after the other.
        missing.dedup();
        if missing.is_empty() {
            return Ok(installation);
        }
        println!("installing {} in {}", missing.join(", "), installation.0.display());
        installation.install(&missing)?;
        Ok(installation)
    }

    fn install(&self, packages: &[String]) -> Result<(), String> {
        let manifest = self.0.join("package.json");
        if !manifest.exists() {
            // Without one, npm would look for a project in the folders above.
            fs::write(manifest, r#"{"private":true}"#).expect("a file of the target directory can be written");
        }
        let log = self.0.join("npm.log");
        let output = fs::File::create(&log).expect("a file of the target directory can be written");
        let child = Command::new("npm")
            .args(["install", "--save-exact", "--no-audit", "--no-fund", "--no-update-notifier"])
            .args(packages)
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be shared"))
            .stderr(output)
            .spawn()
            .map_err(|error| format!("npm cannot be started: {error}"))?;
        match processes::wait(child, PATIENCE) {
            Some(status) if status.success() => Ok(()),
            status => {
                let ended = status.map_or("it took too long".to_owned(), |status| status.to_string());
                Err(format!("npm failed: {ended}\n{}", processes::end_of(&log)))
            }
        }
    }

    /// The version of a package that is installed.
    pub(crate) fn version(&self, package: &str) -> Option<String> {
        let manifest = fs::read_to_string(self.0.join("node_modules").join(package).join("package.json")).ok()?;
        let manifest: Value = serde_json::from_str(&manifest).ok()?;
        Some(manifest.get("version")?.as_str()?.to_owned())
    }

    /// The program of a client.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.0.join(Path::new("node_modules/.bin")).join(name)
    }
}
