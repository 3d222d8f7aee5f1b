//! One run of a native program: what it is given, the jailer around it, and
//! what is made of how it ended.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use guest_runtimes::{Kind, Native};
use jailer::{
    Access, Cause as Ending, Confinement, Ended, Enforced, GivenFile, Mount, Program, Scratch, Stop, TreeLimits,
};
use nix::libc;
use nix::unistd::Pid;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::account;
use super::account::Account;
use super::cgroup::{Group, PREFIX};
use super::inbox;
use super::inbox::Inbox;
use super::interpreter::Interpreter;
use super::interpreter::environment::{Places, environment};
use super::ownership;
use super::ownership::TakeBackError;
use super::supervise::{End, Orders, Streams, Supervised, supervise};
use super::temporary;
use super::tier::Form;
use super::users::OwnUser;
use crate::children;
use crate::children::spawner::{Role, Spawner, StartedChild};
use crate::error::{Error, IoContext as _};
use crate::run::abi;
use crate::run::abi::{Bounds, Cause, GuestReply, GuestRequest, MAX_REPLY_BYTES, RICH_OUTPUT_BYTES};
use crate::run::limits::{Limits, Resource};
use crate::run::order::Order;
use crate::run::outcome::{GuestError, RichOutput, Status, Trap};
use crate::run::report::{MAX_FILES, RunReport};
use crate::run::stream::LiveOutput;
use crate::session::files::Untouched;
use crate::workspace::entry::FileEntry;
use crate::workspace::survey::{Survey, Time, now_of_files};
use crate::workspace::{GUEST_PATH, TEMPORARY_PATH, Workspace, WorkspacePath};

/// Where a program with a file system of its own sees what it is given.
pub(super) const GIVEN: &str = "/run/belljar";
/// Where it keeps what it can make again.
pub(super) const CACHE: &str = "/var/cache";
/// Files in a temporary file system.
const SCRATCH_FILES: u64 = 65_536;
/// How long a program gets to end by itself once it must, with a session whose
/// files it may want to put in order and without.
const GRACE_IN_SESSION_MS: u64 = 1000;
const GRACE_MS: u64 = 100;
/// How many saved pictures are shown.
const MAX_PICTURES: usize = 16;

/// So many files are read sooner than a tick of the clock is over.
const FEW_FILES: usize = 64;
/// The longest tick of the clock that files are stamped with (`CONFIG_HZ` of
/// 100), and some.
const TICK_MS: u32 = 12;

/// Pictures by the ends of their names.
const PICTURES: [(&str, &str); 6] = [
    (".png", "image/png"),
    (".jpg", "image/jpeg"),
    (".jpeg", "image/jpeg"),
    (".gif", "image/gif"),
    (".webp", "image/webp"),
    (".svg", "image/svg+xml"),
];

/// A run, and the way to confine it.
pub(super) struct Launch {
    pub(super) form: Form,
    pub(super) interpreter: Interpreter,
    pub(super) order: Order,
}

/// How a native run ended.
pub(crate) struct NativeReport {
    pub(crate) ran: RunReport,
    /// Files that it left as they were, although their stamps differ.
    pub(crate) untouched: Untouched,
    /// What was really in force around it.
    pub(crate) enforced: Option<Enforced>,
}

/// Carries it out.
///
/// # Cancellation
///
/// Dropping the future ends the run.
pub(super) async fn launch(
    launch: Launch,
    spawner: &Arc<Spawner>,
    stop: &CancellationToken,
    live: Option<LiveOutput>,
) -> Result<NativeReport, Error> {
    let doing = || format!("start the jailer for `{}`", launch.order.runtime.id());
    let StartedChild { child, stream, .. } = spawner.start(Role::Jailer).await.doing(doing)?;
    let stopping = stream.try_clone().doing(doing)?;
    let (asked, dropped) = (stop.clone(), CancellationToken::new());
    // Whichever ends first, the run is over afterwards.
    let _dropped = dropped.clone().drop_guard();
    let (sent, is_sent) = oneshot::channel();
    #[expect(clippy::disallowed_methods, reason = "it is ended below, with the run")]
    let stopper = tokio::spawn(async move {
        // A word in the middle of the confinement would be taken for a part of it.
        if is_sent.await.is_err() {
            return;
        }
        let stop = tokio::select! {
            () = asked.cancelled() => Stop::Ask,
            () = dropped.cancelled() => Stop::Kill,
        };
        // Without a jailer there is nothing to stop.
        let _ = jailer::send_stop(&stopping, stop);
    });
    let reaper = Arc::clone(spawner);
    let run = tokio::task::spawn_blocking(move || {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let ran = launch.run(&stream, pid, sent, live);
        // Its warden ends with its connection, and everything with that.
        drop(stream);
        reaper.reap(child);
        ran
    });
    let ran = run.await.map_err(|source| Error::host("run a native program", source))?;
    stopper.abort();
    ran
}

