//! A kernel that lacks system calls: a filter that the jailer inherits.

use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, Sender, channel};

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};

const ENOSYS: u32 = 38;

/// Keeps the thread that started a jailer alive: the jailer ends with it.
#[expect(dead_code, reason = "dropping it ends the thread")]
pub(crate) struct Parent(Sender<()>);

/// Starts a child that these calls do not exist for.
pub(crate) fn spawn(mut command: Command, lacking: &[i64]) -> (Child, Option<Parent>) {
    if lacking.is_empty() {
        return (command.spawn().unwrap(), None);
    }
    let rules = lacking.iter().map(|call| (*call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, SeccompAction::Errno(ENOSYS), architecture).unwrap();
    let program = BpfProgram::try_from(filter).unwrap();
    let (started, child) = channel();
    let (parent, end): (Sender<()>, Receiver<()>) = channel();
    std::thread::spawn(move || {
        seccompiler::apply_filter(&program).unwrap();
        started.send(command.spawn().unwrap()).unwrap();
        // The command holds the jailer's end of the connection.
        drop(command);
        end.recv().unwrap_err();
    });
    (child.recv().unwrap(), Some(Parent(parent)))
}
