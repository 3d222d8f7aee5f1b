//! What the operator wants of traces, in the words of the environment that all programs
//! with OpenTelemetry have (its specification, "Environment Variable Specification").

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use hyper::header::{HeaderName, HeaderValue};
use hyper::http::Uri;
use hyper::http::uri::Scheme;

use super::context::TraceContext;
use crate::loopback::is_this_machine;

/// Where a collector takes traces, beside what else it takes.
const PATH: &str = "v1/traces";
/// How long a collector may take, as OpenTelemetry has it.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The most attributes of the server.
const MOST_ATTRIBUTES: usize = 64;

/// The settings of traces, as they are written.
#[derive(Clone, Default)]
pub(crate) struct Written {
    /// The address of the collector, to which the path of traces is added.
    pub(crate) endpoint: Option<String>,
    /// The address at which the collector takes traces alone.
    pub(crate) traces_endpoint: Option<String>,
    pub(crate) headers: Option<String>,
    pub(crate) protocol: Option<String>,
    pub(crate) timeout_ms: Option<String>,
    pub(crate) service_name: Option<String>,
    pub(crate) attributes: Option<String>,
    pub(crate) sampler: Option<String>,
    pub(crate) sampler_argument: Option<String>,
    pub(crate) exporter: Option<String>,
    pub(crate) is_disabled: Option<String>,
    /// Whether clients say which of their calls are traced.
    pub(crate) clients_decide: bool,
}

/// A setting may have a token in it, and none is shown but the address.
impl fmt::Debug for Written {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Written").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// The settings of traces, checked.
#[derive(Clone, Debug)]
pub(crate) struct TraceSettings {
    pub(super) collector: Collector,
    /// What is sent along, such as a token.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
    /// What is said of the server.
    pub(super) attributes: Vec<(String, String)>,
    pub(super) sampler: Sampler,
}

/// Where spans go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collector {
    pub(super) is_tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    /// The host and the port as they are written.
    pub(super) authority: String,
    pub(super) target: String,
}

/// Which traces are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampler {
    /// Whether clients have a say: they choose the flag, and the number of a trace.
    clients_decide: bool,
    /// Whether a trace is kept that whoever began it says is kept.
    by_parent: bool,
    /// How many traces are kept of those that begin here: from 0 to 1.
    ratio: f64,
}

/// A trace that a call is kept in.
pub(super) struct Trace {
    pub(super) id: [u8; 16],
    /// The ids for the spans of the call.
    pub(super) spans: [[u8; 8]; 4],
}

