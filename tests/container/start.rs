//! How long it takes from the start of a container to its first result.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use serde_json::json;
use tests::http::modern;

use crate::container::{Container, STRUCTURED};
use crate::engine::Engine;
use crate::images::Image;
use crate::run;

/// How often it is measured.
const STARTS: usize = 9;
/// What one start took.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// From `docker start` until the program runs.
    engine: Duration,
    /// From there until the server says that calls are welcome.
    ready: Duration,
    /// From there until a client has the output of a program.
    result: Duration,
}

/// The median of each part.
#[derive(Debug)]
pub(crate) struct Starts(Vec<Start>);

impl Starts {
    fn median(&self, part: impl Fn(&Start) -> Duration) -> u128 {
        let mut all: Vec<_> = self.0.iter().map(part).collect();
        all.sort();
        all[all.len() / 2].as_millis()
    }
}

impl fmt::Display for Starts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = |start: &Start| start.ready + start.result;
        write!(
            formatter,
            "start of the program to the first result: {} ms ({} until the server is ready, {} for the call); {} ms \
             before that are Docker's (medians of {})",
            self.median(program),
            self.median(|start| start.ready),
            self.median(|start| start.result),
            self.median(|start| start.engine),
            self.0.len(),
        )
    }
}

/// Measures starts of an image, each with a volume of its own.
pub(crate) fn measure(engine: &Engine, image: Image) -> Starts {
    Starts((0..STARTS).map(|_| Start::measure(&Container::create(engine, image, STRUCTURED))).collect())
}

impl Start {
    fn measure(container: &Container<'_>) -> Self {
        let asked = SystemTime::now();
        // Nobody asks before Docker says that it did: what comes to a container that has no
        // network yet has all that follows wait for a second.
        container.begin();
        let (ready, first) = first_result(container);
        let began = started_at(container);
        let since = |time: SystemTime| time.duration_since(began).unwrap_or_default();
        Self {
            engine: began.duration_since(asked).unwrap_or_default(),
            ready: since(ready),
            result: first.duration_since(ready).unwrap_or_default(),
        }
    }
}

/// When the server was ready, and when a client had the output of its first program.
fn first_result(container: &Container<'_>) -> (SystemTime, SystemTime) {
    let began = Instant::now();
    while container.readiness() != Some(200) {
        assert!(began.elapsed() < tests::PATIENCE, "the server in the container is not ready");
        std::thread::sleep(Duration::from_millis(1));
    }
    let ready = SystemTime::now();
    let arguments = json!({"language": "python", "code": "print('hi')"});
    let message = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
    let reply = container.ask(&container.request(container.key(), &message)).reply();
    assert_eq!(reply.output(), "hi\n");
    (ready, SystemTime::now())
}

/// When Docker says that it started the program.
fn started_at(container: &Container<'_>) -> SystemTime {
    let said = container.inspect("{{.State.StartedAt}}");
    let nanoseconds = run(Command::new("date").args(["--date", &said, "+%s%N"]));
    let since = nanoseconds.ok().and_then(|text| text.parse().ok()).map(Duration::from_nanos);
    SystemTime::UNIX_EPOCH + since.expect("Docker says when it started the program")
}