impl Launch {
    fn native(&self) -> Result<&'static Native, Error> {
        match self.order.runtime.kind() {
            Kind::Native(native) => Ok(native),
            Kind::Wasm(_) => Err(Error::host("run a native program", "its language is not native")),
        }
    }

    fn run(
        mut self,
        control: &UnixStream,
        jailer: Pid,
        sent: oneshot::Sender<()>,
        live: Option<LiveOutput>,
    ) -> Result<NativeReport, Error> {
        let id = self.order.runtime.id();
        let denied = |reason: String| Error::Denied { action: format!("running `{id}`"), reason };
        let native = self.native()?;
        let user = match &self.form.users {
            Some(users) => {
                let taken = users.take().doing(|| "take a user for a native run".into())?;
                Some(taken.ok_or_else(|| denied("no user is left for it".into()))?)
            }
            None => None,
        };
        let grace_ms = if self.order.in_session { GRACE_IN_SESSION_MS } else { GRACE_MS };
        let limits = tree_limits(&self.order.limits, grace_ms);
        let doing = || "prepare a native run".to_owned();
        let inbox = self.order.spool.with_extension("inbox");
        let given = Inbox::create(inbox.clone(), self.form.namespaces).doing(doing)?;
        let account = Account::new(&self.order.program.env, &self.workspace_inside());
        let files = self.give(native, &account, &given).doing(doing)?;
        let group = match &self.form.cgroups {
            Some(cgroups) => {
                let name = inbox.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let made = cgroups.make(&format!("{PREFIX}{}-{name}", std::process::id()), &limits);
                Some(made.map_err(|error| denied(format!("its control group cannot be made: {error}")))?)
            }
            None => None,
        };
        let group_files = group.as_ref().map(Group::open).transpose().doing(|| "open a control group".into())?;
        let workspace = Arc::clone(&self.order.workspace);
        let before = workspace.survey()?;
        let doing = || "take /tmp out of a workspace".to_owned();
        temporary::take_out(&workspace, given.directory()).doing(doing)?;
        // Held from here on: a program can keep us from opening it again.
        let temporary = given.open_temporary().doing(doing)?;
        self.hand_over(user.as_ref(), &given, &temporary).map_err(|error| match error {
            TakeBackError::Io(source) => Error::io("hand over a workspace", source),
            error => Error::host("hand over a workspace", error),
        })?;
        let handed = user.is_some().then(|| Handed::over(&workspace)).transpose()?;
        let confinement = self.confinement(native, user.as_ref(), &given, &account, files, limits);
        // In the order in which the confinement names them.
        let mut writable = vec![temporary.as_fd(), workspace.as_fd()];
        writable.extend(given.cache_directory().map(AsFd::as_fd));
        let mut streams = Streams::new(self.order.limits.get(Resource::OutputBytes), &self.order.spool, live);
        let stdin = std::mem::take(&mut self.order.program.stdin);
        let orders = Orders {
            confinement,
            form: &self.form,
            cgroups: group_files.as_deref().unwrap_or(&[]),
            writable: &writable,
            stdin: &stdin,
            reply_bytes: MAX_REPLY_BYTES,
            sent,
        };
        let supervised = supervise(control, orders, &mut streams);
        if !matches!(supervised, Ok(Supervised { end: End::Ended(_) | End::Refused(_), .. })) {
            end_for_certain(jailer, group.as_ref());
        }
        // Only once nobody can write any more.
        let left = match (&handed, &supervised) {
            (Some(_), Ok(Supervised { end: End::Ended(_), .. })) => workspace.survey().ok(),
            _ => None,
        };
        let taken_back = self.take_back(&given, &temporary, user.is_some());
        let Supervised { end, enforced, reply } = supervised.doing(|| format!("watch over `{id}`"))?;
        let (stdout, stderr) = (streams.stdout.finish(), streams.stderr.finish());
        let mut report = RunReport { stdout, stderr, ..RunReport::lost() };
        let mut untouched = Untouched::default();
        match end {
            End::Refused(refusal) => {
                return Err(denied(format!("its confinement cannot be applied: {refusal}")));
            }
            End::Ended(_) if !enforced.is_some_and(|enforced| self.form.is_met_by(&enforced)) => {
                return Err(denied("less was enforced around it than before; restart the server".into()));
            }
            End::Ended(_) if group.as_ref().is_some_and(|group| !group.is_intact()) => {
                return Err(denied("its control group lost its limits; under systemd it needs Delegate=yes".into()));
            }
            End::Ended(ended) => self.conclude(&mut report, &ended, &reply, group.as_ref()),
            End::Lost if group.as_ref().is_some_and(Group::ran_out_of_memory) => {
                report.status = Status::LimitExceeded(Resource::MemoryBytes);
            }
            End::Lost => tracing::error!(runtime = id, "a jailer ended before its program"),
        }
        let output = report.stdout.bytes_seen + report.stderr.bytes_seen;
        report.usage.set(Resource::OutputBytes, output);
        match taken_back.map_err(Refused::from).and_then(|()| workspace.survey().map_err(Refused::from)) {
            Ok(after) => {
                let around = handed.zip(left);
                if let Some((handed, left)) = &around {
                    untouched = Untouched::new(&before, &handed.survey, handed.at, left, &after);
                }
                let changes = match (&around, self.form.users.is_some()) {
                    (Some((handed, left)), true) => after.changes_of_content_since(&before, (&handed.survey, left)),
                    // Nobody knows how the program left them.
                    (None, true) => after.changes_of_content_since(&before, (&after, &after)),
                    (_, false) => after.changes_since(&before),
                };
                self.take_files(&mut report, &before, &after, changes);
            }
            Err(Refused::ByRule(reason)) => {
                report.status = Status::Trapped(Trap::GuestFault);
                report.error = Some(GuestError {
                    name: "WorkspaceError".into(),
                    value: reason.clone(),
                    traceback: format!("{reason}\n"),
                });
            }
            Err(Refused::Failed(error)) => return Err(error),
        }
        Ok(NativeReport { ran: report, untouched, enforced })
    }

    /// Makes what the program may write its own.
    fn hand_over(&self, user: Option<&OwnUser>, given: &Inbox, temporary: &File) -> Result<(), TakeBackError> {
        let Some(identity) = user.map(OwnUser::identity) else { return Ok(()) };
        given.admit(identity.gid)?;
        ownership::give(temporary, identity.uid, identity.gid)?;
        if let Some(cache) = given.cache_directory() {
            ownership::give(cache, identity.uid, identity.gid)?;
        }
        ownership::give(&*self.order.workspace, identity.uid, identity.gid)
    }

    /// Where the program sees its workspace.
    fn workspace_inside(&self) -> PathBuf {
        if self.form.namespaces { GUEST_PATH.into() } else { self.order.workspace.host_path().to_path_buf() }
    }

    /// Gives the program its files, among them who it is. Those of a root of its
    /// own are answered.
    fn give(&self, native: &Native, account: &Account, given: &Inbox) -> io::Result<Vec<GivenFile>> {
        let files = inbox::files(native, &self.order)?.into_iter();
        if self.form.namespaces {
            let files = files.map(|(name, content)| GivenFile { path: Path::new(GIVEN).join(name), content });
            let list = |(place, list): (&str, String)| GivenFile { path: place.into(), content: list.into() };
            return Ok(files.chain(account.lists().map(list)).collect());
        }
        for (name, content) in files {
            given.give(&name, content.as_bytes(), 0o644)?;
        }
        for (name, content) in Account::commands() {
            given.give(&format!("{}/{name}", account::COMMANDS), content, 0o755)?;
        }
        Ok(Vec::new())
    }

    /// Takes over what the program wrote, `/tmp` included.
    fn take_back(&self, given: &Inbox, temporary: &File, is_given: bool) -> Result<(), TakeBackError> {
        let workspace = &self.order.workspace;
        ownership::take_back(&**workspace, is_given)?;
        ownership::take_back(temporary, is_given)?;
        let mounts = self.interpreter.mounts();
        let inside = mounts.iter().filter_map(|mount| mount.destination.strip_prefix(TEMPORARY_PATH).ok());
        Ok(temporary::put_back(workspace, given.directory(), inside)?)
    }

    fn confinement(
        &mut self,
        native: &Native,
        user: Option<&OwnUser>,
        given: &Inbox,
        account: &Account,
        files: Vec<GivenFile>,
        limits: TreeLimits,
    ) -> Confinement {
        let own_root = self.form.namespaces;
        let host_workspace = self.order.workspace.host_path().to_path_buf();
        let inside = |host: PathBuf, there: &str| if own_root { PathBuf::from(there) } else { host };
        let (workspace, given_inside) = (self.workspace_inside(), inside(given.given(), GIVEN));
        let (temporary, cache) = (inside(given.temporary(), TEMPORARY_PATH), inside(given.cache(), CACHE));
        // An interpreter may lie in a directory of the same name as this one, and
        // what is mounted later covers what was there.
        let mut mounts =
            vec![Mount { source: given.temporary(), destination: temporary.clone(), access: Access::Write }];
        mounts.extend(self.interpreter.mounts());
        mounts.push(Mount { source: host_workspace, destination: workspace.clone(), access: Access::Write });
        let mut scratch = Vec::new();
        let mut search_path = self.interpreter.search_path();
        if own_root {
            for destination in [CACHE, "/dev/shm"] {
                // Counted as memory, which bounds both together.
                scratch.push(Scratch {
                    destination: destination.into(),
                    bytes: limits.memory_bytes / 2,
                    files: SCRATCH_FILES,
                });
            }
        } else {
            mounts.push(Mount { source: given.given(), destination: given_inside.clone(), access: Access::Read });
            search_path = format!("{}:{search_path}", given_inside.join(account::COMMANDS).display());
            let source = given.cache();
            mounts.push(Mount { destination: source.clone(), source, access: Access::Write });
        }
        let places = Places { home: &workspace, temporary: &temporary, cache: &cache, runtime: &given_inside };
        let env = environment(native, &self.order.program.env, account, search_path, &places);
        let args = inbox::command_line(native, &self.interpreter.path, &given_inside, &self.order.program.args);
        Confinement {
            parent: std::process::id(),
            program: Program {
                path: self.interpreter.path.clone(),
                args: args.into_iter().map(OsString::from).collect(),
                env,
                directory: workspace,
            },
            mounts,
            namespaces: own_root,
            scratch,
            files,
            identity: user.map(OwnUser::identity),
            landlock_abi: self.form.landlock_abi(),
            limits,
            descriptors: Vec::new(),
        }
    }

    /// Status, result and usage.
    fn conclude(&self, report: &mut RunReport, ended: &Ended, reply: &[u8], group: Option<&Group>) {
        let limits = &self.order.limits;
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
        let bounds = Bounds::of(&GuestRequest::new(&self.order.program, limits));
        let mut said = None;
        // None, or cut off by whatever ended the program, is as good as
        // nothing said.
        if let Ok(reply) = serde_json::from_slice::<GuestReply>(reply) {
            report.result = reply.result.map(|result| abi::cut(result, bounds.text));
            report.outputs = abi::take_outputs(reply.outputs, bounds.outputs);
            said = reply.error.as_ref().and_then(|error| error.cause);
            report.error = reply.error.map(|error| error.bounded(bounds));
        }
        report.status = self.status(ended, said, group);
    }

    fn status(&self, ended: &Ended, said: Option<Cause>, group: Option<&Group>) -> Status {
        let exceeded = |resource| Status::LimitExceeded(resource);
        let out_of_memory = group.is_some_and(Group::ran_out_of_memory);
        if let Some(ending) = ended.cause {
            return match ending {
                Ending::Stopped => Status::Cancelled,
                // It waited for a part of it that the kernel had ended.
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
        let most_processes = self.order.limits.get(Resource::Processes);
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

    /// Counts files, names those that changed, and shows pictures among them.
    fn take_files(&self, report: &mut RunReport, before: &Survey, after: &Survey, changes: Vec<FileEntry>) {
        report.usage.set(Resource::DiskBytes, after.disk_use.bytes);
        report.usage.set(Resource::DiskFiles, after.disk_use.files);
        report.workspace_empty = after.is_empty();
        report.workspace_changed = !before.is_all_unchanged(after);
        report.files = changes.into_iter().take(MAX_FILES).collect();
        let mut room = RICH_OUTPUT_BYTES.saturating_sub(report.outputs.iter().map(size_of_output).sum());
        let pictures: Vec<_> = report.files.iter().filter_map(|file| Some((file, picture_type(&file.path)?))).collect();
        let mut shown = Vec::new();
        for (file, mime) in pictures.into_iter().take(MAX_PICTURES) {
            // In base64 it is a third longer.
            if file.size_bytes == 0 || file.size_bytes.saturating_mul(4) / 3 > room {
                continue;
            }
            if let Some(data) = read_picture(&self.order.workspace, file, mime) {
                room = room.saturating_sub(data.len() as u64);
                shown.push(RichOutput(vec![(mime.to_owned(), data), ("text/plain".to_owned(), file.path.clone())]));
            }
        }
        report.outputs.extend(shown);
    }
}

/// A workspace that has just been handed to the user of a run, which will not
/// begin before `at`.
struct Handed {
    survey: Survey,
    at: Time,
}

impl Handed {
    fn over(workspace: &Workspace) -> Result<Self, Error> {
        let survey = workspace.survey()?;
        let last = survey.files.values().map(|stamp| stamp.changed).max().unwrap_or_default();
        let mut at = now_of_files();
        // What a program changes within the same tick of the clock looks as if
        // it had not. That costs reading a file again, so few may be in doubt.
        for _ in 0..TICK_MS {
            if at > last || survey.files.len() < FEW_FILES {
                break;
            }
            #[expect(clippy::disallowed_methods, reason = "a tick of the clock is no event")]
            std::thread::sleep(Duration::from_millis(1));
            at = now_of_files();
        }
        Ok(Self { survey, at })
    }
}

/// Ends a jailer that has not said that its program is gone, and what it may
/// have left.
fn end_for_certain(jailer: Pid, group: Option<&Group>) {
    if let Some(group) = group {
        group.kill();
    }
    children::end_with_strays(jailer);
}

/// Why files cannot be taken over.
enum Refused {
    /// The program made what a workspace cannot hold.
    ByRule(String),
    Failed(Error),
}

impl From<TakeBackError> for Refused {
    fn from(error: TakeBackError) -> Self {
        match error {
            TakeBackError::TooDeep => Self::ByRule(error.to_string()),
            TakeBackError::Io(source) => Self::Failed(Error::io("take back a workspace", source)),
        }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

fn tree_limits(limits: &Limits, grace_ms: u64) -> TreeLimits {
    TreeLimits {
        wall_time_ms: limits.get(Resource::WallTimeMs),
        cpu_time_ms: limits.get(Resource::CpuTimeMs),
        memory_bytes: limits.get(Resource::MemoryBytes),
        disk_bytes: limits.get(Resource::DiskBytes),
        disk_files: limits.get(Resource::DiskFiles),
        open_files: limits.get(Resource::OpenFiles),
        processes: limits.get(Resource::Processes),
        grace_ms,
    }
}

fn size_of_output(output: &RichOutput) -> u64 {
    output.0.iter().map(|(mime, data)| (mime.len() + data.len()) as u64).sum()
}

fn picture_type(path: &str) -> Option<&'static str> {
    let path = path.to_ascii_lowercase();
    PICTURES.iter().find(|(end, _)| path.ends_with(end)).map(|(_, mime)| *mime)
}

/// A picture as a reply carries it; `None` when it is not a regular file any
/// more.
fn read_picture(workspace: &Workspace, file: &FileEntry, mime: &str) -> Option<String> {
    let place = WorkspacePath::new("path", &file.path).ok()?;
    let (mut opened, stamp) = workspace.open_file(place.as_path()).ok()??;
    if stamp.size != file.size_bytes {
        return None;
    }
    let bytes = crate::workspace::read_range(&mut opened, 0, file.size_bytes).ok()?;
    if mime == "image/svg+xml" {
        return String::from_utf8(bytes).ok();
    }
    Some(base64::engine::general_purpose::STANDARD.encode(bytes))
}
