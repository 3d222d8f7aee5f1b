//! A loaded guest image: compiled code, ready to make slots, and the slots
//! that are warm.

use std::fs::File;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use guest_runtimes::Instance;
use parking_lot::{Mutex, MutexGuard};
use wasmtime::{Engine, InstancePre, Linker, Module};

use super::calls;
use super::engine;
use super::host::{Host, MemoryLease};
use super::memory::delta::Original;
use super::memory::dirty::DirtyPages;
use super::slot::Slot;
use super::wasi;
use crate::error::Error;

/// A guest image in a worker.
pub(crate) struct Image {
    engine: Engine,
    instance_pre: InstancePre<Host>,
    /// An instance that never runs: its memory is the image. Reading it maps
    /// the pages of the compiled file, which all workers share.
    pristine: Option<Mutex<Slot>>,
    warm: Mutex<Vec<Slot>>,
    warm_limit: usize,
    instance: Instance,
    /// What linear memory starts with.
    initial_bytes: u64,
    dirty: DirtyPages,
    /// The pages that the first run wrote to, and any other will.
    hot: OnceLock<Vec<Range<usize>>>,
}

/// How many slots are ready for sessions to come: a few calls in a row may
/// each bring back one that hibernates.
const READY: usize = 2;

/// A lease for instances that never run.
struct NoLease;

impl MemoryLease for NoLease {
    fn take(&self, _bytes: u64) -> bool {
        false
    }
}

impl Original for Image {
    fn look<T>(&self, look: impl FnOnce(&[u8]) -> T) -> T {
        // A loaded image has an instance that never runs.
        match self.pristine() {
            Some(pristine) => look(pristine.bytes()),
            None => look(&[]),
        }
    }
}

impl Image {
    /// Loads compiled code and makes the first instance. None of it runs.
    pub(crate) fn load(engine: Engine, compiled: File, instance: Instance, warm_limit: usize) -> Result<Self, Error> {
        let module = engine::load(&engine, compiled)?;
        let failed = |source| Error::host("link a guest image", source);
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker).and_then(|()| calls::add_to_linker(&mut linker)).map_err(failed)?;
        let instance_pre = linker.instantiate_pre(&module).map_err(failed)?;
        let mut image = Self {
            engine,
            instance_pre,
            pristine: None,
            warm: Mutex::default(),
            warm_limit: warm_limit.min(usize::try_from(instance.warm_slots).unwrap_or(usize::MAX)),
            instance,
            initial_bytes: memory_bytes(&module),
            dirty: DirtyPages::default(),
            hot: OnceLock::new(),
        };
        let pristine = Slot::new(&image, Arc::new(NoLease))?;
        image.dirty = DirtyPages::probe(pristine.bytes());
        image.pristine = Some(Mutex::new(pristine));
        Ok(image)
    }

    /// Sees to it that the image speaks the ABI version that it should. That runs
    /// its code, in an instance of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Host`] with both versions when it speaks another.
    pub(crate) fn check_abi(&self, expected: u32) -> Result<(), Error> {
        let version = Slot::new(self, Arc::new(NoLease))?.abi_version()?;
        if version == expected {
            return Ok(());
        }
        let reason = format!("it should speak ABI version {expected}, and speaks {version}");
        Err(Error::host("load a guest image", reason))
    }

    /// What an instance of this image takes.
    pub(super) const fn instance(&self) -> &Instance {
        &self.instance
    }

    pub(super) const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) const fn instance_pre(&self) -> &InstancePre<Host> {
        &self.instance_pre
    }

    /// The instance that never runs.
    pub(super) fn pristine(&self) -> Option<MutexGuard<'_, Slot>> {
        self.pristine.as_ref().map(Mutex::lock)
    }

    /// How much linear memory an instance starts with.
    pub(crate) const fn initial_bytes(&self) -> u64 {
        self.initial_bytes
    }

    /// Whether slots are reset in place. Where the kernel cannot tell which
    /// pages are dirty, each run gets a new instance.
    pub(crate) const fn resets(&self) -> bool {
        self.dirty.can_tell()
    }

    /// The means by which changed pages of this image's instances are told.
    pub(super) const fn dirty(&self) -> &DirtyPages {
        &self.dirty
    }

    /// An instance in the state of the image: a warm one, or a new one.
    pub(crate) fn take(&self, lease: &Arc<dyn MemoryLease>) -> Result<Slot, Error> {
        let warm = self.warm.lock().pop();
        warm.map_or_else(|| Slot::new(self, Arc::clone(lease)), Ok)
    }

    /// Makes a slot ready if there are too few, for a session that will keep it: with
    /// its hot pages written to, so that its first run does not stumble over
    /// each.
    pub(crate) fn make_ready(&self, lease: &Arc<dyn MemoryLease>) {
        let is_short = self.warm.lock().len() < READY.min(self.warm_limit);
        let Some(hot) = self.hot.get().filter(|_| is_short) else { return };
        match Slot::new(self, Arc::clone(lease)) {
            Ok(mut slot) => {
                if let Some(pristine) = self.pristine() {
                    slot.write_again(hot, &pristine);
                }
                self.keep_warm(slot);
            }
            Err(error) => tracing::warn!(%error, "no slot could be made ready"),
        }
    }

    /// Learns which pages a run writes to, from the first that is asked about.
    pub(super) fn learn_hot(&self, pages: &[Range<usize>]) {
        if pages.iter().map(|pages| pages.len() as u64).sum::<u64>() <= self.instance.hot_bytes {
            let _ = self.hot.set(pages.to_vec());
        }
    }

    /// Resets a slot for another run, or drops it.
    pub(crate) fn give_back(&self, slot: Slot) {
        if !self.resets() || self.warm.lock().len() >= self.warm_limit {
            return;
        }
        match slot.reset(self) {
            Ok(Some(slot)) => self.keep_warm(slot),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a slot was dropped instead of reset"),
        }
    }

    /// Keeps a slot that is as in the image, unless all of them would then have
    /// more of their own than they may.
    fn keep_warm(&self, slot: Slot) {
        let mut warm = self.warm.lock();
        let own: u64 = warm.iter().chain([&slot]).map(Slot::own_when_ready).sum();
        if warm.len() < self.warm_limit && own <= self.instance.warm_bytes {
            warm.push(slot);
        }
    }
}

