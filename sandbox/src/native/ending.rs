//! What is made of how a native program ended.

use jailer::{Cause as Ending, Ended};
use nix::libc;

use super::cgroup::Group;
use crate::run::abi;
use crate::run::abi::{Bounds, Cause, GuestReply, GuestRequest};
use crate::run::limits::{Limits, Resource};
use crate::run::order::Order;
use crate::run::outcome::{Status, Trap};
use crate::run::report::RunReport;

/// Writes status, result and usage into the report.
pub(super) fn conclude(report: &mut RunReport, order: &Order, ended: &Ended, reply: &[u8], group: Option<&Group>) {
    let limits = &order.task.limits;
    let usage = &ended.usage;
    let peak = group.and_then(Group::peak_memory).or(usage.memory_bytes);
    for (resource, amount) in [
        (Resource::WallTimeMs, usage.wall_time_ms),
        (Resource::CpuTimeMs, usage.cpu_time_ms),
        (Resource::MemoryBytes, peak),
        (Resource::Processes, usage.processes),
    ] {
        if let Some(amount) = amount {
            report.usage.set(resource, amount);
        }
    }
    let bounds = Bounds::of(&GuestRequest::new(&order.task.program, limits));
    let mut said = None;
    // A reply that is missing, or was cut off by whatever ended the program, is as good
    // as nothing said.
    if let Ok(reply) = serde_json::from_slice::<GuestReply>(reply) {
        report.result = reply.result.map(|result| abi::cut(result, bounds.text));
        report.outputs = abi::take_outputs(reply.outputs, bounds.outputs);
        said = reply.error.as_ref().and_then(|error| error.cause);
        report.error = reply.error.map(|error| error.bounded(bounds));
    }
    report.status = status(limits, ended, said, group);
}

fn status(limits: &Limits, ended: &Ended, said: Option<Cause>, group: Option<&Group>) -> Status {
    let exceeded = |resource| Status::LimitExceeded(resource);
    let out_of_memory = group.is_some_and(Group::ran_out_of_memory);
    if let Some(ending) = ended.cause {
        return match ending {
            Ending::Stopped => Status::Cancelled,
            // The program waited for a part of itself that the kernel had ended.
            Ending::WallTime if out_of_memory => exceeded(Resource::MemoryBytes),
            Ending::WallTime => exceeded(Resource::WallTimeMs),
            Ending::CpuTime => exceeded(Resource::CpuTimeMs),
            Ending::Memory => exceeded(Resource::MemoryBytes),
            Ending::DiskBytes => exceeded(Resource::DiskBytes),
            Ending::DiskFiles => exceeded(Resource::DiskFiles),
            Ending::Processes => exceeded(Resource::Processes),
        };
    }
    let Some(wait_status) = ended.wait_status else {
        return if out_of_memory { exceeded(Resource::MemoryBytes) } else { Status::Trapped(Trap::WorkerLost) };
    };
    if libc::WIFSIGNALED(wait_status) {
        return match libc::WTERMSIG(wait_status) {
            libc::SIGXCPU => exceeded(Resource::CpuTimeMs),
            libc::SIGXFSZ => exceeded(Resource::DiskBytes),
            libc::SIGKILL if out_of_memory => exceeded(Resource::MemoryBytes),
            signal => Status::Signaled(signal),
        };
    }
    let code = libc::WEXITSTATUS(wait_status);
    if code == 0 {
        return Status::Exited(0);
    }
    let most_processes = limits.get(Resource::Processes);
    let out_of_processes = group.is_some_and(Group::ran_out_of_processes)
        || ended.usage.processes.is_some_and(|processes| processes >= most_processes);
    match said {
        Some(Cause::Memory) => exceeded(Resource::MemoryBytes),
        Some(Cause::Storage) => exceeded(Resource::DiskBytes),
        Some(Cause::Descriptors) => exceeded(Resource::OpenFiles),
        Some(Cause::Processes) => exceeded(Resource::Processes),
        // A shell says what became of a part of it in its exit code.
        _ if out_of_memory => exceeded(Resource::MemoryBytes),
        _ if code == 128 + libc::SIGXCPU => exceeded(Resource::CpuTimeMs),
        _ if code == 128 + libc::SIGXFSZ => exceeded(Resource::DiskBytes),
        _ if out_of_processes => exceeded(Resource::Processes),
        _ => Status::Exited(code),
    }
}
