//! Programs from Debian's packages, unpacked in a folder, and a Debian of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run;

/// What is unpacked. All else that these need is in every Debian.
const PACKAGES: [&str; 4] = ["containerd", "debootstrap", "docker.io", "runc"];

/// Unpacks what is not yet, and returns where it lies.
pub(crate) fn unpacked(folder: &Path) -> Result<PathBuf, String> {
    let tools = folder.join("tools");
    if tools.exists() {
        return Ok(tools);
    }
    let new = tempfile::tempdir_in(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let download = || {
        let mut apt = Command::new("apt-get");
        run(apt.args(["--quiet", "download"]).args(PACKAGES).current_dir(new.path()))
    };
    // The lists may be older than what the archive has now.
    download().or_else(|_| run(Command::new("apt-get").args(["--quiet", "update"])).and_then(|_| download()))?;
    let unpacked = new.path().join("unpacked");
    for entry in fs::read_dir(new.path()).map_err(|error| error.to_string())?.flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "deb") {
            run(Command::new("dpkg-deb").arg("--extract").arg(entry.path()).arg(&unpacked))?;
        }
    }
    // It gets its name when it is whole.
    fs::rename(&unpacked, &tools).map_err(|error| format!("{}: {error}", tools.display()))?;
    Ok(tools)
}

/// A search path on which the unpacked programs come first.
pub(crate) fn search_path(tools: &Path) -> String {
    let own = ["usr/sbin", "usr/bin"].map(|name| tools.join(name).display().to_string());
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", own.join(":"))
}

/// Makes a Debian of the release of this machine in `root`.
pub(crate) fn debootstrap(tools: &Path, root: &Path) -> Result<(), String> {
    let mut command = Command::new(tools.join("usr/sbin/debootstrap"));
    command.args(["--variant=minbase", "--include=ca-certificates", &release()?]).arg(root);
    command.env("DEBOOTSTRAP_DIR", tools.join("usr/share/debootstrap"));
    run(&mut command).map(drop)
}

/// The name of the Debian that this machine has, on whose C library programs are linked here.
pub(crate) fn release() -> Result<String, String> {
    let text = fs::read_to_string("/etc/os-release").map_err(|error| format!("/etc/os-release: {error}"))?;
    let value = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value.trim_matches('"').to_owned())
    };
    match (value("ID").as_deref(), value("VERSION_CODENAME")) {
        (Some("debian"), Some(name)) => Ok(name),
        _ => Err("this machine is no Debian, of whose packages images could be made".to_owned()),
    }
}