/// What the memory of a module starts with.
fn memory_bytes(module: &Module) -> u64 {
    let memory = module.exports().find_map(|export| export.ty().memory().cloned());
    memory.map_or(0, |memory| memory.minimum().saturating_mul(memory.page_size()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::DirBuilderExt;

    use super::*;
    use crate::run::abi::GuestRequest;
    use crate::run::limits::{Limits, Resource};
    use crate::run::outcome::Status;
    use crate::run::program::Program;
    use crate::wasm::calls::RunCalls;
    use crate::wasm::{CodeCache, DiskQuota, ImageName, Links, RunControl, RunParts, Stdio};
    use crate::workspace::Workspace;
    use crate::workspace::survey::DiskUse;

    struct Plenty;

    impl MemoryLease for Plenty {
        fn take(&self, _bytes: u64) -> bool {
            true
        }
    }

    fn image() -> Image {
        image_with(|instance| instance)
    }

    fn image_with(change: impl FnOnce(Instance) -> Instance) -> Image {
        let directory = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("belljar-test-cache");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory).unwrap();
        let cache = CodeCache::open(directory).unwrap();
        let runtime = guest_runtimes::Catalogue::built_in().first().cloned().unwrap();
        let guest_runtimes::Kind::Wasm(image) = runtime.kind() else { panic!("it has an image") };
        let name = ImageName::of(&runtime, image);
        cache.compile(name, &image.compressed().unwrap()).unwrap();
        let instance = change(*image.instance());
        let engine = engine::engine(instance.stack_bytes).unwrap();
        let image = Image::load(engine, cache.find(name).unwrap().unwrap(), instance, 4).unwrap();
        image.check_abi(2).unwrap();
        assert!(image.check_abi(1).unwrap_err().with_causes().contains("ABI version 1, and speaks 2"));
        assert_eq!(image.initial_bytes(), instance.initial_bytes);
        image
    }

    fn run(slot: &mut Slot, code: &str, limits: Limits) -> super::super::slot::Finished {
        let parent = tempfile::tempdir().unwrap();
        let workspace = Arc::new(Workspace::create(parent.path().join("w")).unwrap());
        slot.open(&workspace, &Arc::default(), None).unwrap();
        let parts = RunParts {
            control: Arc::new(RunControl::default()),
            stdio: Stdio::new(Vec::new(), 4096, &parent.path().join("spool"), None),
            quota: DiskQuota::new(workspace, &limits, DiskUse::default()),
            links: Links::default(),
            calls: RunCalls::new(Box::new(|_, _| {})),
            limits,
        };
        let program = Program {
            code: code.to_owned(),
            args: vec!["argument".to_owned()],
            env: BTreeMap::from([("NAME".to_owned(), "value".to_owned())]),
            ..Program::default()
        };
        let mut request = GuestRequest { last: false, ..GuestRequest::new(&program, &limits) };
        slot.run(&mut request, parts, false).unwrap()
    }

    /// Programs that leave marks in many places of the interpreter.
    const PROGRAMS: [&str; 5] = [
        "print('hi')",
        "import os, sys\nsys.path.append('x'); os.environ['LEFT'] = 'behind'; open('f', 'w').write('x'); secret = 'A' * 9999",
        "import json, re, sqlite3, decimal, asyncio\nd = {str(n): [n] * 3 for n in range(5000)}\njson.loads(json.dumps(d))",
        "import builtins, random\nbuiltins.print = None; random.seed(1); raise ValueError('x')",
        "def f(n): return n if n < 2 else f(n - 1) + f(n - 2)\nf(18)",
    ];

    #[test]
    fn a_reset_slot_equals_a_fresh_instance_in_every_byte() {
        let image = image();
        assert!(image.resets(), "this kernel cannot tell dirty pages: there is nothing to test");
        let lease: Arc<dyn MemoryLease> = Arc::new(Plenty);
        for code in PROGRAMS.iter().cycle().take(20) {
            let mut slot = image.take(&lease).unwrap();
            run(&mut slot, code, Limits::defaults());
            assert!(slot.bytes() != image.pristine().unwrap().bytes(), "the run must leave something to reset");
            image.give_back(slot);
            let slot = image.take(&lease).unwrap();
            assert!(slot.uses() > 0, "the slot must be the one that was reset");
            assert!(slot.bytes() == image.pristine().unwrap().bytes(), "{code}");
            image.give_back(slot);
        }
    }

    #[test]
    fn what_was_written_without_a_page_fault_is_found_without_a_scan() {
        let image = image();
        let lease: Arc<dyn MemoryLease> = Arc::new(Plenty);
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path().join("w")).unwrap();
        let mut slot = image.take(&lease).unwrap();
        let (mut parts, mut spared) = (Vec::new(), 0);
        for turn in 0..60 {
            // Now and then something takes pages that the session never had:
            // the guest itself, or the kernel when it reads a file for it.
            let code = match turn % 20 {
                0 => format!("more{turn} = list(range(20_000))"),
                10 => {
                    let content = format!("more{turn} = bytearray(300_000); open('f', 'wb').write(b'x' * 300_000)");
                    format!("{content}; open('f', 'rb').readinto(more{turn})")
                }
                _ => "x = 1".into(),
            };
            run(&mut slot, &code, Limits::defaults());
            spared += usize::from(slot.known.is_complete());
            assert!(turn % 10 > 0 || !slot.known.is_complete(), "{code}");
            let (delta, state) = slot.capture(&image).unwrap();
            parts.truncate(delta.keep);
            parts.extend(delta.parts);
            let saved: Vec<_> = parts.iter().cloned().chain(delta.tail).collect();
            let mut restored = image.take(&lease).unwrap();
            restored.open(&workspace, &Arc::default(), None).unwrap();
            restored.restore(&state, &saved).unwrap();
            assert!(restored.bytes() == slot.bytes(), "turn {turn}");
            image.give_back(restored);
        }
        // Memory that the host took meanwhile costs page faults, too.
        assert!(spared > 0, "no scan was spared");
        image.give_back(slot);
        let slot = image.take(&lease).unwrap();
        assert!(slot.uses() > 50 && slot.bytes() == image.pristine().unwrap().bytes());
    }

    #[test]
    fn a_slot_of_a_session_is_reset_like_any_other() {
        let image = image();
        let lease: Arc<dyn MemoryLease> = Arc::new(Plenty);
        let parent = tempfile::tempdir().unwrap();
        let workspace = Workspace::create(parent.path().join("w")).unwrap();
        let mut slot = image.take(&lease).unwrap();
        run(&mut slot, PROGRAMS[2], Limits::defaults());
        let (delta, state) = slot.capture(&image).unwrap();
        let parts: Vec<_> = delta.parts.into_iter().chain(delta.tail).collect();
        for _ in 0..3 {
            let mut restored = image.take(&lease).unwrap();
            restored.open(&workspace, &Arc::default(), None).unwrap();
            restored.restore(&state, &parts).unwrap();
            assert!(restored.bytes() == slot.bytes());
            run(&mut restored, "x = 1", Limits::defaults());
            restored.capture(&image).unwrap();
            image.give_back(restored);
            let again = image.take(&lease).unwrap();
            assert!(again.uses() > 0, "it must be the one that was reset");
            assert!(again.bytes() == image.pristine().unwrap().bytes());
            image.give_back(again);
        }
    }

    #[test]
    fn a_slot_that_did_not_end_in_order_or_has_grown_is_not_used_again() {
        let image = image();
        let lease: Arc<dyn MemoryLease> = Arc::new(Plenty);
        let mut short = Limits::defaults();
        short.set(Resource::WallTimeMs, 50);
        let swallow = "while True:\n try:\n  while True: pass\n except BaseException: pass";
        for (code, limits, expected) in [
            ("import os; os._exit(3)", Limits::defaults(), Status::Exited(3)),
            (swallow, short, Status::LimitExceeded(Resource::WallTimeMs)),
            ("x = bytes(60_000_000)", Limits::defaults(), Status::Exited(0)),
        ] {
            let mut slot = image.take(&lease).unwrap();
            assert_eq!(run(&mut slot, code, limits).status, expected, "{code}");
            image.give_back(slot);
            assert_eq!(image.take(&lease).unwrap().uses(), 0, "{code}");
        }
    }

    #[test]
    fn warm_slots_keep_no_more_of_their_own_than_they_may() {
        const MIB: u64 = 1 << 20;
        let large = format!("x = b'x' * {}", 6 * MIB);
        let lease: Arc<dyn MemoryLease> = Arc::new(Plenty);
        // How many of three slots are warm in the end.
        let kept = |warm_slots, warm_bytes, code: &str| {
            let image = image_with(|instance| Instance { warm_slots, warm_bytes, hot_bytes: 0, ..instance });
            let mut slots: Vec<_> = (0..3).map(|_| image.take(&lease).unwrap()).collect();
            slots.iter_mut().for_each(|slot| drop(run(slot, code, Limits::defaults())));
            assert!(slots.iter().all(|slot| slot.grown_bytes() == 0));
            slots.into_iter().for_each(|slot| image.give_back(slot));
            image.warm.lock().len()
        };
        assert_eq!(kept(16, 128 * MIB, &large), 3, "there is room for all");
        assert_eq!(kept(16, 128 * MIB, "x = 1"), 3);
        assert_eq!(kept(16, 16 * MIB, &large), 2, "a third would be too much");
        assert_eq!(kept(16, 4 * MIB, &large), 0, "each is too much by itself");
        assert_eq!(kept(16, 4 * MIB, "x = 1"), 3);
        assert_eq!(kept(2, 128 * MIB, "x = 1"), 2, "two are enough");
        assert_eq!(kept(0, 128 * MIB, "x = 1"), 0);
    }

    #[test]
    fn a_slot_is_made_ready_with_the_pages_of_a_run_that_writes_to_no_more_than_the_image_says() {
        let lease: Arc<dyn MemoryLease> = Arc::new(Plenty);
        // What is written to in a slot that was made ready after one run.
        let own = |hot_bytes| {
            let image = image_with(|instance| Instance { hot_bytes, ..instance });
            let mut slot = image.take(&lease).unwrap();
            run(&mut slot, "x = 1", Limits::defaults());
            image.give_back(slot);
            image.warm.lock().clear();
            image.make_ready(&lease);
            image.warm.lock().pop().map(|slot| slot.own_when_ready())
        };
        let most = image().instance().hot_bytes;
        let written = own(most).expect("a short run writes to no more than Python's hot pages");
        assert!((1..=most).contains(&written), "{written} of {most}");
        assert_eq!(own(written - 1), None, "a page less is too few");
        assert_eq!(own(0), None);
    }
}
