//! All metrics as they are now: what was counted, and the state of everything.

use sandbox::{Health, NativeHealth, Tier};

use super::Metrics;
use super::families as is;
use super::process::Process;
use super::text::{Format, Text};
use crate::identity::KeyFetches;
use crate::service::Service;
use crate::traces::SpanCounts;

/// What the transport knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OfTransport {
    pub(crate) connections: usize,
    pub(crate) key_fetches: Option<KeyFetches>,
}

/// Writes all metrics.
pub(crate) fn scrape(service: &Service, metrics: &Metrics, transport: OfTransport, format: Format) -> String {
    let mut text = Text::new(format);
    text.family(&is::BUILD).value(&[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.family(&is::READY).value(&[], u8::from(service.not_ready().is_empty()));
    metrics.write(&mut text);
    state(&service.executor.health(), &mut text);
    text.family(&is::CONNECTIONS).value(&[], transport.connections);
    let mut series = text.family(&is::KEY_FETCHES);
    if let Some(KeyFetches { succeeded, failed }) = transport.key_fetches {
        series.value(&[("result", "succeeded")], succeeded).value(&[("result", "failed")], failed);
    }
    let mut series = text.family(&is::SPANS);
    if let Some(SpanCounts { sent, dropped }) = service.spans() {
        series.value(&[("result", "sent")], sent).value(&[("result", "dropped")], dropped);
    }
    text.family(&is::AUDIT_FAILING).if_known(service.audit_fails().map(u8::from));
    process(&mut text);
    text.finish()
}

fn state(health: &Health, text: &mut Text) {
    text.family(&is::RUNS_ACTIVE).value(&[], health.runs_active);
    text.family(&is::RUNS_QUEUED).value(&[], health.runs_queued);
    text.family(&is::SESSIONS)
        .value(&[("state", "memory")], health.sessions_live)
        .value(&[("state", "stored")], health.sessions_hibernated);
    text.family(&is::TENANTS).value(&[], health.tenants);
    let pool = health.pool.as_ref();
    text.family(&is::WORKERS).value(&[], pool.map_or(0, |pool| pool.workers));
    text.family(&is::MEMORY_USED).if_known(pool.map(|pool| pool.memory_used_bytes));
    text.family(&is::MEMORY_LIMIT).if_known(pool.map(|pool| pool.memory_total_bytes));
    let mut walls = text.family(&is::WALLS);
    // Before there is a worker nothing is known of its wall.
    if let Some(pool) = pool {
        walls.value(&[("wall", "worker"), ("tier", "process")], u8::from(pool.wall.is_some()));
    }
    if let Some(NativeHealth { tier: reached, .. }) = &health.native {
        for tier in [Tier::Container, Tier::Namespaced, Tier::Isolated] {
            let is_in_force = reached.as_ref().is_ok_and(|reached| *reached == tier);
            walls.value(&[("wall", "native"), ("tier", tier.name())], u8::from(is_in_force));
        }
    }
}

fn process(text: &mut Text) {
    let process = Process::look();
    text.family(&is::PROCESS_START).if_known(process.started.map(|started| started.as_secs_f64()));
    text.family(&is::PROCESS_CPU).if_known(process.cpu.map(|cpu| cpu.as_secs_f64()));
    text.family(&is::PROCESS_RESIDENT).if_known(process.resident_bytes);
    text.family(&is::PROCESS_VIRTUAL).if_known(process.virtual_bytes);
    text.family(&is::PROCESS_OPEN).if_known(process.open_files);
    text.family(&is::PROCESS_MOST).if_known(process.most_open_files);
}
