//! Traces of calls, for a collector of OpenTelemetry, over OTLP/HTTP. They go on where a
//! client says that a trace is, and wait for nobody: what a collector does not take in time
//! is dropped, and counted.
//!
//! - `context`: which trace a call is part of, and whether that is kept.
//! - `span`: the parts of a call. - `protobuf`: how they are written.
//! - `queue`: those that wait. - `export`: the way to the collector.
//! - `settings`: what the operator wants.

mod context;
mod export;
mod protobuf;
mod queue;
mod settings;
mod span;

use std::sync::Arc;

use sandbox::{Observer, RunEvent, RunStage};

pub(crate) use self::context::TraceContext;
use self::export::Exporter;
use self::queue::Queue;
pub(crate) use self::queue::SpanCounts;
use self::settings::Sampler;
pub(crate) use self::settings::{TraceSettings, Written};
use self::span::Spans;
use crate::origin::Origin;

/// The traces of one server.
pub(crate) struct Traces {
    sampler: Sampler,
    queue: Queue,
    exporter: Exporter,
}

impl Traces {
    /// Nothing is sent before it is [exported](Self::export).
    ///
    /// # Errors
    ///
    /// When the collector is reached by TLS, and this machine trusts nobody.
    pub(crate) fn new(settings: TraceSettings) -> anyhow::Result<Arc<Self>> {
        let sampler = settings.sampler;
        Ok(Arc::new(Self { sampler, queue: Queue::new(), exporter: Exporter::new(settings)? }))
    }

    /// Sends spans to the collector, for as long as this is waited for.
    pub(crate) async fn export(&self) {
        self.exporter.export(&self.queue).await;
    }

    /// Sends what is left, within the time that a server that ends has for it.
    pub(crate) async fn flush(&self) {
        self.exporter.flush(&self.queue).await;
    }

    /// How many spans were sent, and how many dropped.
    pub(crate) fn counts(&self) -> SpanCounts {
        self.queue.counts()
    }
}

impl Observer for Traces {
    fn told(&self, event: &RunEvent) {
        if !matches!(event.stage, RunStage::Refused(_) | RunStage::Ended(_)) {
            return;
        }
        let origin = Origin::within(event.call.origin.as_ref());
        let parent = origin.and_then(|origin| origin.trace.as_ref());
        let Some(trace) = self.sampler.begin(parent) else { return };
        self.queue.add(Spans::of(event, origin, &trace, parent));
    }
}
