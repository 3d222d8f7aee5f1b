//! The command line: what it means, and a help text that teaches.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args as _, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::commands;
use crate::config::{Config, LimitSetting, Settings, variable};
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

`belljar serve` serves the same over HTTP, for one user or for many tenants.
`belljar doctor` shows what holds on it.";

const EXAMPLES: &str = "\
Examples:
  claude mcp add belljar -- belljar          use it from Claude Code
  belljar run -c \"print('hi')\"               run a line of Python
  belljar run script.py first second         run a file with arguments
  belljar run -l bash -c \"ls /\"            run a line of shell
  echo data | belljar run --stdin script.py  give it standard input
  belljar run --limit wall_time_ms=500 -c \"while True: pass\"
  belljar serve --listen :0                  serve over HTTP, on a free port
  belljar keys add --scopes sandbox:execute  make a key for a client of it
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
}

/// The whole command line: what to do, and settings. These are read apart, over
/// those of the file.
fn command_line() -> clap::Command {
    Settings::augment_args(Cli::command())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MCP over HTTP, for one user of this machine or for many with keys
    ///
    /// One endpoint, http://127.0.0.1:7411/mcp unless --listen says otherwise, for
    /// any number of clients: Streamable HTTP of MCP 2026-07-28 and of the
    /// `initialize` era. Every call needs `Authorization: Bearer TOKEN`. The token
    /// is made at each start and printed once, with lines to paste into clients, or
    /// it is yours, in a file of mode 0600 that --token-file names.
    ///
    /// With --authentication=keys every client has a key of its own, with scopes, which
    /// `belljar keys add` makes and `belljar keys revoke` takes back. Sections
    /// [tenants.NAME] of belljar.toml keep those apart who do not trust each other. To
    /// listen where others can reach it needs keys, and --behind-proxy, which says that a
    /// proxy with TLS stands in front; --public-url is where clients find it then.
    ///
    /// A client that breaks its connection cancels its run. GET /healthz says that
    /// the server lives, GET /readyz whether calls are welcome. SIGTERM lets runs
    /// finish for --drain-seconds, cancels and answers the rest, and exits with 0.
    Serve,
    /// Run one program, with its output as it comes and its exit code
    ///
    /// The exit code is the program's own; 124 when it reached a limit, 130
    /// when it was cancelled, 134 when it trapped, 2 when it could not be run.
    Run(commands::run::Arguments),
    /// List the languages
    Runtimes,
    /// Compile the guest images, once for this version and processor
    Prepare(commands::prepare::Arguments),
    /// Add, list or revoke keys that clients of `belljar serve --authentication=keys` send
    ///
    /// `belljar keys add --scopes sandbox:execute` prints a key, once, with lines to
    /// paste into clients. On a server with tenants (sections of belljar.toml) it is
    /// for --tenant NAME. --expires 90d ends it, --ceiling NAME=VALUE lowers what its
    /// runs may use, --name LABEL tells it from others in lists. A hash of it is kept,
    /// in client-keys.json of the state directory, with mode 0600. Servers that run
    /// take every change at once.
    Keys {
        #[command(subcommand)]
        command: Option<commands::keys::Command>,
    },
    /// List the keys that stored sessions are sealed with, or add or remove one
    StoreKeys {
        #[command(subcommand)]
        command: Option<commands::store_keys::Command>,
    },
    /// Ask the `belljar serve` of these settings whether calls are welcome
    ///
    /// It is asked at --listen, for /readyz. The exit code is 0 when calls are welcome,
    /// else 1: for containers, which have no other program to ask with.
    Health,
    /// Check this machine: versions, cache, and each limit by a live attempt
    Doctor,
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> ExitCode {
    let arguments = std::env::args_os().collect::<Vec<OsString>>();
    let parsed = heeding_variables(command_line(), variable).try_get_matches_from(arguments.clone());
    let parsed = parsed.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let ran = match parsed {
        Ok((cli, matches)) => run(cli, matches),
        Err(error) => Err(wrong_variable(&arguments, variable).unwrap_or_else(|| error.exit())),
    };
    match ran {
        Ok(code) => code,
        Err(error) => {
            commands::complain(&format!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// The command with its environment variables but for those that are empty,
/// which is how some hosts leave out what is not set.
fn heeding_variables(command: clap::Command, value: impl Fn(&OsStr) -> Option<OsString>) -> clap::Command {
    command.mut_args(|argument| {
        let is_empty = argument.get_env().and_then(&value).is_some_and(|value| value.is_empty());
        if is_empty { argument.env(None::<&'static str>) } else { argument }
    })
}

/// The variable because of which `arguments` are not understood, with its value
/// and what it wants; `None` if they are wrong themselves. The parser names the
/// flag alone, which nobody wrote.
fn wrong_variable(arguments: &[OsString], value: impl Fn(&OsStr) -> Option<OsString>) -> Option<anyhow::Error> {
    let reading = |wanted: Option<&str>| {
        command_line().mut_args(|argument| {
            let is_wanted = argument.get_env().is_some_and(|name| wanted.is_some_and(|wanted| name == wanted));
            if is_wanted { argument } else { argument.env(None::<&'static str>) }
        })
    };
    reading(None).try_get_matches_from(arguments).ok()?;
    let command = command_line();
    command.get_arguments().find_map(|argument| {
        let name = argument.get_env()?.to_str()?;
        let value = value(OsStr::new(name)).filter(|value| !value.is_empty())?;
        let error = reading(Some(name)).try_get_matches_from(arguments).err()?;
        let reason = std::error::Error::source(&error).map(|reason| format!(": {reason}")).unwrap_or_default();
        Some(anyhow::anyhow!(said(argument, name, &value, &reason)))
    })
}

/// The error that the variable `name` has a value which its argument does not understand.
fn said(argument: &clap::Arg, name: &str, value: &OsStr, reason: &str) -> String {
    let values: Vec<_> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let wanted = match &values[..] {
        [] => {
            let sorts: Vec<_> =
                argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
            format!("{} ({})", sorts.join(" "), argument.get_help().map(ToString::to_string).unwrap_or_default())
        }
        values => format!("one of {}", values.join(", ")),
    };
    // A password may be in it.
    let shown = if argument.is_hide_env_values_set() { "set to what".to_owned() } else { format!("{value:?}, which") };
    format!("the variable {name} is {shown} is not understood{reason}; it wants {wanted}")
}

/// The ceilings of a key that is to be added. A flag of the whole server means the key
/// there, and is no setting then.
fn ceilings_of_key(cli: &Cli, matches: &mut ArgMatches) -> Vec<LimitSetting> {
    let adds = matches!(cli.command, Some(Command::Keys { command: Some(commands::keys::Command::Add(_)) }));
    if !adds || matches.value_source("ceilings") != Some(ValueSource::CommandLine) {
        return Vec::new();
    }
    matches.remove_many("ceilings").map(Iterator::collect).unwrap_or_default()
}

fn run(cli: Cli, mut matches: ArgMatches) -> anyhow::Result<ExitCode> {
    let ceilings = ceilings_of_key(&cli, &mut matches);
    let config = Config::load(&matches)?;
    logging::start(&config.log)?;
    sandbox::protect_own_process()?;
    match cli.command {
        None => commands::serve::over_stdio(config),
        Some(Command::Serve) => commands::serve::over_http(config),
        Some(Command::Run(arguments)) => commands::run::run(config, arguments),
        Some(Command::Runtimes) => commands::runtimes(&config),
        Some(Command::Prepare(arguments)) => commands::prepare::run(&config, &arguments),
        Some(Command::Keys { command }) => {
            commands::keys::run(&config, command.unwrap_or(commands::keys::Command::List), &ceilings)
        }
        Some(Command::StoreKeys { command }) => {
            commands::store_keys::run(&config, &command.unwrap_or(commands::store_keys::Command::List))
        }
        Some(Command::Health) => commands::health::run(&config),
        Some(Command::Doctor) => commands::doctor::run(config),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_its_help_names_every_limit() {
        let mut command = command_line();
        command.clone().debug_assert();
        let help = command.render_long_help().to_string();
        for resource in sandbox::Resource::ALL {
            assert!(help.contains(resource.name()), "{resource}");
        }
    }

    #[test]
    fn a_password_in_a_variable_that_is_not_understood_is_not_shown() {
        let wrong = |name: &str, value: &str| {
            let command = command_line();
            let argument = command.get_arguments().find(|one| one.get_env() == Some(OsStr::new(name))).unwrap();
            said(argument, name, OsStr::new(value), "")
        };
        assert!(!wrong("BELLJAR_REDIS", "rediss://:hunter2@cache:637x").contains("hunter2"));
        assert!(wrong("BELLJAR_RUNS", "many").contains("is \"many\", which is not understood"));
    }

    #[test]
    fn a_variable_that_is_empty_is_as_if_it_were_not_there() {
        let heeds = |value: &str| {
            let command = heeding_variables(command_line(), |_| Some(value.into()));
            command.get_arguments().filter(|argument| argument.get_env().is_some()).count()
        };
        assert!(heeds("") == 0 && heeds("false") > 10);
    }
}
