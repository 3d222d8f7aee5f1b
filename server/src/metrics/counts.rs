//! What is counted here, where it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use sandbox::{Catalogue, Observer, Principal, Resource, RunEvent, RunStage, SessionEvent, Status};

use super::families as is;
use super::histogram::Histogram;
use super::tenants::{Label, Tenants};
use super::text::{Series, Text};

/// A language that the server does not have: its name is whatever somebody wrote.
const OTHER: &str = "other";

/// Everything that is counted.
pub(crate) struct Metrics {
    languages: Vec<String>,
    counts: Mutex<Counts>,
}

/// What is counted, by the labels of each metric.
#[derive(Clone, Default)]
struct Counts {
    tenants: Tenants,
    runs: BTreeMap<(Label, Language, &'static str), u64>,
    run_times: BTreeMap<Language, Histogram>,
    cpu: BTreeMap<(Label, Language), Duration>,
    warm_starts: BTreeMap<Language, u64>,
    limits_reached: BTreeMap<&'static str, u64>,
    waits: Histogram,
    refusals: BTreeMap<(Label, &'static str), u64>,
    commits: BTreeMap<&'static str, u64>,
    commit_times: Histogram,
    commit_bytes: u64,
    captures: u64,
    capture_bytes: u64,
    resumes: Histogram,
    answers: BTreeMap<u16, u64>,
}

/// The index of a language among those of the server.
type Language = Option<usize>;

impl Metrics {
    /// Counts of which nothing has happened yet. So many tenants have labels of their own.
    pub(crate) fn new(catalogue: &Catalogue, tenants: usize) -> Arc<Self> {
        let languages = catalogue.iter().map(|runtime| runtime.id().to_owned()).collect();
        let counts = Counts { tenants: Tenants::new(tenants), ..Counts::default() };
        Arc::new(Self { languages, counts: Mutex::new(counts) })
    }

    /// Counts a refusal, of a tenant or of nobody who is known.
    pub(crate) fn refused(&self, principal: Option<&Principal>, reason: &'static str) {
        let mut counts = self.counts.lock();
        let tenant = counts.tenants.label(principal);
        *counts.refusals.entry((tenant, reason)).or_default() += 1;
    }

    /// Counts an answer over HTTP.
    pub(crate) fn answered(&self, status: u16) {
        *self.counts.lock().answers.entry(status).or_default() += 1;
    }

    fn language(&self, id: &str) -> Language {
        self.languages.iter().position(|language| language == id)
    }

    fn name(&self, language: Language) -> &str {
        language.and_then(|index| self.languages.get(index)).map_or(OTHER, String::as_str)
    }

    /// Writes all counts. Whoever counts waits for a copy, and not for the text.
    pub(super) fn write(&self, text: &mut Text) {
        let counts = self.counts.lock().clone();
        let mut series = text.family(&is::RUNS);
        for ((tenant, language, outcome), count) in &counts.runs {
            let labels = [("language", self.name(*language)), ("outcome", *outcome)];
            with_tenant(&mut series, &labels, tenant, count);
        }
        let mut series = text.family(&is::RUN_SECONDS);
        for (language, times) in &counts.run_times {
            series.histogram(&[("language", self.name(*language))], times);
        }
        let mut series = text.family(&is::RUN_CPU_SECONDS);
        for ((tenant, language), time) in &counts.cpu {
            with_tenant(&mut series, &[("language", self.name(*language))], tenant, time.as_secs_f64());
        }
        let mut series = text.family(&is::RUN_WARM_STARTS);
        for (language, count) in &counts.warm_starts {
            series.value(&[("language", self.name(*language))], count);
        }
        let mut series = text.family(&is::LIMITS_REACHED);
        for (limit, count) in &counts.limits_reached {
            series.value(&[("limit", limit)], count);
        }
        text.family(&is::QUEUE_SECONDS).histogram(&[], &counts.waits);
        let mut series = text.family(&is::REFUSALS);
        for ((tenant, reason), count) in &counts.refusals {
            with_tenant(&mut series, &[("reason", *reason)], tenant, count);
        }
        let mut series = text.family(&is::COMMITS);
        for (result, count) in &counts.commits {
            series.value(&[("result", result)], count);
        }
        text.family(&is::COMMIT_SECONDS).histogram(&[], &counts.commit_times);
        text.family(&is::COMMIT_BYTES).value(&[], counts.commit_bytes);
        text.family(&is::CAPTURES).value(&[], counts.captures);
        text.family(&is::CAPTURE_BYTES).value(&[], counts.capture_bytes);
        text.family(&is::RESUMES).histogram(&[], &counts.resumes);
        let mut series = text.family(&is::REQUESTS);
        for (status, count) in &counts.answers {
            series.value(&[("status", &status.to_string())], count);
        }
    }
}

/// Writes one value, of a tenant where tenants are told apart.
fn with_tenant(series: &mut Series<'_>, labels: &[(&str, &str)], tenant: &Label, value: impl std::fmt::Display) {
    match tenant {
        None => series.value(labels, value),
        Some(tenant) => series.value(&[labels, &[("tenant", &**tenant)]].concat(), value),
    };
}

impl Observer for Metrics {
    fn told(&self, RunEvent { call, stage, times, .. }: &RunEvent) {
        let mut counts = self.counts.lock();
        let (end, usage) = match stage {
            RunStage::Admitted => return,
            RunStage::Refused(failure) => {
                let tenant = counts.tenants.label(Some(&call.principal));
                *counts.refusals.entry((tenant, failure.kind)).or_default() += 1;
                return;
            }
            RunStage::Started => {
                counts.waits.add(times.now.saturating_sub(times.admitted.unwrap_or_default()));
                return;
            }
            RunStage::Ended(Ok(summary)) => {
                if summary.is_warm {
                    *counts.warm_starts.entry(self.language(&call.language)).or_default() += 1;
                }
                if let Status::LimitExceeded(resource) = summary.status {
                    *counts.limits_reached.entry(resource.name()).or_default() += 1;
                }
                (outcome(summary.status), &summary.usage)
            }
            RunStage::Ended(Err(failure)) => (failure.kind, &failure.usage),
        };
        let language = self.language(&call.language);
        let tenant = counts.tenants.label(Some(&call.principal));
        *counts.runs.entry((tenant.clone(), language, end)).or_default() += 1;
        let took = times.now.saturating_sub(times.started.unwrap_or_default());
        counts.run_times.entry(language).or_default().add(took);
        if let Some(milliseconds) = usage.get(Resource::CpuTimeMs) {
            *counts.cpu.entry((tenant, language)).or_default() += Duration::from_millis(milliseconds);
        }
    }

    fn session(&self, event: &SessionEvent) {
        let mut counts = self.counts.lock();
        match *event {
            SessionEvent::Committed { result, bytes, took } => {
                *counts.commits.entry(result).or_default() += 1;
                counts.commit_times.add(took);
                counts.commit_bytes += bytes;
            }
            SessionEvent::Captured { bytes } => {
                counts.captures += 1;
                counts.capture_bytes += bytes;
            }
            SessionEvent::Resumed { took } => counts.resumes.add(took),
        }
    }
}

/// The word for how a program ended. One that raised has ended as it wanted.
const fn outcome(status: Status) -> &'static str {
    match status {
        Status::Exited(0) => "succeeded",
        Status::Exited(_) => "failed",
        Status::Signaled(_) => "signaled",
        Status::Trapped(_) => "trapped",
        Status::LimitExceeded(_) => "limit_exceeded",
        Status::Cancelled => "cancelled",
    }
}
