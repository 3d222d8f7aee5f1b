//! Do servers over one store that is no directory get in each other's way?
//!
//! Two executors in this process, each with workers and a state directory of
//! its own as on two machines, over one [`WeakStore`]. No harness: the workers
//! are this program again, as they are `belljar` again for a server.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which fails by panicking")]

#[path = "../../sandbox/src/store/tests/weak.rs"]
mod weak;

use std::collections::BTreeMap;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use sandbox::{
    Durability, Error, ExecuteRequest, Executor, ExecutorSettings, Follower, Limits, NativeSettings, Outcome,
    Principal, Program, SessionChoice, SessionId, StoreBackend,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use self::weak::WeakStore;

/// How many calls alternate.
const CALLS: u64 = 300;

fn main() -> ExitCode {
    tests::main(|filter| {
        let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        macro_rules! run {
            ($($name:ident)*) => {$( filter.run(stringify!($name), || event_loop.block_on($name())); )*};
        }
        run! {
            calls_that_alternate_between_two_servers_are_never_fenced
            a_call_that_was_overtaken_is_fenced_and_the_next_goes_on
            what_one_server_ended_is_over_for_the_other
            the_result_of_a_run_is_read_where_it_ran_and_others_say_so
        }
    })
}

/// A store that is weak in the way of `seed`, or of `BELLJAR_TEST_SEED`.
fn weak_store(seed: u64) -> WeakStore {
    let wanted = std::env::var("BELLJAR_TEST_SEED").ok().map(|seed| seed.parse().unwrap());
    WeakStore::new(wanted.unwrap_or(seed), Arc::default())
}

/// A server over a store that others use too.
struct Replica {
    executor: Arc<Executor>,
    state: TempDir,
}

impl Replica {
    /// Starts one more server, with the key of `first` if there is one.
    fn start(store: &WeakStore, first: Option<&Self>) -> Self {
        let state = tempfile::tempdir().unwrap();
        if let Some(first) = first {
            let folder = state.path().join("store");
            std::fs::DirBuilder::new().mode(0o700).create(&folder).unwrap();
            let key = std::fs::read(first.state.path().join("store/key")).unwrap();
            let file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(folder.join("key"));
            std::io::Write::write_all(&mut file.unwrap(), &key).unwrap();
        }
        let settings = ExecutorSettings {
            catalogue: sandbox::Catalogue::built_in(),
            state_directory: state.path().to_path_buf(),
            cache_directory: tests::cache_directory().to_path_buf(),
            default_limits: Limits::defaults(),
            limit_ceilings: Limits::ceilings(),
            policy: Arc::default(),
            tenancy: sandbox::Tenancy::One,
            reserved: Vec::new(),
            runs: 4,
            queue: 64,
            workers: 1,
            memory_bytes: 1 << 30,
            sessions: 64,
            hibernate_after: Duration::from_secs(300),
            session_lifetime: Duration::from_secs(86_400),
            store: StoreBackend::Objects(Arc::new(store.clone())),
            store_keys: None,
            store_cache: None,
            durability: Durability::Process,
            store_bytes: 1 << 30,
            principal_store_bytes: 1 << 30,
            snapshots: 64,
            native: NativeSettings {
                tier: sandbox::MinimumTier::Off,
                programs: BTreeMap::new(),
                secrets: Vec::new(),
                personal: Vec::new(),
            },
            deterministic: false,
        };
        Self { executor: Arc::new(Executor::new(settings).unwrap()), state }
    }

    async fn execute(&self, session: SessionChoice, code: &str) -> Result<Outcome, Error> {
        let program = Program { code: code.into(), ..Program::default() };
        let request = ExecuteRequest { language: "python".into(), program, session, ..Default::default() };
        self.executor.execute(&Principal::local(), request, &CancellationToken::new(), Follower::default()).await
    }

    /// The value of the last expression of `code` in a session.
    async fn value(&self, session: &SessionId, code: &str) -> String {
        let outcome = self.execute(SessionChoice::Existing(session.clone()), code).await.unwrap();
        outcome.report.result.unwrap_or_else(|| panic!("{:?}", outcome.report.error))
    }

    async fn begin(&self, code: &str) -> SessionId {
        self.execute(SessionChoice::New, code).await.unwrap().session.unwrap().id
    }

    /// Where a session has its files here.
    fn files_of(&self, session: &SessionId) -> Option<PathBuf> {
        fn find(directory: &Path, name: &str) -> Option<PathBuf> {
            let entries = std::fs::read_dir(directory).ok()?;
            let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir());
            folders.into_iter().find_map(|path| if path.ends_with(name) { Some(path) } else { find(&path, name) })
        }
        find(self.state.path(), session.as_str())
    }
}

