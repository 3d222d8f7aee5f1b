//! Speaks MCP and decides who may ask for what. How code is confined and run
//! is the business of the `sandbox` crate.
//!
//! # Layout
//!
//! - `audit`: who ran what, written down. `origin`: where a call comes from. `inputs`: what
//!   its program is given.
//! - `calls`: what answers the calls of programs, a file for each.
//! - `cli` and `commands`: the command line.
//! - `config`: file, environment and flags become one checked `Config`.
//! - `conformance`: what the conformance suite asks for, in a build for it alone.
//! - `identity`: who calls. `caller`: what is shared by the calls of one.
//! - `traces`: calls as spans, for a collector.
//! - `handler`: the MCP server; `tools`: one file per tool, and `tools::reply`,
//!   the only place where an outcome becomes an MCP result.
//! - `metrics`: what was done, in numbers for programs.
//! - `prompts`: what people choose. `resources`: what clients read without a tool.
//! - `storage`: a store on S3, and HTTP to it; `authorities`: who is believed by TLS.
//! - `service`: the life of the server, beside which a `transport` brings bytes
//!   in. `shutdown`: how it ends.

mod audit;
mod authorities;
mod caller;
mod calls;
mod cli;
mod commands;
mod config;
#[cfg(feature = "conformance")]
mod conformance;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod given_file;
mod handler;
mod identity;
mod inputs;
mod logging;
mod loopback;
mod metrics;
mod origin;
mod progress;
mod prompts;
mod resources;
mod run_log;
mod service;
mod shutdown;
mod source;
mod storage;
mod tools;
mod traces;
mod transport;

use std::process::ExitCode;

/// The whole program, from the first instruction of `main` on.
pub fn main() -> ExitCode {
    sandbox::make_files_private();
    // Before any thread exists: this binary may have been started by itself,
    // to host guests or to compile one.
    let arguments: Vec<String> = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    if let Some(code) = sandbox::role(&arguments, logging::start_child) {
        return code;
    }
    cli::main()
}