impl TraceSettings {
    /// `None` where there is no collector, or nothing is to be sent to it.
    ///
    /// # Errors
    ///
    /// When a value is not understood; the message names it by its variable.
    pub(crate) fn new(written: Written) -> anyhow::Result<Option<Self>> {
        let is_on = written.is_disabled.is_none_or(|value| !value.eq_ignore_ascii_case("true"))
            && written.exporter.as_deref().is_none_or(|exporter| exporter != "none");
        let address = match (written.traces_endpoint, written.endpoint) {
            (Some(address), _) => address,
            (None, Some(base)) => format!("{}/{PATH}", base.trim_end_matches('/')),
            (None, None) => return Ok(None),
        };
        if !is_on {
            return Ok(None);
        }
        if let Some(protocol) = &written.protocol {
            ensure!(
                protocol == "http/protobuf",
                "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, which this server speaks alone, got {protocol:?}"
            );
        }
        let timeout = match written.timeout_ms {
            None => TIMEOUT,
            Some(text) => {
                let milliseconds = text.parse().ok().filter(|milliseconds| (1..=600_000).contains(milliseconds));
                Duration::from_millis(milliseconds.with_context(|| {
                    format!("OTEL_EXPORTER_OTLP_TIMEOUT must be between 1 and 600000 ms, got {text:?}")
                })?)
            }
        };
        let mut attributes = pairs("OTEL_RESOURCE_ATTRIBUTES", written.attributes.as_deref().unwrap_or_default())?;
        ensure!(attributes.len() <= MOST_ATTRIBUTES, "OTEL_RESOURCE_ATTRIBUTES must be at most {MOST_ATTRIBUTES}");
        if let Some(name) = written.service_name {
            attributes.retain(|(attribute, _)| attribute != "service.name");
            attributes.push(("service.name".to_owned(), name));
        } else if !attributes.iter().any(|(attribute, _)| attribute == "service.name") {
            attributes.push(("service.name".to_owned(), "belljar".to_owned()));
        }
        attributes.push(("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
        let headers = pairs("OTEL_EXPORTER_OTLP_HEADERS", written.headers.as_deref().unwrap_or_default())?;
        let header = |(name, value): (String, String)| {
            let mut value = HeaderValue::try_from(value)?;
            value.set_sensitive(true);
            anyhow::Ok((HeaderName::try_from(name)?, value))
        };
        let headers = headers.into_iter().map(header).collect::<anyhow::Result<Vec<_>>>();
        // A header may have a token in it.
        let headers =
            headers.map_err(|_| anyhow::anyhow!("OTEL_EXPORTER_OTLP_HEADERS has a field that HTTP has not"))?;
        let collector = Collector::parse(&address)?;
        ensure!(
            headers.is_empty() || !collector.is_clear(),
            "OTEL_EXPORTER_OTLP_HEADERS has what a collector is to know this server by, and OTEL_EXPORTER_OTLP_ENDPOINT \
             would carry it in clear to {}, which is not this machine: take https, or leave the headers out",
            collector.authority
        );
        Ok(Some(Self {
            collector,
            headers,
            timeout,
            attributes,
            sampler: Sampler {
                clients_decide: written.clients_decide,
                ..Sampler::parse(written.sampler.as_deref(), written.sampler_argument.as_deref())?
            },
        }))
    }
}

impl Collector {
    /// Whether everybody on the way reads what is sent to it.
    fn is_clear(&self) -> bool {
        !self.is_tls && !is_this_machine(&self.host)
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        // With a user there is a password in it.
        let got = if text.contains('@') { String::new() } else { format!(", got {text:?}") };
        let wanted =
            || format!("OTEL_EXPORTER_OTLP_ENDPOINT must be a URL without a user such as http://127.0.0.1:4318{got}");
        let uri: Uri = text.parse().with_context(wanted)?;
        let authority = uri.authority().with_context(wanted)?;
        let is_tls = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => bail!(wanted()),
        };
        // A user name and a password would be in every error.
        ensure!(!authority.as_str().contains('@') && !authority.host().is_empty(), wanted());
        let host = authority.host();
        Ok(Self {
            is_tls,
            host: host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned(),
            port: authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            authority: authority.as_str().to_owned(),
            target: uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        })
    }
}

impl Sampler {
    fn parse(name: Option<&str>, argument: Option<&str>) -> anyhow::Result<Self> {
        let ratio = || {
            let Some(text) = argument else { return Ok(1.0) };
            let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
            ratio.with_context(|| format!("OTEL_TRACES_SAMPLER_ARG must be between 0 and 1, got {text:?}"))
        };
        let (by_parent, ratio) = match name.unwrap_or("parentbased_always_on") {
            "always_on" => (false, 1.0),
            "always_off" => (false, 0.0),
            "traceidratio" => (false, ratio()?),
            "parentbased_always_on" => (true, 1.0),
            "parentbased_always_off" => (true, 0.0),
            "parentbased_traceidratio" => (true, ratio()?),
            other => bail!(
                "OTEL_TRACES_SAMPLER must be one of always_on, always_off, traceidratio, parentbased_always_on, \
                 parentbased_always_off, parentbased_traceidratio, got {other:?}"
            ),
        };
        Ok(Self { clients_decide: false, by_parent, ratio })
    }

    /// The trace that a call is kept in, if it is.
    pub(super) fn begin(&self, parent: Option<&TraceContext>) -> Option<Trace> {
        let deciding = parent.filter(|_| self.clients_decide);
        let kept_by_parent = deciding.filter(|_| self.by_parent).map(|parent| parent.is_sampled);
        if kept_by_parent == Some(false) || (kept_by_parent.is_none() && self.ratio <= 0.0) {
            return None;
        }
        let mut random = [0; 48];
        getrandom::fill(&mut random).ok()?;
        let mut trace = Trace { id: [0; 16], spans: [[0; 8]; 4] };
        trace.id.copy_from_slice(&random[..16]);
        for (span, bytes) in trace.spans.iter_mut().zip(random[16..].chunks(8)) {
            span.copy_from_slice(bytes);
        }
        let own = trace.id;
        if let Some(parent) = parent {
            trace.id = parent.trace;
        }
        let drawn = if deciding.is_some() { &trace.id } else { &own };
        (kept_by_parent == Some(true) || self.keeps(drawn)).then_some(trace)
    }

