//! Where traces go, as it is written: the section `[traces]`, and the variables that all
//! programs with OpenTelemetry have. They are understood where traces are sent: other
//! programs of a machine may have words there that this one has not.

use std::ffi::OsStr;

use clap::Args;
use serde::Deserialize;

use super::variable;
use crate::traces::Written;

// No documentation comment: clap would take it for what the whole command does.
#[derive(Args, Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WrittenTraces {
    /// Collector that `serve` sends traces to over OTLP/HTTP, such as http://127.0.0.1:4318 [default: none]
    #[arg(
        id = "traces_endpoint",
        long = "traces-endpoint",
        global = true,
        env = "BELLJAR_TRACES_ENDPOINT",
        value_name = "URL"
    )]
    endpoint: Option<String>,
    /// What this server is called in traces [default: belljar]
    #[arg(
        id = "traces_service_name",
        long = "traces-service-name",
        global = true,
        env = "BELLJAR_TRACES_SERVICE_NAME",
        value_name = "NAME"
    )]
    service_name: Option<String>,
    /// Which traces are kept: always_on, always_off, traceidratio, or one of these after parentbased_ [default: parentbased_always_on]
    #[arg(
        id = "traces_sampler",
        long = "traces-sampler",
        global = true,
        env = "BELLJAR_TRACES_SAMPLER",
        value_name = "NAME"
    )]
    sampler: Option<String>,
    /// The part of traces that is kept, from 0 to 1, where the sampler has one [default: 1]
    #[arg(
        id = "traces_sampler_argument",
        long = "traces-sampler-argument",
        global = true,
        env = "BELLJAR_TRACES_SAMPLER_ARGUMENT",
        value_name = "RATIO"
    )]
    sampler_argument: Option<String>,
    /// Let clients say by the flag of their `traceparent` which of their calls are traced
    #[arg(
        id = "traces_clients_decide",
        long = "traces-clients-decide",
        global = true,
        env = "BELLJAR_TRACES_CLIENTS_DECIDE",
        value_name = "BOOL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    clients_decide: Option<bool>,
    /// As `NAME=VALUE,NAME=VALUE`. No flag: everybody sees those, and a token is in it.
    #[arg(skip)]
    headers: Option<String>,
}

impl WrittenTraces {
    /// These settings with what the environment has for all programs: that wins over
    /// the file, and what was `given` for this one over both.
    pub(super) fn written(self, given: Self) -> Written {
        let variable = |name: &str| variable(OsStr::new(name))?.into_string().ok().filter(|value| !value.is_empty());
        let of_traces = |name: &str| {
            let own = name.replace("_OTLP_", "_OTLP_TRACES_");
            variable(&own).or_else(|| variable(name))
        };
        // An address that was given is that of everything that a collector takes, too.
        let own_endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").filter(|_| given.endpoint.is_none());
        let usual = |given: Option<String>, name: &str, file: Option<String>| given.or_else(|| variable(name)).or(file);
        Written {
            endpoint: usual(given.endpoint, "OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint),
            traces_endpoint: own_endpoint,
            headers: of_traces("OTEL_EXPORTER_OTLP_HEADERS").or(self.headers),
            protocol: of_traces("OTEL_EXPORTER_OTLP_PROTOCOL"),
            timeout_ms: of_traces("OTEL_EXPORTER_OTLP_TIMEOUT"),
            service_name: usual(given.service_name, "OTEL_SERVICE_NAME", self.service_name),
            attributes: variable("OTEL_RESOURCE_ATTRIBUTES"),
            sampler: usual(given.sampler, "OTEL_TRACES_SAMPLER", self.sampler),
            sampler_argument: usual(given.sampler_argument, "OTEL_TRACES_SAMPLER_ARG", self.sampler_argument),
            exporter: variable("OTEL_TRACES_EXPORTER"),
            is_disabled: variable("OTEL_SDK_DISABLED"),
            clients_decide: given.clients_decide.or(self.clients_decide).unwrap_or(false),
        }
    }
}