async fn calls_that_alternate_between_two_servers_are_never_fenced() {
    let store = weak_store(7);
    let one = Replica::start(&store, None);
    let two = Replica::start(&store, Some(&one));
    let session = one.begin("x = 0\nd = {str(n): [n] for n in range(5000)}\nlines = ['begun']").await;
    let (before, ..) = store.counts();
    for call in 1..=CALLS {
        let here = if call % 2 == 0 { &one } else { &two };
        // Variables and now and then files, small and large ones.
        let code = match call % 6 {
            0 => "x += 1\nwith open('log', 'a') as log: print(x, file=log)\nx",
            1 => "x += 1\nwith open('large', 'wb') as large: large.write(bytes([x % 251]) * 200_000)\nx",
            2 => "x += 1\nlines.append('x' * 2000)\nassert open('large', 'rb').read(1)[0] == (x - 1) % 251\nx",
            _ => "x += 1\nx",
        };
        assert_eq!(here.value(&session, code).await, call.to_string());
        if call % 50 == 0 {
            let (report, _) =
                here.executor.snapshot(&Principal::local(), &session, &CancellationToken::new()).await.unwrap();
            assert!(report.sequence > call);
        }
    }
    let (asked, lost, conflicts) = store.counts();
    assert!(lost > CALLS / 20 && conflicts > CALLS / 20, "the store was not weak: {lost}, {conflicts}");
    println!(
        "  {CALLS} calls, none fenced; {} requests for each; {lost} answers were lost, {conflicts} writes refused",
        (asked - before) / CALLS
    );
    // Whoever comes next finds all of it.
    let three = Replica::start(&store, Some(&one));
    let seen = three.value(&session, "x, len(d), len(lines), len(open('log').readlines())").await;
    assert_eq!(seen, format!("({CALLS}, 5000, {}, {})", 1 + CALLS / 6, CALLS / 6));
}

/// The control: what was really overtaken is told so, and nothing of it is kept.
async fn a_call_that_was_overtaken_is_fenced_and_the_next_goes_on() {
    let store = weak_store(8);
    let one = Replica::start(&store, None);
    let two = Replica::start(&store, Some(&one));
    let session = one.begin("import os, time\nx = 1\nopen('f', 'w').write('first')").await;
    assert_eq!(two.value(&session, "x").await, "1");
    let slow = "open('begun', 'w').close()\nx = 'overtaken'\nopen('f', 'w').write('overtaken')\n\
                while not os.path.exists('go'): time.sleep(0.005)\nx";
    let overtaken = one.execute(SessionChoice::Existing(session.clone()), slow);
    let meanwhile = async {
        let files = loop {
            match one.files_of(&session).filter(|files| files.join("begun").exists()) {
                Some(files) => break files,
                None => tokio::time::sleep(Duration::from_millis(2)).await,
            }
        };
        let value = two.value(&session, "x += 1\nopen('f', 'w').write('second')\nx").await;
        std::fs::write(files.join("go"), "").unwrap();
        value
    };
    let (overtaken, value) = tokio::join!(overtaken, meanwhile);
    assert_eq!(value, "2");
    assert!(matches!(overtaken, Err(Error::Fenced { .. })), "{overtaken:?}");
    for here in [&one, &two, &one] {
        assert_eq!(here.value(&session, "x, open('f').read(), os.listdir()").await, "(2, 'second', ['f'])");
    }
}

async fn what_one_server_ended_is_over_for_the_other() {
    let store = weak_store(9);
    let one = Replica::start(&store, None);
    let two = Replica::start(&store, Some(&one));
    let session = one.begin("x = 1").await;
    assert_eq!(two.value(&session, "x").await, "1");
    one.executor.close(&Principal::local(), &session, None, &CancellationToken::new()).await.unwrap();
    for here in [&two, &one] {
        let gone = here.execute(SessionChoice::Existing(session.clone()), "x").await.unwrap_err().to_string();
        assert!(gone.contains("it was closed"), "{gone}");
    }
    assert!(two.executor.list_sessions(&Principal::local()).await.unwrap().is_empty());
}

async fn the_result_of_a_run_is_read_where_it_ran_and_others_say_so() {
    let store = weak_store(10);
    let one = Replica::start(&store, None);
    let two = Replica::start(&store, Some(&one));
    let session = one.begin("x = 1").await;
    let (me, print) = (Principal::local(), "for n in range(20_000): print(n)");
    let made = one.execute(SessionChoice::Existing(session), print).await.unwrap().run;
    one.executor.finished_run(&me, &made).await.unwrap();
    let other = two.execute(SessionChoice::None, "1").await.unwrap().run;
    let refused = two.executor.finished_run(&me, &made).await.unwrap_err();
    assert!(matches!(refused, Error::OfAnotherServer { .. }), "{refused:?}");
    let (theirs, ours) = (&made.as_str()[..8], &other.as_str()[..8]);
    let text = refused.to_string();
    assert!(text.contains(&format!("no run `{made}`")) && text.contains(&format!("(`{theirs}…`, and here `{ours}…`)")));
    // The control: a server says of its own run that it is not there.
    let never = sandbox::RunId::parse(&format!("{ours}{}", "0".repeat(20))).unwrap();
    assert!(matches!(two.executor.finished_run(&me, &never).await, Err(Error::NotFound { .. })));
}
