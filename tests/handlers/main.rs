//! Do calls of programs come to whoever answers them, several at once, for as long
//! as that takes, and not a moment longer than their run?
//!
//! An executor in this process with handlers of its own, which wait as none of the
//! server's does. No harness: its workers are this program again.

#![expect(clippy::unwrap_used, reason = "a test, which fails by panicking")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sandbox::{
    Answering, CallHandler, Catalogue, Durability, Error, ExecuteRequest, Executor, ExecutorSettings, Follower,
    GuestCall, Limits, MinimumTier, NativeSettings, Outcome, Policy, Principal, Program, Resource, SessionChoice,
    Status, StoreBackend, Tenancy, Tier,
};
use tempfile::TempDir;
use tests::{RuntimesFolder, Tally};
use tokio::sync::{Barrier, Notify};
use tokio_util::sync::CancellationToken;

/// How many calls meet.
const MEET: usize = 3;
const BOTH: [&str; 2] = ["python", "python-native"];

fn main() -> ExitCode {
    tests::main(|filter| {
        let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        macro_rules! run {
            ($($name:ident)*) => {$( filter.run(stringify!($name), || event_loop.block_on($name())); )*};
        }
        run! {
            calls_of_tasks_and_threads_are_in_flight_together
            bytes_come_and_go_as_they_are_up_to_the_bound
            a_wait_uses_no_fuel_and_other_tasks_go_on
            what_ends_a_run_ends_its_calls
            a_call_that_outlasts_its_run_is_over_in_the_next
            a_run_that_waits_keeps_its_place
            the_same_run_gets_its_answers_in_the_same_order
        }
    })
}

/// Answers as the name of a call says.
struct Handlers {
    barrier: Arc<Barrier>,
    /// Told when a call began that is never answered.
    began: Arc<Notify>,
    /// How many calls that are never answered are open.
    open: Arc<AtomicUsize>,
}

impl Default for Handlers {
    fn default() -> Self {
        Self { barrier: Arc::new(Barrier::new(MEET)), began: Arc::default(), open: Arc::default() }
    }
}

/// A call that is being answered.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl CallHandler for Handlers {
    fn answer(&self, call: GuestCall) -> Answering {
        let barrier = Arc::clone(&self.barrier);
        match call.name.as_str() {
            "echo" => Box::pin(std::future::ready(Ok(call.bytes))),
            // The calls are answered once as many wait as it takes.
            "meet" => Box::pin(async move {
                barrier.wait().await;
                Ok(b"\"met\"".to_vec())
            }),
            "slow" => Box::pin(async move {
                tokio::time::sleep(Duration::from_millis(150)).await;
                Ok(call.bytes)
            }),
            "long" => Box::pin(std::future::ready(Ok(vec![b' '; (128 << 10) + 1]))),
            _ => {
                self.open.fetch_add(1, Ordering::SeqCst);
                let open = Open(Arc::clone(&self.open));
                self.began.notify_one();
                Box::pin(async move {
                    let _open = open;
                    std::future::pending().await
                })
            }
        }
    }
}

/// An executor whose programs may call these handlers.
struct Here {
    executor: Arc<Executor>,
    handlers: Arc<Handlers>,
    _state: TempDir,
    _runtimes: RuntimesFolder,
}

impl Here {
    fn start(change: impl FnOnce(&mut ExecutorSettings)) -> Self {
        let state = tempfile::tempdir().unwrap();
        let caller = Tally { id: "caller", text: Tally::CALLS, abi: 2, build: 30, ..Tally::default() };
        let runtimes = RuntimesFolder::with([caller]);
        let calls = ["echo", "meet", "slow", "long", "never"].map(str::to_owned).into();
        let mut settings = ExecutorSettings {
            catalogue: Catalogue::built_in().with_folder(runtimes.path()).unwrap(),
            state_directory: state.path().to_path_buf(),
            cache_directory: tests::cache_directory().to_path_buf(),
            default_limits: Limits::defaults(),
            limit_ceilings: Limits::ceilings(),
            reserved: Vec::new(),
            tenancy: Tenancy::One,
            policy: Arc::new(Policy { calls, ..Policy::default() }),
            runs: 4,
            queue: 64,
            workers: 1,
            memory_bytes: 1 << 30,
            sessions: 64,
            hibernate_after: Duration::from_secs(300),
            session_lifetime: Duration::from_secs(86_400),
            store: StoreBackend::Memory,
            store_keys: None,
            store_cache: None,
            durability: Durability::Process,
            store_bytes: 1 << 30,
            principal_store_bytes: 1 << 30,
            snapshots: 64,
            native: NativeSettings {
                tier: MinimumTier::AtLeast(Tier::Container),
                programs: BTreeMap::new(),
                secrets: Vec::new(),
                personal: Vec::new(),
            },
            deterministic: false,
        };
        change(&mut settings);
        let executor = Arc::new(Executor::new(settings).unwrap());
        Self { executor, handlers: Arc::default(), _state: state, _runtimes: runtimes }
    }

