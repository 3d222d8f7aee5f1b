//! The command line: `restricted [OPTION...] -- PROGRAM [ARGUMENT...]`.

use std::ffi::OsString;

use nix::errno::Errno;

use crate::filter::{Action, Condition, Rule};
use crate::{docker, filter, landlock};

/// Which capabilities the program may have at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Capabilities {
    All,
    Docker,
    None,
}

/// What is to be taken away, and from which program.
#[derive(Debug)]
pub(crate) struct Restrictions {
    /// `--uid N`, `--gid N`.
    pub(crate) identity: Option<(u32, u32)>,
    /// `--capabilities all|docker|none`.
    pub(crate) capabilities: Capabilities,
    /// `--no-new-privileges`.
    pub(crate) no_new_privileges: bool,
    /// `--docker`: files of the kernel and system calls as in a container that
    /// Docker starts by default.
    pub(crate) docker: bool,
    /// `--no-user-namespaces`: as where the administrator forbids them.
    no_user_namespaces: bool,
    /// `--processes N`: the most that its user may have.
    pub(crate) processes: Option<u32>,
    /// `--landlock-abi N`: as on the kernel that had it first.
    pub(crate) landlock_abi: Option<u32>,
    /// `--errno CALL[:ARGUMENT]=ERROR`: the call fails, or does when its first
    /// argument is this number.
    errors: Vec<Rule>,
    /// `--open-files N`: the soft limit, which others may raise later.
    pub(crate) open_files: Option<u32>,
    pub(crate) program: OsString,
    pub(crate) program_arguments: Vec<OsString>,
}

impl Restrictions {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, String> {
        let mut restrictions = Self {
            identity: None,
            capabilities: Capabilities::All,
            no_new_privileges: false,
            docker: false,
            no_user_namespaces: false,
            processes: None,
            landlock_abi: None,
            errors: Vec::new(),
            open_files: None,
            program: OsString::new(),
            program_arguments: Vec::new(),
        };
        let (mut user, mut group) = (None, None);
        loop {
            let option = text(arguments.next().ok_or("`--` and a program are missing")?)?;
            let (name, joined) = match option.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (option.as_str(), None),
            };
            let mut value = || match joined {
                Some(value) => Ok(value.to_owned()),
                None => text(arguments.next().ok_or_else(|| format!("{name} needs a value"))?),
            };
            match name {
                "--" => break,
                "--uid" => user = Some(number(&value()?)?),
                "--gid" => group = Some(number(&value()?)?),
                "--capabilities" => {
                    restrictions.capabilities = match value()?.as_str() {
                        "all" => Capabilities::All,
                        "docker" => Capabilities::Docker,
                        "none" => Capabilities::None,
                        other => return Err(format!("unknown capabilities {other}")),
                    }
                }
                "--no-new-privileges" => restrictions.no_new_privileges = true,
                "--docker" => restrictions.docker = true,
                "--no-user-namespaces" => restrictions.no_user_namespaces = true,
                "--processes" => restrictions.processes = Some(number(&value()?)?),
                "--landlock-abi" => restrictions.landlock_abi = Some(number(&value()?)?),
                "--open-files" => restrictions.open_files = Some(number(&value()?)?),
                "--errno" => restrictions.errors.push(error_rule(&value()?)?),
                other => return Err(format!("unknown option {other}")),
            }
        }
        restrictions.identity = match (user, group) {
            (Some(user), group) => Some((user, group.unwrap_or(user))),
            (None, Some(_)) => return Err("--gid needs --uid".to_owned()),
            (None, None) => None,
        };
        restrictions.program = arguments.next().ok_or("a program is missing")?;
        restrictions.program_arguments = arguments.collect();
        Ok(restrictions)
    }

    /// What the filter is made of. The first that matches decides.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        let mut rules = self.errors.clone();
        if self.no_user_namespaces {
            rules.extend(filter::no_user_namespaces());
        }
        if self.docker {
            rules.extend(docker::rules());
        }
        if self.landlock_abi.is_some() {
            rules.extend(landlock::rules());
        }
        rules
    }
}

fn text(argument: OsString) -> Result<String, String> {
    argument.into_string().map_err(|argument| format!("{} is not UTF-8", argument.display()))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

fn error_rule(text: &str) -> Result<Rule, String> {
    let (call, error) = text.split_once('=').ok_or_else(|| format!("{text} is not CALL=ERROR"))?;
    let (call, condition) = match call.split_once(':') {
        Some((call, argument)) => (call, Condition::Equals { index: 0, value: number(argument)? }),
        None => (call, Condition::Always),
    };
    let call = filter::call_number(call).ok_or_else(|| format!("unknown system call {call}"))?;
    let error = match error {
        // Nothing is done, and that is no error.
        "0" => Errno::UnknownErrno,
        "EPERM" => Errno::EPERM,
        "EACCES" => Errno::EACCES,
        "ENOSYS" => Errno::ENOSYS,
        "EINVAL" => Errno::EINVAL,
        "ENOSPC" => Errno::ENOSPC,
        "EDQUOT" => Errno::EDQUOT,
        "EIO" => Errno::EIO,
        "EOPNOTSUPP" => Errno::EOPNOTSUPP,
        other => return Err(format!("unknown error {other}")),
    };
    Ok(Rule { call, condition, action: Action::Fail(error) })
}
