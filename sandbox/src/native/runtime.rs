//! Runs native programs: finds out once what this machine can enforce, and
//! launches each run under it.

use std::collections::{BTreeMap, HashMap};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guest_runtimes::{Catalogue, GuestRuntime, Kind, Native};
use jailer::Enforced;
use tokio_util::sync::CancellationToken;

use super::cgroup::Cgroups;
use super::interpreter::packages;
use super::interpreter::{Interpreter, Shown};
use super::launch::{CACHE, GIVEN, Launch, NativeReport, launch};
use super::private::Private;
use super::settings;
use super::tier::probe::{Found, passes};
use super::tier::{Form, Minimum, MinimumTier, Tier};
use super::users::Users;
use crate::children::jailer_executable::jailer_command;
use crate::children::spawner::Spawner;
use crate::error::{Error, IoContext as _};
use crate::filesystem::state_directory::StateDirectory;
use crate::handle::random_name;
use crate::policy::Languages;
use crate::run::follower::Following;
use crate::run::limits::{Limits, Resource};
use crate::run::order::{Order, Task};
use crate::run::outcome::Status;
use crate::run::program::Program;
use crate::workspace::{GUEST_PATH, TEMPORARY_PATH, Workspace};

/// How native programs are to be run.
#[derive(Clone, Debug)]
pub struct NativeSettings {
    /// The weakest tier to run them in.
    pub tier: MinimumTier,
    /// The program of a language, by its id, where that is not the one on the path.
    pub programs: BTreeMap<String, PathBuf>,
    /// Files of the operator's that programs must never see, such as the
    /// configuration.
    pub secrets: Vec<PathBuf>,
    /// Directories of people: homes, and the project that the server was started
    /// in. An interpreter may lie in one, and is shown without what is beside it.
    pub personal: Vec<PathBuf>,
}

/// What native programs run under, for people.
#[derive(Clone, Debug)]
pub struct NativeHealth {
    /// The tier, or why there is none.
    pub tier: Result<Tier, String>,
    /// What is in force; absent without a tier.
    pub enforced: Option<Enforced>,
    /// Layers that this machine does not offer, and why.
    pub missing: Vec<String>,
    /// The version of each language that was tried, by its id, or why it cannot be run.
    pub languages: BTreeMap<String, Result<String, String>>,
    /// What of this machine the programs of each language that can be run see,
    /// read-only.
    pub shown: BTreeMap<String, Vec<Shown>>,
    /// Packages that programs of a language do not find because they lie where
    /// nothing is shown.
    pub left_out: BTreeMap<String, Vec<String>>,
}

/// Runs native programs.
pub(crate) struct NativeRuntime {
    settings: NativeSettings,
    minimum: Minimum,
    state: Arc<StateDirectory>,
    spawner: Arc<Spawner>,
    /// What programs must not see.
    private: Vec<Private>,
    /// Ends attempts to find out.
    stop: CancellationToken,
    machine: Found<Machine>,
    /// Languages that are native; `offers` has what each offers here.
    languages: Vec<Arc<GuestRuntime>>,
    offers: HashMap<String, Found<Option<Offer>>>,
    /// Where answers of interpreters are kept.
    cache: PathBuf,
}

/// What a native language offers on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    /// The packages that it has of those that are worth telling; `None` where
    /// the language has no such thing.
    pub(crate) packages: Option<Vec<String>>,
}

/// What was found out about this machine.
struct Machine {
    form: Result<(Form, Enforced), String>,
    missing: Vec<String>,
    /// Languages that were tried in that form.
    languages: HashMap<String, Found<Result<Language, String>>>,
}

/// A language that was tried within the walls.
struct Language {
    interpreter: Interpreter,
    version: String,
}

