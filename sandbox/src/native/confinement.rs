//! What the jailer is told about a native run: which files its program sees, as
//! whom it runs and how far it may go.

use std::ffi::OsString;
use std::path::PathBuf;

use guest_runtimes::Native;
use jailer::{Access, Confinement, GivenFile, Mount, Program, Scratch, TreeLimits};

use super::account;
use super::account::Account;
use super::granted::granted;
use super::inbox;
use super::inbox::Inbox;
use super::interpreter::environment::{Places, environment};
use super::launch::{CACHE, GIVEN, Launch};
use super::users::OwnUser;
use crate::policy::{Network, Policy};
use crate::workspace::TEMPORARY_PATH;

/// Files in a temporary file system.
const SCRATCH_FILES: u64 = 65_536;

/// What `launch` is confined to.
///
/// # Errors
///
/// When something that is granted cannot be.
pub(super) fn confinement(
    launch: &Launch,
    native: &Native,
    user: Option<&OwnUser>,
    given: &Inbox,
    account: &Account,
    files: Vec<GivenFile>,
    limits: TreeLimits,
) -> Result<Confinement, String> {
    // Every form keeps programs from making sockets; the executor has given the
    // program its variables, and answers of its calls what is granted.
    let Policy { languages: _, environment: _, network: Network::None, calls: _, mounts: mounted } =
        &*launch.order.policy;
    let own_root = launch.form.namespaces;
    let host_workspace = launch.order.workspace.host_path().to_path_buf();
    let inside = |host: PathBuf, there: &str| if own_root { PathBuf::from(there) } else { host };
    let (workspace, given_inside) = (launch.workspace_inside(), inside(given.given(), GIVEN));
    let (temporary, cache) = (inside(given.temporary(), TEMPORARY_PATH), inside(given.cache(), CACHE));
    // An interpreter may lie in a directory of the same name as this one, and
    // what is mounted later covers what was there.
    let mut mounts = vec![Mount { source: given.temporary(), destination: temporary.clone(), access: Access::Write }];
    mounts.extend(launch.interpreter.mounts());
    mounts.push(Mount { source: host_workspace, destination: workspace.clone(), access: Access::Write });
    let mut scratch = Vec::new();
    let mut search_path = launch.interpreter.search_path();
    if own_root {
        for destination in [CACHE, "/dev/shm"] {
            // Scratch files are counted as memory, and that limit bounds both file
            // systems together.
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
    mounts.extend(granted(mounted, &launch.interpreter.mounts(), own_root)?);
    let env = environment(native, &launch.order.task.program.env, account, search_path, &places);
    let args = inbox::command_line(native, &launch.interpreter.path, &given_inside, &launch.order.task.program.args);
    Ok(Confinement {
        parent: std::process::id(),
        program: Program {
            path: launch.interpreter.path.clone(),
            args: args.into_iter().map(OsString::from).collect(),
            env,
            directory: workspace,
        },
        mounts,
        namespaces: own_root,
        scratch,
        files,
        settings: launch.form.settings.clone(),
        identity: user.map(OwnUser::identity),
        landlock_abi: launch.form.landlock_abi(),
        limits,
        descriptors: Vec::new(),
    })
}
