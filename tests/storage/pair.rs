//! Two servers over one bucket and one Redis, with tenants and keys.

use serde_json::{Value, json};
use tests::eventually;
use tests::http::{Answer, HttpServer, modern};
use tests::redis::Redis;

use crate::House;

/// The name of a note in Redis.
pub(crate) fn note(name: &str) -> Vec<u8> {
    format!("belljar:s3://belljar/tests/notes/{name}").into_bytes()
}

/// The servers.
pub(crate) struct Pair {
    pub(crate) one: HttpServer,
    pub(crate) two: HttpServer,
}

impl Pair {
    pub(crate) fn start(house: &House, redis: &str, configuration: &str) -> Self {
        let [one, two] = [(); 2].map(|()| {
            let builder = house.builder().flag(format!("--redis={redis}")).flag("--authentication=keys");
            let server = HttpServer::with(builder.configured(configuration));
            server.wait_until_ready();
            server
        });
        Self { one, two }
    }

    /// A key of a tenant that both servers have in files of their own.
    pub(crate) fn key(&self, tenant: &str) -> String {
        let key = self.one.add_key(&[&format!("--tenant={tenant}"), "--scopes=sandbox:execute"]);
        let file = |server: &HttpServer| server.home().join("state/client-keys.json");
        // As `belljar keys add` does: a file that is half there lets nobody in.
        let new = file(&self.two).with_extension("new");
        std::fs::copy(file(&self.one), &new).unwrap();
        std::fs::rename(new, file(&self.two)).unwrap();
        key
    }
}

/// Waits until servers have looked a few times at what the others say.
pub(crate) fn looks(redis: &Redis) {
    wait_for_looks(|| redis.looks());
}

pub(crate) fn wait_for_looks(count: impl Fn() -> u64) {
    // Two servers look at two kinds of notes, each at each about once a second.
    let before = count();
    eventually("servers to look at notes", || (count() >= before + 12).then_some(()));
}

/// One call that does next to nothing.
pub(crate) fn call(server: &HttpServer, key: &str) -> Answer {
    server.connect().ask(&server.request_with(key, &modern("resources/list", json!({}))))
}

/// How many calls are let through before one is refused for `reason`.
pub(crate) fn calls_until_refused(server: &HttpServer, key: &str, reason: &str) -> u64 {
    until_refused(server, key, reason).0
}

/// How many calls are let through before one is refused for `reason`, and the refusal.
pub(crate) fn until_refused(server: &HttpServer, key: &str, reason: &str) -> (u64, Answer) {
    for calls in 0..1000 {
        let answer = call(server, key);
        if answer.status != 200 {
            assert_eq!((answer.status, answer.reason().as_str()), (429, reason), "{answer:?}");
            return (calls, answer);
        }
    }
    panic!("nothing is refused");
}

/// Runs Python.
pub(crate) fn run(server: &HttpServer, key: &str, code: &str) -> Answer {
    let arguments: Value = json!({"language": "python", "code": code});
    let message = modern("tools/call", json!({"name": "execute", "arguments": arguments}));
    server.connect().ask(&server.request_with(key, &message))
}
