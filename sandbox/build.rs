//! Builds the jailer's executable, which this crate takes in as data, with the
//! profile `jailer` of the workspace. Cargo has no stable way to say so
//! (artifact dependencies), so it is called once more.

#![expect(clippy::disallowed_methods, reason = "a build script reads its environment and starts the compiler")]

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const PROGRAM: &str = "belljar-jailer";
const PROFILE: &str = "jailer";

/// Between two flags in a variable of Cargo's.
const SEPARATOR: &str = "\x1f";
const FLAGS: &str = "CARGO_ENCODED_RUSTFLAGS";
const STATIC: &str = "-Ctarget-feature=+crt-static";

fn main() -> Result<(), String> {
    for path in ["jailer/src", "jailer/Cargo.toml", "../Cargo.toml", "../Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let out = PathBuf::from(variable("OUT_DIR")?);
    let target = variable("TARGET")?;
    let directory = target_directory(&out);
    let mut flags = env::var(FLAGS).unwrap_or_default();
    if links_statically(&target, &flags, &out) {
        // Without a loader it starts a tenth sooner.
        flags =
            [flags.as_str(), STATIC].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(SEPARATOR);
    }

    let mut cargo = Command::new(variable("CARGO")?);
    // Everything was fetched for the build that this one is a part of.
    cargo.args(["build", "--frozen", "--package", PROGRAM, "--bin", PROGRAM, "--profile", PROFILE]);
    cargo.arg("--target").arg(&target).arg("--target-dir").arg(&directory);
    // Not that of the outer build, which holds a lock on it.
    cargo.env("CARGO_BUILD_BUILD_DIR", &directory);
    // Incremental code cannot be optimised as a whole.
    cargo.env(FLAGS, flags).env("CARGO_INCREMENTAL", "0");
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let target = target.to_string_lossy().to_uppercase().replace(['-', '.'], "_");
        cargo.env(format!("CARGO_TARGET_{target}_LINKER"), linker);
    }
    for (name, _) in env::vars_os().filter(|(name, _)| is_for_the_outer_build(name)) {
        cargo.env_remove(name);
    }
    let status = cargo.status().map_err(|error| format!("cargo cannot be started for the jailer: {error}"))?;
    if !status.success() {
        return Err(format!("building the jailer's executable failed ({status}): {cargo:?}"));
    }
    let built = directory.join(&target).join(PROFILE).join(PROGRAM);
    match fs::copy(&built, out.join(PROGRAM)) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("taking {}: {error}", built.display())),
    }
}

fn variable(name: &str) -> Result<OsString, String> {
    env::var_os(name).ok_or_else(|| format!("{name} is not set: this is a build script, started by cargo"))
}

/// Wrappers of the compiler that only look at the code, as that of Clippy, and
/// settings of profiles: the jailer's are all in its own.
fn is_for_the_outer_build(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with("CARGO_PROFILE_") || ["RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER"].contains(&&*name)
}

/// One directory for builds, checks and tests in all profiles: beneath the
/// target directory, which Cargo marks as what can be made again.
fn target_directory(out: &Path) -> PathBuf {
    let target = out.ancestors().find(|directory| directory.join("CACHEDIR.TAG").exists());
    target.unwrap_or(out).join("jailer-build")
}

/// Whether there is a C library to link statically. Not every system installs
/// it with the compiler; then the jailer starts a little later.
fn links_statically(target: &OsStr, flags: &str, out: &Path) -> bool {
    let (source, program) = (out.join("static.rs"), out.join("static"));
    let Some(compiler) = env::var_os("RUSTC") else { return false };
    if fs::write(&source, "fn main() {}").is_err() {
        return false;
    }
    let mut rustc = Command::new(compiler);
    rustc.args(["--edition=2024", "--target"]).arg(target).args(flags.split(SEPARATOR).filter(|flag| !flag.is_empty()));
    if let Some(linker) = env::var_os("RUSTC_LINKER") {
        let mut option = OsString::from("-Clinker=");
        option.push(linker);
        rustc.arg(option);
    }
    let linked = rustc.arg(STATIC).arg(&source).arg("-o").arg(&program).output();
    linked.is_ok_and(|output| output.status.success())
}
