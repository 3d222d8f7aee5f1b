//! One run of a native program: what it is given, the jailer around it, and
//! what is made of how it ended.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guest_runtimes::{GuestRuntime, Kind, Native};
use jailer::{Enforced, GivenFile, Stop, TreeLimits};
use nix::unistd::Pid;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::account;
use super::account::Account;
use super::calls;
use super::calls::CallSockets;
use super::cgroup::{Group, PREFIX};
use super::confinement::confinement;
use super::ending::conclude;
use super::handed::Handed;
use super::inbox;
use super::inbox::Inbox;
use super::interpreter::Interpreter;
use super::ownership;
use super::ownership::TakeBackError;
use super::pictures::pictures;
use super::supervise::{End, Orders, Streams, Supervised, supervise};
use super::temporary;
use super::tier::Form;
use super::users::OwnUser;
use crate::children;
use crate::children::spawner::{Role, Spawner, StartedChild};
use crate::error::{Error, IoContext as _};
use crate::run::abi::MAX_REPLY_BYTES;
use crate::run::follower::Following;
use crate::run::limits::{Limits, Resource};
use crate::run::order::Order;
use crate::run::outcome::{GuestError, Status, Trap};
use crate::run::report::{MAX_FILES, RunReport};
use crate::run::stream::LiveOutput;
use crate::workspace::entry::FileEntry;
use crate::workspace::survey::Survey;
use crate::workspace::untouched::Untouched;
use crate::workspace::{GUEST_PATH, TEMPORARY_PATH};

/// Where a program with a file system of its own sees what it is given.
pub(super) const GIVEN: &str = "/run/belljar";
/// Where a program with a file system of its own keeps what it can make again.
pub(super) const CACHE: &str = "/var/cache";
/// How long a program gets to end by itself once it must, with a session whose
/// files it may want to put in order and without.
const GRACE_IN_SESSION_MS: u64 = 1000;
const GRACE_MS: u64 = 100;

/// A run, and the way to confine it.
pub(super) struct Launch {
    pub(super) form: Form,
    pub(super) interpreter: Interpreter,
    pub(super) order: Order,
}

/// What ties a run to whoever follows it.
struct Ties {
    live: Option<LiveOutput>,
    /// Whether somebody sees what is displayed while the run goes on.
    shown: bool,
    /// The sockets by which the program calls its host, and its end of the first.
    calls: Option<(CallSockets, OwnedFd)>,
}

/// How a native run ended.
pub(crate) struct NativeReport {
    pub(crate) ran: RunReport,
    /// Files that the program left as they were, although their stamps differ.
    pub(crate) untouched: Untouched,
    /// What was really in force around the program.
    pub(crate) enforced: Option<Enforced>,
}

/// Carries out a launch.
///
/// # Cancellation
///
/// Dropping the future ends the run.
pub(super) async fn launch(
    launch: Launch,
    spawner: &Arc<Spawner>,
    stop: &CancellationToken,
    following: Following,
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
    let shown = following.sees_displays();
    let Following { live, calls } = following;
    let (sockets, asking) = if calls.grants_any() {
        let (sockets, theirs, asking) = CallSockets::new().map_err(io::Error::from).doing(doing)?;
        (Some((sockets, theirs)), Some(asking))
    } else {
        (None, None)
    };
    let reaper = Arc::clone(spawner);
    let mut run = tokio::task::spawn_blocking(move || {
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
        let ran = launch.run(&stream, pid, sent, Ties { live, shown, calls: sockets });
        // The warden ends with its connection, and every process with the warden.
        drop(stream);
        reaper.reap(child);
        ran
    });
    let answer = async {
        match asking {
            Some(asking) => calls::answer(&calls, asking).await,
            None => std::future::pending().await,
        }
    };
    let ran = tokio::select! {
        ran = &mut run => ran,
        never = answer => match never {},
    };
    let ran = ran.map_err(|source| Error::host("run a native program", source))?;
    stopper.abort();
    ran
}

fn native(runtime: &GuestRuntime) -> Result<&Native, Error> {
    match runtime.kind() {
        Kind::Native(native) => Ok(native),
        Kind::Wasm(_) => Err(Error::host("run a native program", "its language is not native")),
    }
}