    async fn execute(
        &self,
        language: &str,
        code: &str,
        session: SessionChoice,
        wall_time_ms: u64,
        cancel: CancellationToken,
    ) -> Result<Outcome, Error> {
        let program = Program { code: code.into(), ..Program::default() };
        let mut request = ExecuteRequest { language: language.into(), program, session, ..Default::default() };
        request.limits.set(Resource::WallTimeMs, wall_time_ms);
        let handler = Arc::clone(&self.handlers) as Arc<dyn CallHandler>;
        let follower = Follower { handler: Some(handler), ..Follower::default() };
        self.executor.execute(&Principal::local(), request, &cancel, follower).await
    }

    async fn run(&self, language: &str, code: &str) -> Outcome {
        let ran = self.execute(language, code, SessionChoice::None, 30_000, CancellationToken::new());
        ran.await.unwrap()
    }

    /// What a program prints that ends well.
    async fn said(&self, language: &str, code: &str) -> String {
        said(&self.run(language, code).await)
    }

    fn open_calls(&self) -> usize {
        self.handlers.open.load(Ordering::SeqCst)
    }

    /// Waits until no call is being answered any more.
    async fn none_is_open(&self) {
        while self.open_calls() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[track_caller]
fn said(outcome: &Outcome) -> String {
    assert_eq!(outcome.report.status, Status::Exited(0), "{:?} {:?}", outcome.report.error, outcome.report.stderr);
    String::from_utf8(outcome.report.stdout.head.clone()).unwrap()
}

async fn calls_of_tasks_and_threads_are_in_flight_together() {
    let here = Here::start(|_| ());
    for language in BOTH {
        let tasks = "import asyncio, belljar\n\
            print(await asyncio.gather(*(belljar.call_async('meet') for _ in range(3))))";
        assert_eq!(here.said(language, tasks).await, "['met', 'met', 'met']\n", "{language}");
        let threads = "import belljar, threading\nmet = []\n\
            def meet(): met.append(belljar.call('meet'))\n\
            threads = [threading.Thread(target=meet) for _ in range(2)]\n\
            for thread in threads: thread.start()\n\
            meet()\n\
            for thread in threads: thread.join()\n\
            print(met)";
        assert_eq!(here.said(language, threads).await, "['met', 'met', 'met']\n", "{language}");
        let both = "import asyncio, belljar, threading\nmet = []\n\
            thread = threading.Thread(target=lambda: met.append(belljar.call('meet')))\n\
            thread.start()\n\
            met += await asyncio.gather(belljar.call_async('meet'), belljar.call_async('meet'))\n\
            thread.join()\nprint(met)";
        assert_eq!(here.said(language, both).await, "['met', 'met', 'met']\n", "{language}");
    }
    let processes = "import belljar, os\n\
        children = []\n\
        for _ in range(2):\n  \
          child = os.fork()\n  \
          if child == 0: os._exit(0 if belljar.call('meet') == 'met' else 1)\n  \
          children.append(child)\n\
        print(belljar.call('meet'), *(os.waitpid(child, 0)[1] for child in children))";
    assert_eq!(here.said("python-native", processes).await, "met 0 0\n");
}

async fn bytes_come_and_go_as_they_are_up_to_the_bound() {
    let here = Here::start(|_| ());
    for language in BOTH {
        let code = "import belljar\n\
            for size in (0, 1, 1000, 131_072 - 8):\n  \
              assert belljar.call('echo', x='y' * size) == {'x': 'y' * size}, size\n\
            print(belljar.call('echo', x='é\\n\\x00'))\n\
            for name, size in (('echo', 131_072 - 7), ('long', 0)):\n  \
              try: belljar.call(name, x='y' * size)\n  \
              except belljar.CallError as error: print(error)";
        let expected = "{'x': 'é\\n\\x00'}\nbytes of a call may be 131072 at most, and this is 131073\n\
                        bytes of an answer of `long` may be 131072 at most, and this is 131073\n";
        assert_eq!(here.said(language, code).await, expected, "{language}");
    }
}

async fn a_wait_uses_no_fuel_and_other_tasks_go_on() {
    let here = Here::start(|settings| settings.deterministic = true);
    // `slow` and `echo` are as long; the bytes are anything.
    let code = |name: u32| format!("65536 {name} ! 65536 4 320 33 b . 1 - 65540 w . 65540 @ 70000 99 t . 70000 33 p");
    let (slow, echo) = (u32::from_le_bytes(*b"slow"), u32::from_le_bytes(*b"echo"));
    let fuel = |outcome: &Outcome| outcome.report.usage.get(Resource::Fuel).unwrap();
    let [slow, echo] = [here.run("caller", &code(slow)).await, here.run("caller", &code(echo)).await];
    assert_eq!((said(&slow), fuel(&slow)), (said(&echo), fuel(&echo)));
    let time = |outcome: &Outcome, of| outcome.report.usage.get(of).unwrap();
    assert!(time(&slow, Resource::WallTimeMs) >= 150 && time(&slow, Resource::CpuTimeMs) < 50);
    let here = Here::start(|_| ());
    for language in BOTH {
        let code = "import asyncio, belljar\nturns = 0\n\
            async def count():\n  \
              global turns\n  \
              while True:\n    \
                turns += 1\n    \
                await asyncio.sleep(0.005)\n\
            counting = asyncio.create_task(count())\n\
            await belljar.call_async('slow')\n\
            print(turns > 3)";
        assert_eq!(here.said(language, code).await, "True\n", "{language}");
    }
}

async fn what_ends_a_run_ends_its_calls() {
    let here = Here::start(|_| ());
    let caller = "65536 1702258030 ! 65540 114 ! 65536 5 320 33 b . 1 - 65560 w . ";
    let python = "import belljar\nbelljar.call('never')";
    let swallows = "import belljar\nwhile True:\n  try: belljar.call('never')\n  except BaseException: pass";
    let leaves = "import asyncio, belljar\ntask = asyncio.create_task(belljar.call_async('never'))\n\
                  await belljar.call_async('echo', x=1)\nprint('left')";
    for (language, code) in [("caller", caller), ("python", python), ("python-native", python), ("python", swallows)] {
        // The run is cancelled once the call is there.
        let cancel = CancellationToken::new();
        let run = here.execute(language, code, SessionChoice::None, 30_000, cancel.clone());
        let asked = async {
            here.handlers.began.notified().await;
            cancel.cancel();
        };
        let (outcome, ()) = tokio::join!(run, asked);
        assert_eq!(outcome.unwrap().report.status, Status::Cancelled, "{language} {code}");
        here.none_is_open().await;
        // The run ends at its deadline.
        let run = here.execute(language, code, SessionChoice::None, 1500, CancellationToken::new());
        let outcome = run.await.unwrap();
        assert_eq!(outcome.report.status, Status::LimitExceeded(Resource::WallTimeMs), "{language} {code}");
        here.handlers.began.notified().await;
        here.none_is_open().await;
    }
    // The call is left behind by a program that ends.
    assert_eq!(here.said("python", leaves).await, "left\n");
    here.handlers.began.notified().await;
    here.none_is_open().await;
}

async fn a_call_that_outlasts_its_run_is_over_in_the_next() {
    let here = Here::start(|_| ());
    let run = async |code: &str, session: SessionChoice| {
        here.execute("python", code, session, 30_000, CancellationToken::new()).await.unwrap()
    };
    let begin = "import asyncio, belljar\ntask = asyncio.create_task(belljar.call_async('never'))\n\
                 await belljar.call_async('echo', x=1)";
    let outcome = run(begin, SessionChoice::New).await;
    said(&outcome);
    let session = outcome.session.unwrap().id;
    let next = "try: await task\nexcept belljar.CallError as error: print(error)\n\
                print(await belljar.call_async('echo', x=1))";
    let expected = "the run that made this call has ended\n{'x': 1}\n";
    assert_eq!(said(&run(next, SessionChoice::Existing(session.clone())).await), expected);
    // A run that a limit ended leaves nothing either, nor does one that comes back from the store.
    let limited = here.execute(
        "python",
        "left = []\nbelljar.call('never')",
        SessionChoice::Existing(session.clone()),
        1000,
        CancellationToken::new(),
    );
    assert_eq!(limited.await.unwrap().report.status, Status::LimitExceeded(Resource::WallTimeMs));
    let after = run("print(left, belljar.call('echo', x=2))", SessionChoice::Existing(session)).await;
    assert_eq!(said(&after), "[] {'x': 2}\n");
}

async fn a_run_that_waits_keeps_its_place() {
    let here = Here::start(|settings| (settings.runs, settings.queue) = (1, 0));
    let cancel = CancellationToken::new();
    let waits =
        here.execute("python", "import belljar\nbelljar.call('never')", SessionChoice::None, 30_000, cancel.clone());
    let other = async {
        here.handlers.began.notified().await;
        let refused = here.execute("python", "1", SessionChoice::None, 30_000, CancellationToken::new()).await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        cancel.cancel();
    };
    let (waited, ()) = tokio::join!(waits, other);
    assert_eq!(waited.unwrap().report.status, Status::Cancelled);
    assert_eq!(here.said("python", "print(1)").await, "1\n");
}

async fn the_same_run_gets_its_answers_in_the_same_order() {
    let code = "import asyncio, belljar, time\norder = []\n\
        async def one(name, n):\n  \
          await belljar.call_async(name, n=n)\n  \
          order.append((n, round(time.monotonic(), 6)))\n\
        await asyncio.gather(one('slow', 1), one('echo', 2), one('echo', 3))\n\
        try: await asyncio.wait_for(belljar.call_async('slow'), 0.01)\n\
        except TimeoutError: order.append('late')\n\
        print(order)";
    let mut all = Vec::new();
    for _ in 0..2 {
        let here = Here::start(|settings| settings.deterministic = true);
        all.push(here.said("python", code).await);
    }
    assert_eq!(all[0], all[1]);
    assert!(all[0].starts_with("[(1, ") && !all[0].contains("late"), "{}", all[0]);
    // The control: elsewhere the fast ones come first, and time passes.
    let here = Here::start(|_| ());
    let said = here.said("python", code).await;
    assert!(said.starts_with("[(2, ") && said.contains("late"), "{said}");
}