    /// Whether a trace is kept, by the end of its id, as all samplers of OpenTelemetry
    /// do: of one trace all of them keep the same.
    fn keeps(&self, id: &[u8; 16]) -> bool {
        let mut end = [0; 8];
        end.copy_from_slice(&id[8..]);
        // 56 bits of it are random in every id.
        let random = u64::from_be_bytes(end) & ((1 << 56) - 1);
        (random as f64) / ((1_u64 << 56) as f64) < self.ratio
    }
}

/// `NAME=VALUE,NAME=VALUE`, with percent signs for what has no place there.
fn pairs(variable: &str, text: &str) -> anyhow::Result<Vec<(String, String)>> {
    let pair = |pair: &str| {
        // The text may have a token in it.
        let (name, value) =
            pair.split_once('=').with_context(|| format!("{variable} must be NAME=VALUE,NAME=VALUE"))?;
        let value = decoded(value.trim()).with_context(|| format!("{variable} has a % that stands for nothing"))?;
        Ok((name.trim().to_owned(), value))
    };
    text.split(',').filter(|pair| !pair.trim().is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, more)) = rest.split_first() {
        rest = more;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, more) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = more;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(endpoint: &str) -> Written {
        Written { endpoint: Some(endpoint.to_owned()), ..Written::default() }
    }

    #[test]
    fn settings_are_those_of_the_environment_of_opentelemetry() {
        let all = Written {
            headers: Some("authorization=Bearer%20x, x-team = a ".into()),
            attributes: Some("service.name=other,deployment.environment.name=prod%2C1".into()),
            service_name: Some("sandbox".into()),
            sampler: Some("parentbased_traceidratio".into()),
            sampler_argument: Some("0.25".into()),
            timeout_ms: Some("250".into()),
            ..written("https://collector.example/base/")
        };
        let settings = TraceSettings::new(all).unwrap().unwrap();
        let Collector { is_tls, host, port, authority, target } = &settings.collector;
        assert_eq!(
            (*is_tls, host.as_str(), *port, target.as_str()),
            (true, "collector.example", 443, "/base/v1/traces")
        );
        assert_eq!(authority, "collector.example");
        let headers: Vec<_> =
            settings.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
        assert_eq!(headers, [("authorization", "Bearer x"), ("x-team", "a")]);
        assert!(!format!("{settings:?}").contains("Bearer x"));
        assert_eq!(settings.attributes[0], ("deployment.environment.name".into(), "prod,1".into()));
        assert_eq!(settings.attributes[1], ("service.name".into(), "sandbox".into()));
        assert_eq!(
            (settings.sampler, settings.timeout.as_millis()),
            (Sampler { clients_decide: false, by_parent: true, ratio: 0.25 }, 250)
        );
        let own = Written { traces_endpoint: Some("http://[::1]:1/x".into()), ..written("http://other") };
        let own = TraceSettings::new(own).unwrap().unwrap();
        assert_eq!((own.collector.host.as_str(), own.collector.target.as_str()), ("::1", "/x"));
        assert_eq!(own.attributes[0], ("service.name".into(), "belljar".into()));
    }

