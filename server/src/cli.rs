//! The command line: what it means, and a help text that teaches.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::config::{Config, Flags};
use crate::logging;

const ABOUT: &str = "Runs code that agents write, in a sandbox, as an MCP server.";

const LONG_ABOUT: &str = "\
Runs code that agents write, in a sandbox, as an MCP server.

Without a command, belljar speaks MCP over standard input and output: an
agent's host starts it. Python runs in a WebAssembly instance in a confined
worker process; bash and the machine's python3 run in a confined process tree.
All under limits of time, memory, output and disk. There is no network, and
nothing of this machine's environment is visible; of its files, native programs
see the system's programs and libraries.

`belljar doctor` shows what holds on this machine.";

const EXAMPLES: &str = "\
Examples:
  claude mcp add belljar -- belljar          use it from Claude Code
  belljar run -c \"print('hi')\"               run a line of Python
  belljar run script.py first second         run a file with arguments
  belljar run -l bash -c \"ls /\"            run a line of shell
  echo data | belljar run --stdin script.py  give it standard input
  belljar run --limit wall_time_ms=500 -c \"while True: pass\"
  belljar prepare                            compile guest images ahead of time
  belljar doctor                             check this machine, with live attempts

Limits, for --limit and --ceiling:
  wall_time_ms  cpu_time_ms  fuel  memory_bytes  output_bytes  disk_bytes
  disk_files  open_files  processes";

#[derive(Debug, Parser)]
#[command(name = "belljar", version, about = ABOUT, long_about = LONG_ABOUT, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one program, with its output as it comes and its exit code
    ///
    /// The exit code is the program's own; 124 when it reached a limit, 130
    /// when it was cancelled, 134 when it trapped, 2 when it could not be run.
    Run(commands::run::Arguments),
    /// List the languages
    Runtimes,
    /// Compile the guest images, once for this version and processor
    Prepare,
    /// Check this machine: versions, cache, and each limit by a live attempt
    Doctor,
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse_from(std::env::args_os().collect::<Vec<OsString>>());
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            commands::complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let config = Config::load(&cli.flags)?;
    logging::start(&config.log)?;
    sandbox::protect_own_process()?;
    match cli.command {
        None => commands::serve(config),
        Some(Command::Run(arguments)) => commands::run::run(config, arguments),
        Some(Command::Runtimes) => commands::runtimes(),
        Some(Command::Prepare) => commands::prepare::run(&config),
        Some(Command::Doctor) => commands::doctor::run(config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_names_every_limit() {
        use clap::CommandFactory;
        let mut command = Cli::command();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        for resource in sandbox::Resource::ALL {
            assert!(help.contains(resource.name()), "{resource}");
        }
    }
}