impl NativeRuntime {
    pub(crate) fn new(
        (settings, minimum): (NativeSettings, Minimum),
        catalogue: &Catalogue,
        state: Arc<StateDirectory>,
        spawner: Arc<Spawner>,
        private: Vec<Private>,
        cache: PathBuf,
        stop: CancellationToken,
    ) -> Self {
        let is_native = |runtime: &&Arc<GuestRuntime>| native(runtime).is_some();
        let languages: Vec<_> = catalogue.iter().filter(is_native).cloned().collect();
        let offers = languages.iter().map(|runtime| (runtime.id().to_owned(), Found::default())).collect();
        Self { settings, minimum, languages, state, spawner, private, stop, machine: Found::default(), offers, cache }
    }

    /// What a language offers here; `None` when it cannot be run.
    pub(crate) async fn offer(&self, runtime: &Arc<GuestRuntime>) -> Option<Offer> {
        let find = |_| async {
            let offer = self.find_offer(runtime).await;
            let passes = offer.is_err();
            (Arc::new(offer.unwrap_or_default()), passes)
        };
        Option::clone(&*self.offers.get(runtime.id())?.get(find).await)
    }

    /// What a language offers here, as far as that is known without asking anyone.
    fn known_offer(&self, runtime: &GuestRuntime) -> Option<Offer> {
        Option::clone(&*self.offers.get(runtime.id())?.known()?)
    }

    /// Languages and the packages that each is known to have, as a guest is
    /// told that may be sent to `allowed` ones.
    pub(crate) fn elsewhere(&self, allowed: &Languages) -> String {
        let known = |runtime: &Arc<GuestRuntime>| Some((runtime.id().to_owned(), self.known_offer(runtime)?.packages?));
        let of_one = |(id, names): (String, Vec<String>)| format!("{id}: {}", names.join(" "));
        let allowed = self.languages.iter().filter(|runtime| allowed.allow(runtime.id()));
        let offers = allowed.filter_map(known).filter(|(_, names)| !names.is_empty());
        offers.map(of_one).collect::<Vec<_>>().join("; ")
    }

    /// Finds out what a language offers here. Fails where it may succeed soon.
    async fn find_offer(&self, runtime: &Arc<GuestRuntime>) -> Result<Option<Offer>, ()> {
        let later = |reason: &String| if passes(reason) { Err(()) } else { Ok(None) };
        let machine = self.machine().await;
        let form = match &machine.form {
            Ok((form, _)) => form,
            Err(reason) => return later(reason),
        };
        let interpreter = match self.interpreter(runtime).await {
            Ok(interpreter) => interpreter,
            Err(reason) => return later(&reason),
        };
        let Some(wanted) = native(runtime).and_then(Native::packages) else {
            return Ok(Some(Offer { packages: None }));
        };
        let (path, cache) = (interpreter.path.clone(), self.cache.clone());
        let asked = Arc::clone(runtime);
        let known = move || packages::known(&path, native(&asked)?.packages()?, &cache);
        let known = tokio::task::spawn_blocking(known);
        if let Ok(Some(known)) = known.await {
            return Ok(Some(Offer { packages: Some(known) }));
        }
        let asked = self.run_own(form, &interpreter, runtime, &wanted.program, wanted.names.clone()).await;
        let said = match asked {
            Ok(NativeReport { ran: report, .. }) if report.status == Status::Exited(0) => report.stdout.head,
            Ok(NativeReport { ran: report, .. }) => {
                tracing::warn!(status = ?report.status, language = runtime.id(), "asking for its packages");
                return Ok(Some(Offer { packages: Some(Vec::new()) }));
            }
            Err(error) => {
                let reason = error.with_causes();
                tracing::warn!(error = reason, language = runtime.id(), "asking for its packages");
                return if passes(&reason) { Err(()) } else { Ok(Some(Offer { packages: Some(Vec::new()) })) };
            }
        };
        let (cache, asked) = (self.cache.clone(), Arc::clone(runtime));
        let learn = move || {
            let wanted = native(&asked)?.packages()?;
            Some(packages::learn(&interpreter.path, wanted, &cache, &String::from_utf8_lossy(&said)))
        };
        let found = tokio::task::spawn_blocking(learn).await;
        Ok(Some(Offer { packages: Some(found.ok().flatten().unwrap_or_default()) }))
    }

