//! Landlock: which files, which sockets and whose processes. Everything that
//! the kernel can handle is handled, and so denied where no rule allows it. A
//! rule that the kernel cannot keep is an error, never left out.

use std::fs::OpenOptions;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
};
use nix::libc;

use crate::failure::{Doing, Failure};
use crate::parts::kind;
use crate::sys;

/// The first ABI that keeps signals inside (Linux 6.12).
pub const FIRST_ABI_WITH_SCOPES: u32 = 6;

/// A rule about a file, or about a directory with all below it.
#[derive(Clone, Copy, Debug)]
pub struct PathRule<'a> {
    /// Where the file lies for the process that is restricted.
    pub path: &'a Path,
    /// The file or directory itself, where its path may lead to another by now.
    pub found: Option<BorrowedFd<'a>>,
    /// What is allowed there.
    pub access: PathAccess,
}

/// What is allowed in a directory or with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathAccess {
    /// Listing directories.
    List,
    /// Reading and listing.
    Read,
    /// Reading, listing and executing.
    Execute,
    /// Everything but making device files and talking to devices.
    Write,
    /// Reading, writing, making and removing files and directories; nothing
    /// there can be executed, and no other kind of file made.
    Data,
    /// What [`Self::Data`] allows, and moving symbolic links. To Landlock that is making
    /// them, so it is for processes whose filter lets no call through that makes one.
    Own,
    /// What [`Self::Data`] allows, and executing.
    Share,
    /// Reading and writing what exists, for device files.
    Device,
}

impl PathAccess {
    fn rights(self) -> BitFlags<AccessFs> {
        let read = AccessFs::ReadFile | AccessFs::ReadDir;
        match self {
            Self::List => AccessFs::ReadDir.into(),
            Self::Read => read,
            Self::Execute => read | AccessFs::Execute,
            Self::Write => AccessFs::from_all(ABI::V3) & !(AccessFs::MakeChar | AccessFs::MakeBlock),
            Self::Own => Self::Data.rights() | AccessFs::MakeSym,
            Self::Share => Self::Data.rights() | AccessFs::Execute,
            Self::Data => {
                read | AccessFs::WriteFile
                    | AccessFs::Truncate
                    | AccessFs::MakeReg
                    | AccessFs::MakeDir
                    | AccessFs::RemoveFile
                    | AccessFs::RemoveDir
                    | AccessFs::Refer
            }
            Self::Device => AccessFs::ReadFile | AccessFs::WriteFile,
        }
    }
}

/// The ABI of this kernel; zero without Landlock.
pub fn landlock_abi() -> u32 {
    sys::landlock_abi().unwrap_or(0)
}

/// Restricts this thread and its future children to these rules, for ever, and
/// tells the ABI that they are enforced with. Sets `no_new_privs`.
///
/// # Errors
///
/// When the kernel's ABI is older than `minimum_abi`, a file of a rule is not
/// there, or not everything is enforced.
pub fn restrict_paths(rules: &[PathRule<'_>], minimum_abi: u32) -> Result<u32, Failure> {
    let (number, abi) = accepted_abi(minimum_abi)?;
    let handled = AccessFs::from_all(abi);
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(handled)
        .doing("handling access to files")?;
    if abi >= ABI::V4 {
        ruleset = ruleset.handle_access(AccessNet::from_all(abi)).doing("handling access to the network")?;
    }
    let mut ruleset = scoped(ruleset, abi)?.create().doing("creating a ruleset")?;
    for rule in rules {
        // The rights of a directory cannot be given for a file.
        let opened: OwnedFd;
        let place = match rule.found {
            Some(found) => found,
            None => {
                let open = OpenOptions::new().read(true).custom_flags(libc::O_PATH).open(rule.path);
                opened = open.doing_at("opening for a rule", rule.path)?.into();
                opened.as_fd()
            }
        };
        let is_directory = kind(place, rule.path)? == libc::S_IFDIR;
        let possible = if is_directory { handled } else { AccessFs::from_file(abi) };
        let rights = rule.access.rights() & possible;
        ruleset = ruleset.add_rule(PathBeneath::new(place, rights)).doing_at("adding a rule for", rule.path)?;
    }
    enforce(ruleset)?;
    Ok(number)
}

/// Keeps this thread and its future children from sending signals out and from
/// connecting to abstract sockets outside, and restricts nothing else.
///
/// # Errors
///
/// When the kernel's ABI is older than [`FIRST_ABI_WITH_SCOPES`].
pub(crate) fn restrict_scope() -> Result<(), Failure> {
    let (_, abi) = accepted_abi(FIRST_ABI_WITH_SCOPES)?;
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    enforce(scoped(ruleset, abi)?.create().doing("creating a ruleset")?)
}

fn accepted_abi(minimum: u32) -> Result<(u32, ABI), Failure> {
    let number = sys::landlock_abi().doing("asking for the ABI of Landlock")?;
    if number < minimum.max(1) {
        return Err(Failure::new(
            "using Landlock",
            format!("its ABI is {number} here, and must be {minimum} at least"),
        ));
    }
    let known = ABI::from(i32::try_from(number).unwrap_or(i32::MAX));
    Ok((known as u32, known))
}

fn scoped(ruleset: Ruleset, abi: ABI) -> Result<Ruleset, Failure> {
    if abi < ABI::V6 {
        return Ok(ruleset);
    }
    ruleset.scope(Scope::from_all(abi)).doing("handling signals and abstract sockets")
}

fn enforce(ruleset: RulesetCreated) -> Result<(), Failure> {
    match ruleset.restrict_self().doing("enforcing a ruleset")? {
        RestrictionStatus { ruleset: RulesetStatus::FullyEnforced, no_new_privs: true, .. } => Ok(()),
        status => Err(Failure::new("enforcing a ruleset", format!("only {:?} is in force", status.ruleset))),
    }
}
