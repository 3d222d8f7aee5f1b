//! The images of `deploy/Dockerfile`, made here of Debian packages alone, and what clients
//! get of a server in them: with Docker's default profile, every capability dropped, a
//! root that nobody writes to, and as a user without rights.
//!
//! `cargo build --release && cargo run --release --bin container`, as root on Debian.
//!
//! `--full` builds and tries the image with the system's languages too, and `--clients`
//! has every client of `http_clients/` use the server in `slim`. The tools come from
//! Debian's packages, which are unpacked beneath the target directory and not installed.
//! Docker's daemon has data, a socket and a network of its own, and ends with the program.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that it cannot do without"
)]

mod container;
mod engine;
mod images;
mod packages;
mod start;
mod steps;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use tests::target_directory;

use crate::container::{Container, STRUCTURED};
use crate::engine::Engine;
use crate::images::{Image, Images};
use crate::steps::STEPS;

/// More than this no `slim` may have, in bytes.
const MAX_SLIM_BYTES: u64 = 120_000_000;

#[derive(Clone, Copy, Debug, Default)]
struct Arguments {
    full: bool,
    clients: bool,
}

impl Arguments {
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self::default();
        for word in words {
            match word.as_str() {
                "--full" => arguments.full = true,
                "--clients" => arguments.clients = true,
                other => return Err(format!("`{other}` is none of --full and --clients")),
            }
        }
        Ok(arguments)
    }
}

fn main() -> ExitCode {
    let made = Arguments::parse(std::env::args().skip(1)).and_then(|arguments| {
        let folder = target_directory().join("container");
        let engine = Engine::start(&folder)?;
        let images = Images::prepare(&engine, &folder)?;
        Ok((arguments, engine, images))
    });
    let (arguments, engine, images) = match made {
        Ok(made) => made,
        Err(message) => {
            println!("container: {message}");
            return ExitCode::FAILURE;
        }
    };
    let mut problems = Vec::new();
    for image in [Some(Image::Slim), arguments.full.then_some(Image::Full)].into_iter().flatten() {
        if let Err(problem) = images.build(&engine, image) {
            problems.push(problem);
            continue;
        }
        problems.extend(try_image(&engine, image));
        if image == Image::Slim && arguments.clients {
            problems.extend(try_clients(&engine).err());
        }
    }
    problems.iter().for_each(|problem| println!("FAULT {problem}"));
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What is wrong with an image, and a table of what was tried.
fn try_image(engine: &Engine, image: Image) -> Vec<String> {
    let mut problems = Vec::new();
    let bytes = engine.image_bytes(image.tag());
    println!("\n{}: {} MB", image.tag(), bytes.div_ceil(1_000_000));
    if image == Image::Slim && bytes > MAX_SLIM_BYTES {
        problems.push(format!("{} has {bytes} bytes, more than {MAX_SLIM_BYTES}", image.tag()));
    }
    println!("{}", start::measure(engine, image));
    println!("\n| {} | came | s |\n| --- | --- | ---: |", image.tag());
    let mut container = Container::start(engine, image, STRUCTURED);
    for (name, step) in STEPS.iter().filter(|(name, _)| image == Image::Full || !name.starts_with("native")) {
        let began = Instant::now();
        // What is found out by an assertion has been said on standard error.
        let came = catch_unwind(AssertUnwindSafe(|| step(&mut container))).is_ok();
        println!("| {name} | {} | {:.1} |", if came { "yes" } else { "no" }, began.elapsed().as_secs_f64());
        if !came {
            problems.push(format!("{} does not pass: {name}", image.tag()));
        }
    }
    if !problems.is_empty() {
        println!("--- log of the server ---\n{}--- end of the log ---", container.log());
    }
    problems
}

/// Has the clients of `http_clients/` use a server in a container.
fn try_clients(engine: &Engine) -> Result<(), String> {
    let container = Container::start(engine, Image::Slim, &[]);
    let program = tests::binary().with_file_name("http-clients");
    let mut clients = Command::new(&program);
    clients.arg("--url").arg(container.url()).arg("--authorization").arg(format!("Bearer {}", container.key()));
    println!();
    let status = clients.status().map_err(|error| format!("{}: {error}", program.display()))?;
    if status.success() { Ok(()) } else { Err("clients got something else than they asked for".to_owned()) }
}

/// Runs a command to its end, and returns what it printed.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?} cannot be started: {error}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    Err(format!("{command:?} failed: {}\n{}\n{}", output.status, said(&output.stdout), said(&output.stderr)))
}

fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