    /// Finds out what this machine can enforce, unless that is known.
    pub(crate) async fn probe(&self) {
        self.machine().await;
    }

    /// Finds out what this machine can enforce, and which languages can be run.
    pub(crate) async fn probe_languages(&self) {
        let machine = self.machine().await;
        for runtime in &self.languages {
            // What is found out about a language is kept for whoever asks.
            let _ = self.language(&machine, runtime).await;
        }
    }

    /// What was found out; `None` before [`NativeRuntime::probe`].
    pub(crate) fn health(&self) -> Option<NativeHealth> {
        let machine = self.machine.known()?;
        let version = |language: Arc<Result<Language, String>>| match &*language {
            Ok(language) => Ok(language.version.clone()),
            Err(reason) => Err(reason.clone()),
        };
        let tried = || machine.languages.iter().filter_map(|(id, tried)| Some((id.clone(), tried.known()?)));
        let languages = tried().map(|(id, tried)| (id, version(tried)));
        let runs = || tried().filter_map(|(id, tried)| Some((id, tried.as_ref().as_ref().ok()?.interpreter.clone())));
        Some(NativeHealth {
            tier: machine.form.as_ref().map(|(form, _)| form.tier()).map_err(String::clone),
            enforced: machine.form.as_ref().ok().map(|(_, enforced)| *enforced),
            missing: machine.missing.clone(),
            languages: languages.collect(),
            shown: runs().map(|(id, interpreter)| (id, interpreter.shown)).collect(),
            left_out: runs().map(|(id, interpreter)| (id, interpreter.left_out)).collect(),
        })
    }

    /// Runs a program. `stop` ends it.
    ///
    /// # Errors
    ///
    /// [`Error::Denied`] when it cannot be confined as it must be.
    pub(crate) async fn run(
        &self,
        order: Order,
        stop: &CancellationToken,
        following: Following,
    ) -> Result<NativeReport, Error> {
        let machine = self.machine().await;
        let id = order.runtime.id().to_owned();
        let denied = |reason: &str| {
            let advice = if passes(reason) {
                "that may pass, and is tried again: call again in a moment"
            } else {
                "`belljar doctor` says more, and `python` needs less"
            };
            Error::Denied { action: format!("running `{id}`"), reason: format!("{reason}; {advice}") }
        };
        let language = self.language(&machine, &order.runtime).await;
        let (form, interpreter) = match (&machine.form, &*language) {
            (Ok((form, _)), Ok(language)) => (form.clone(), language.interpreter.clone()),
            (Err(reason), _) | (_, Err(reason)) => return Err(denied(reason)),
        };
        let launched = Launch { form, interpreter, order };
        launch(launched, &self.spawner, stop, following).await
    }

    async fn machine(&self) -> Arc<Machine> {
        self.machine.get(|before| self.find_out(before)).await
    }

    /// A language, once its canary has tried to get out of the form.
    async fn language(&self, machine: &Machine, runtime: &Arc<GuestRuntime>) -> Arc<Result<Language, String>> {
        let (Ok((form, _)), Some(tried)) = (&machine.form, machine.languages.get(runtime.id())) else {
            return Arc::new(Err(machine.form.as_ref().err().cloned().unwrap_or("it is not a native language".into())));
        };
        let find = |_| async {
            let language = self.find_language(form, runtime).await;
            let passes = language.as_ref().is_err_and(|reason| passes(reason));
            (Arc::new(language), passes)
        };
        tried.get(find).await
    }

    async fn find_language(&self, form: &Form, runtime: &Arc<GuestRuntime>) -> Result<Language, String> {
        let interpreter = self.interpreter(runtime).await?;
        let (_, version) = self.try_form(form, &interpreter, runtime).await?;
        Ok(Language { interpreter, version })
    }