    #[test]
    fn without_a_collector_or_switched_off_there_are_none_and_what_is_wrong_is_named() {
        assert!(TraceSettings::new(Written::default()).unwrap().is_none());
        let off = Written { is_disabled: Some("TRUE".into()), ..written("http://a") };
        assert!(TraceSettings::new(off).unwrap().is_none());
        let off = Written { exporter: Some("none".into()), ..written("http://a") };
        assert!(TraceSettings::new(off).unwrap().is_none());
        let http = || written("http://a");
        for (wrong, name) in [
            (written("a:4318"), "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (written("http://me:secret@a"), "OTEL_EXPORTER_OTLP_ENDPOINT"),
            (Written { protocol: Some("grpc".into()), ..http() }, "OTEL_EXPORTER_OTLP_PROTOCOL"),
            (Written { timeout_ms: Some("0".into()), ..http() }, "OTEL_EXPORTER_OTLP_TIMEOUT"),
            (
                Written { headers: Some("a b=c".into()), ..written("https://a") },
                "OTEL_EXPORTER_OTLP_HEADERS has a field that HTTP has not",
            ),
            (
                Written { headers: Some("authorization=Bearer%20x".into()), ..http() },
                "would carry it in clear to a, which is not this machine",
            ),
            (Written { attributes: Some("a".into()), ..http() }, "OTEL_RESOURCE_ATTRIBUTES"),
            (Written { sampler: Some("jaeger_remote".into()), ..http() }, "OTEL_TRACES_SAMPLER"),
            (
                Written { sampler: Some("traceidratio".into()), sampler_argument: Some("2".into()), ..http() },
                "OTEL_TRACES_SAMPLER_ARG",
            ),
        ] {
            let error = format!("{:#}", TraceSettings::new(wrong).unwrap_err());
            assert!(error.contains(name) && !error.contains("secret"), "{name}: {error}");
        }
    }

    #[test]
    fn a_token_goes_in_clear_to_this_machine_alone() {
        let with_token = |endpoint: &str, is_for_traces: bool| {
            let endpoint = Some(endpoint.to_owned());
            let address =
                Written { headers: Some("authorization=Bearer%20of-the-collector".into()), ..Written::default() };
            let written = if is_for_traces {
                Written { traces_endpoint: endpoint, ..address }
            } else {
                Written { endpoint, ..address }
            };
            TraceSettings::new(written).map(drop)
        };
        for is_for_traces in [false, true] {
            for here in
                ["http://127.0.0.1:4318", "http://localhost", "http://LOCALHOST:1", "http://[::1]:4318", "https://a"]
            {
                with_token(here, is_for_traces).unwrap();
            }
            for away in [
                "http://collector:4318",
                "http://10.0.0.1",
                "http://localhost.example",
                "http://[fe80::1]",
                "http://0.0.0.0",
            ] {
                let refused = with_token(away, is_for_traces).unwrap_err().to_string();
                assert!(refused.contains("which is not this machine: take https"), "{away}: {refused}");
                assert!(!refused.contains("of-the-collector"), "{refused}");
            }
        }
        // Nothing is given away without one.
        TraceSettings::new(written("http://collector:4318")).unwrap();
    }

    #[test]
    fn where_clients_decide_whoever_began_a_trace_says_whether_it_is_kept_unless_that_is_not_asked() {
        let parent = |is_sampled| TraceContext { trace: [7; 16], span: [1; 8], is_sampled, state: None };
        let kept = |name: &str, parent: Option<&TraceContext>| {
            let sampler = Sampler { clients_decide: true, ..Sampler::parse(Some(name), Some("0.5")).unwrap() };
            sampler.begin(parent).map(|trace| trace.id)
        };
        assert_eq!(kept("parentbased_always_off", Some(&parent(true))), Some([7; 16]));
        assert_eq!(kept("parentbased_always_on", Some(&parent(false))), None);
        assert_eq!(kept("always_on", Some(&parent(false))), Some([7; 16]));
        assert!(kept("always_off", Some(&parent(true))).is_none() && kept("parentbased_always_off", None).is_none());
        assert!(kept("parentbased_always_on", None).is_some_and(|id| id != [0; 16]));
        let half = (0..2000).filter(|_| kept("parentbased_traceidratio", None).is_some()).count();
        assert!((800..1200).contains(&half), "{half}");
        // Every server gives the same answer for the same trace.
        let low = TraceContext { trace: [0; 16], ..parent(false) };
        assert!(kept("traceidratio", Some(&low)).is_some());
        assert!(kept("traceidratio", Some(&TraceContext { trace: [0xff; 16], ..parent(true) })).is_none());
    }

    #[test]
    fn clients_say_which_trace_a_call_is_of_and_not_whether_it_is_kept() {
        let parent = |is_sampled, byte| TraceContext { trace: [byte; 16], span: [1; 8], is_sampled, state: None };
        let kept = |name: &str, parent: &TraceContext| {
            Sampler::parse(Some(name), Some("0.5")).unwrap().begin(Some(parent)).map(|trace| trace.id)
        };
        for is_sampled in [false, true] {
            for byte in [1, 0xff] {
                let parent = parent(is_sampled, byte);
                for all in ["always_on", "parentbased_always_on"] {
                    assert_eq!(kept(all, &parent), Some([byte; 16]), "{all}");
                }
                for none in ["always_off", "parentbased_always_off"] {
                    assert!(kept(none, &parent).is_none(), "{none}");
                }
                for some in ["traceidratio", "parentbased_traceidratio"] {
                    let half = (0..2000).filter(|_| kept(some, &parent).is_some()).count();
                    assert!((800..1200).contains(&half), "{some}, {is_sampled}, {byte}: {half}");
                }
            }
        }
    }
}
