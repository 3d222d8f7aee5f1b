//! Speaks MCP and decides who may ask for what. How code is confined and run
//! is the business of the `sandbox` crate.
//!
//! # Layout
//!
//! - `calls`: what answers the calls of programs, a file for each.
//! - `cli` and `commands`: the command line.
//! - `config`: file, environment and flags become one checked `Config`.
//! - `identity`: who calls. `caller`: what is shared by the calls of one. `handler`: the MCP server; `tools`: one file per tool, and `tools::reply`,
//!   the only place where an outcome becomes an MCP result.
//! - `resources`: what clients read without a tool.
//! - `service`: the life of the server, beside which a `transport` brings bytes
//!   in. `shutdown`: how it ends.

mod caller;
mod calls;
mod cli;
mod commands;
mod config;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod handler;
mod identity;
mod logging;
mod progress;
mod resources;
mod run_log;
mod service;
mod shutdown;
mod source;
mod tools;
mod transport;

use std::process::ExitCode;

/// Sets what holds for every process of this binary.
pub fn begin() {
    sandbox::make_files_private();
}

/// Becomes a worker or a compile process when `arguments` say so. Call it
/// first, before any thread exists.
pub fn start_as_child(arguments: &[String]) -> Option<ExitCode> {
    sandbox::role(arguments, logging::start_child)
}

/// Reads the command line and does what it says.
pub fn command_line() -> ExitCode {
    cli::main()
}