    /// What this machine can enforce, and whether that may be more soon. Never
    /// less than it was `before`: that was tried, and each run finds out whether
    /// as much is in force around it.
    async fn find_out(&self, before: Option<Arc<Machine>>) -> (Arc<Machine>, bool) {
        let mut missing = Vec::new();
        let form = self.find_form(&mut missing).await;
        tracing::info!(form = ?form.as_ref().map(|(form, enforced)| (form.tier(), enforced)), ?missing, "native programs");
        let may_be_more = missing.iter().chain(form.as_ref().err()).any(|reason| passes(reason));
        let strength = |form: &Result<(Form, Enforced), String>| {
            form.as_ref().ok().map(|(form, _)| (form.tier(), form.namespaces))
        };
        if let Some(before) = before.filter(|before| before.form.is_ok() && strength(&before.form) >= strength(&form)) {
            return (before, may_be_more);
        }
        let languages = self.languages.iter().map(|runtime| (runtime.id().to_owned(), Found::default())).collect();
        (Arc::new(Machine { form, missing, languages }), may_be_more)
    }

    async fn find_form(&self, missing: &mut Vec<String>) -> Result<(Form, Enforced), String> {
        let Minimum { tier, asked } = self.minimum;
        let minimum = tier.ok_or("native programs are switched off (native_tier = \"off\")")?;
        jailer_command().map_err(|error| error.to_string())?;
        let users = Users::of_this_process()?;
        if users.is_none() {
            missing.push("a user for each run: only root can become another user".into());
        }
        let cgroups = tokio::task::spawn_blocking(Cgroups::find).await.unwrap_or_else(|error| Err(error.to_string()));
        let cgroups = cgroups.map_err(|reason| missing.push(format!("control groups: {reason}"))).ok();
        let (runtime, interpreter) = self.any_interpreter().await?;
        for namespaces in [true, false] {
            let settings = namespaces.then(|| settings::directory(&self.state)).transpose();
            let settings = settings.map_err(|error| format!("settings of the kernel cannot be copied: {error}"))?;
            let form = Form { namespaces, settings, users: users.clone(), cgroups: cgroups.clone() };
            let (needed, there) = (form.landlock_abi(), jailer::landlock_abi());
            if there < needed {
                let wanted = if namespaces { "Landlock" } else { "without namespaces, the scopes of Landlock" };
                missing.push(format!("{wanted}: ABI {needed} is needed, this kernel has {there}"));
                continue;
            }
            match self.try_form(&form, &interpreter, &runtime).await {
                Ok(_) if form.tier() < minimum => {
                    let (reached, missing) = (form.tier(), missing.join("; "));
                    return Err(format!("this machine reaches tier `{reached}`, `{minimum}` is {asked}: {missing}"));
                }
                Ok((enforced, _)) => {
                    if enforced.namespaces && !enforced.own_locks {
                        let reason = "locks of its own: not all of the system can be shown by overlays here";
                        missing.push(reason.into());
                    }
                    return Ok((form, enforced));
                }
                Err(reason) => missing.push(format!("{}: {reason}", if namespaces { "namespaces" } else { "walls" })),
            }
        }
        Err(format!("this machine reaches no tier: {}", missing.join("; ")))
    }