impl Launch {
    fn run(
        mut self,
        control: &UnixStream,
        jailer: Pid,
        sent: oneshot::Sender<()>,
        Ties { live, shown, calls }: Ties,
    ) -> Result<NativeReport, Error> {
        let runtime = Arc::clone(&self.order.runtime);
        let id = runtime.id();
        let denied = |reason: String| Error::Denied { action: format!("running `{id}`"), reason };
        let native = native(&runtime)?;
        let user = match &self.form.users {
            Some(users) => {
                let taken = users.take().doing(|| "take a user for a native run".into())?;
                Some(taken.ok_or_else(|| denied("no user is left for it".into()))?)
            }
            None => None,
        };
        let grace_ms = if self.order.in_session { GRACE_IN_SESSION_MS } else { GRACE_MS };
        let limits = tree_limits(&self.order.task.limits, grace_ms);
        let doing = || "prepare a native run".to_owned();
        let inbox = self.order.task.spool.with_extension("inbox");
        let given = Inbox::create(inbox.clone(), self.form.namespaces).doing(doing)?;
        let account = Account::new(&self.order.task.program.env, &self.workspace_inside());
        let files = self.give(native, &account, &given, shown).doing(doing)?;
        // The confinement is made before anything changes hands, because it can fail.
        let confined = confinement(&self, native, user.as_ref(), &given, &account, files, limits);
        let mut confinement = confined.map_err(denied)?;
        if calls.is_some() {
            let env = &mut confinement.program.env;
            env.retain(|(name, _)| name != calls::VARIABLE);
            env.push((calls::VARIABLE.into(), calls::DESCRIPTOR.into()));
        }
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
        // The folder is held open from here on: a program can keep us from opening it again.
        let temporary = given.open_temporary().doing(doing)?;
        self.hand_over(user.as_ref(), &given, &temporary).map_err(|error| match error {
            TakeBackError::Io(source) => Error::io("hand over a workspace", source),
            error => Error::host("hand over a workspace", error),
        })?;
        let handed = user.is_some().then(|| Handed::over(&workspace)).transpose()?;
        // Directories are in the order in which the confinement names them.
        let mut directories = vec![temporary.as_fd(), workspace.as_fd()];
        directories.extend(given.cache_directory().map(AsFd::as_fd));
        let policy = Arc::clone(&self.order.policy);
        directories.extend(policy.mounts.iter().map(|mount| mount.held().as_fd()));
        let mut streams = Streams::new(self.order.task.limits.get(Resource::OutputBytes), &self.order.task.spool, live);
        let stdin = std::mem::take(&mut self.order.task.program.stdin);
        let orders = Orders {
            confinement,
            form: &self.form,
            cgroups: group_files.as_deref().unwrap_or(&[]),
            directories: &directories,
            stdin: &stdin,
            reply_bytes: MAX_REPLY_BYTES,
            calls,
            sent,
        };
        let supervised = supervise(control, orders, &mut streams);
        if !matches!(supervised, Ok(Supervised { end: End::Ended(_) | End::Refused(_), .. })) {
            end_for_certain(jailer, group.as_ref());
        }
        // Files are taken over only once no process can write to them any more.
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
            End::Ended(ended) => conclude(&mut report, &self.order, &ended, &reply, group.as_ref()),
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
                    // How a program left its files is not known unless its run ended in order.
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
    pub(super) fn workspace_inside(&self) -> PathBuf {
        if self.form.namespaces { GUEST_PATH.into() } else { self.order.workspace.host_path().to_path_buf() }
    }

    /// Gives the program its files, among them who it is. Those of a root of its
    /// own are answered.
    fn give(&self, native: &Native, account: &Account, given: &Inbox, shown: bool) -> io::Result<Vec<GivenFile>> {
        let files = inbox::files(native, &self.order, shown)?.into_iter();
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

    /// Counts files, names those that changed, and shows pictures among them.
    fn take_files(&self, report: &mut RunReport, before: &Survey, after: &Survey, changes: Vec<FileEntry>) {
        report.usage.set(Resource::DiskBytes, after.disk_use.bytes);
        report.usage.set(Resource::DiskFiles, after.disk_use.files);
        report.workspace_empty = after.is_empty();
        report.workspace_changed = !before.is_all_unchanged(after);
        report.files = changes.into_iter().take(MAX_FILES).collect();
        report.outputs.extend(pictures(&self.order.workspace, report));
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
