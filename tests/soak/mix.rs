//! Who calls, and what how often.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::Reply;

use super::tenant::Tenant;
use super::{hostile, plain, sessions, timed};

/// Something to do, in one call or several, and how often beside the others.
type Deed = (&'static str, usize, fn(&mut Caller<'_>));

const DEEDS: &[Deed] = &[
    ("python", 300, plain::python),
    ("a value", 200, plain::value),
    ("files, input, arguments", 60, plain::everything_given),
    ("bash", 60, plain::bash),
    ("python-native", 12, plain::python_native),
    ("reading a run", 30, plain::reading),
    ("bad input", 40, plain::bad_input),
    ("health", 20, plain::health),
    ("cancelled", 8, plain::cancelled),
    ("a session", 40, sessions::life),
    ("a session that is kept", 160, sessions::kept),
    ("languages in a session", 10, sessions::languages),
    ("a limit", 24, hostile::limit),
    ("a crash", 10, hostile::crash),
    ("a hostile program", 10, hostile::native),
    ("somebody else's session", 20, sessions::of_another),
];

/// Whether there is something of that name to do.
pub(crate) fn is_deed(name: &str) -> bool {
    DEEDS.iter().any(|(deed, ..)| *deed == name)
}

/// A thread that calls one server.
pub(crate) struct Caller<'a> {
    pub(crate) tenant: &'a Tenant,
    pub(crate) other: &'a Tenant,
    random: u64,
    tokens: u64,
    /// Sessions that go on, and what is in each.
    pub(crate) kept: Vec<(String, String, u64)>,
}

impl<'a> Caller<'a> {
    pub(crate) fn new(tenant: &'a Tenant, other: &'a Tenant, seed: u64) -> Self {
        Self { tenant, other, random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, tokens: 0, kept: Vec::new() }
    }

    /// Does one thing after the other, and closes its sessions at the end.
    pub(crate) fn go_on(mut self, only: Option<&str>, carry_on: impl Fn() -> bool) {
        let deeds = DEEDS.iter().filter(|(name, ..)| only.is_none_or(|only| only == *name)).collect::<Vec<_>>();
        let sum = deeds.iter().map(|(_, weight, _)| weight).sum();
        while carry_on() {
            let mut at = self.below(sum);
            let chosen = deeds.iter().find(|(_, weight, _)| {
                let is_chosen = at < *weight;
                at = at.saturating_sub(*weight);
                is_chosen
            });
            let Some((name, _, deed)) = chosen else { continue };
            let before = self.tokens;
            timed(name, || deed(&mut self));
            let mut done = self.tenant.done.lock().expect("nobody panics with it");
            let (times, calls) = done.entry(name).or_default();
            *times += 1;
            *calls += self.tokens - before;
        }
        for (session, ..) in std::mem::take(&mut self.kept) {
            self.close(&session);
        }
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 11).expect("there are 64 bits") % bound
    }

    /// A word that nobody else has.
    pub(crate) fn token(&mut self) -> String {
        let (low, high) = (self.below(1 << 40), self.below(1 << 40));
        format!("t{}x{high:x}x{low:x}", self.tenant.user)
    }

    pub(crate) fn call(&mut self, tool: &str, arguments: Value) -> Reply {
        self.tokens += 1;
        self.tenant.call(tool, arguments)
    }

    /// Runs a program with more arguments of `execute`.
    pub(crate) fn run(&mut self, language: &str, code: &str, more: Value) -> Reply {
        let mut arguments = json!({"language": language, "code": code});
        if let (Value::Object(arguments), Value::Object(more)) = (&mut arguments, more) {
            arguments.extend(more);
        }
        self.call("execute", arguments)
    }

    pub(crate) fn close(&mut self, session: &str) {
        let closed = self.call("session", json!({"action": "close", "session": session}));
        assert!(!closed.is_error(), "closing: {}", closed.message);
    }

    /// Notes a call that was made in another way.
    pub(crate) fn called(&mut self) {
        self.tokens += 1;
        self.tenant.count();
    }
}

/// Prints what was done.
pub(crate) fn print_table(tenants: &[Tenant]) {
    let mut all: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for tenant in tenants {
        for (name, (times, calls)) in tenant.done.lock().expect("nobody panics with it").iter() {
            let sum = all.entry(name).or_default();
            *sum = (sum.0 + times, sum.1 + calls);
        }
    }
    println!("\n| what | times | calls |\n| --- | ---: | ---: |");
    for (name, (times, calls)) in all {
        println!("| {name} | {times} | {calls} |");
    }
}