    /// The first language whose program is there.
    async fn any_interpreter(&self) -> Result<(Arc<GuestRuntime>, Interpreter), String> {
        let mut reasons = Vec::new();
        for runtime in &self.languages {
            match self.interpreter(runtime).await {
                Ok(interpreter) => return Ok((Arc::clone(runtime), interpreter)),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(format!("there is nothing to run: {}", reasons.join("; ")))
    }

    async fn interpreter(&self, runtime: &Arc<GuestRuntime>) -> Result<Interpreter, String> {
        let (configured, private) = (self.settings.programs.get(runtime.id()).cloned(), self.private.clone());
        let runtime = Arc::clone(runtime);
        let find = move || {
            let native = native(&runtime).ok_or("it is not a native language")?;
            Interpreter::find(native, configured.as_deref(), &private)
        };
        tokio::task::spawn_blocking(find).await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// Has the canary of a language try to get out of a form, and learns the
    /// version of the language on the way.
    async fn try_form(
        &self,
        form: &Form,
        interpreter: &Interpreter,
        runtime: &Arc<GuestRuntime>,
    ) -> Result<(Enforced, String), String> {
        self.try_canary(form, interpreter, runtime).await.map_err(|error| match error {
            Error::Denied { reason, .. } => reason,
            other => other.with_causes(),
        })
    }

    async fn try_canary(
        &self,
        form: &Form,
        interpreter: &Interpreter,
        runtime: &Arc<GuestRuntime>,
    ) -> Result<(Enforced, String), Error> {
        let failed = |reason: String| Error::host(format!("try the walls around `{}`", runtime.id()), reason);
        let canary = native(runtime).ok_or_else(|| failed("it is not a native language".into()))?.canary();
        let listener = TcpListener::bind(("127.0.0.1", 0)).doing(|| "listen for a canary".into())?;
        let port = listener.local_addr().doing(|| "listen for a canary".into())?.port();
        let mut args = vec![port.to_string(), std::process::id().to_string()];
        // A program has something of its own at paths of these names.
        let is_its_own = |path: &&PathBuf| form.namespaces && INSIDE.iter().any(|inside| **path == Path::new(inside));
        let secrets = [self.state.secret()];
        let secrets = secrets.iter().chain(&interpreter.secrets).filter(|path| !is_its_own(path));
        args.extend(secrets.map(|path| path.to_string_lossy().into_owned()));
        let NativeReport { ran: report, enforced, .. } = self.run_own(form, interpreter, runtime, canary, args).await?;
        let said = String::from_utf8_lossy(&report.stdout.head).into_owned();
        if report.status != Status::Exited(0) {
            let stderr = String::from_utf8_lossy(&report.stderr.head).into_owned();
            let error = report.error.map(|error| error.traceback).unwrap_or_default();
            return Err(failed(format!("it ended as {:?}: {} {}", report.status, stderr.trim(), error.trim())));
        }
        match (said.strip_prefix("version "), enforced) {
            (Some(version), Some(enforced)) => Ok((enforced, version.trim().to_owned())),
            _ => Err(failed(format!("it could do what it must not: {}", said.trim().replace('\n', ", ")))),
        }
    }

    /// Runs a program of ours as if somebody had asked for it.
    async fn run_own(
        &self,
        form: &Form,
        interpreter: &Interpreter,
        runtime: &Arc<GuestRuntime>,
        code: &str,
        args: Vec<String>,
    ) -> Result<NativeReport, Error> {
        let place = self.state.path().join(format!("canary-{}", random_name()));
        let workspace = Arc::new(Workspace::create(place.clone())?);
        let mut limits = Limits::defaults();
        limits.set(Resource::WallTimeMs, CANARY_WALL_TIME_MS);
        let order = Order {
            runtime: Arc::clone(runtime),
            task: Task {
                program: Program { code: code.to_owned(), args, ..Program::default() },
                limits,
                spool: place.with_extension("spool"),
            },
            policy: Arc::default(),
            workspace: Arc::clone(&workspace),
            in_session: false,
        };
        let launched = Launch { form: form.clone(), interpreter: interpreter.clone(), order };
        let ran = launch(launched, &self.spawner, &self.stop, Following::default()).await;
        let removed = tokio::task::spawn_blocking(move || workspace.remove()).await;
        if !matches!(removed, Ok(Ok(()))) {
            tracing::warn!("the workspace of a canary was left behind");
        }
        ran
    }
}

/// Where a program with namespaces finds what it was given, whatever the host
/// has at these paths.
const INSIDE: [&str; 4] = [GUEST_PATH, TEMPORARY_PATH, GIVEN, CACHE];

/// How long a canary may run: starting an interpreter on a busy machine is the most that it does.
const CANARY_WALL_TIME_MS: u64 = 20_000;

fn native(runtime: &GuestRuntime) -> Option<&Native> {
    match runtime.kind() {
        Kind::Native(native) => Some(native),
        Kind::Wasm(_) => None,
    }
}
