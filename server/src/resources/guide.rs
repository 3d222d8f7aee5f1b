//! The guide to writing code for the sandbox, with what is so on this machine.

use sandbox::{Language, Principal, RequestedLimits, Resource};

use super::facts::RunLimits;
use crate::service::Service;
use crate::tools::execute::{describe, mounted};

/// The text of the guide, with places for what differs between machines and callers.
const TEXT: &str = include_str!("guide.md");

/// The guide for a caller.
pub(super) async fn text(service: &Service, principal: &Principal, ceilings: &RequestedLimits) -> String {
    let executor = &service.executor;
    let languages = executor.languages(principal).await;
    let RunLimits { defaults, ceilings } = RunLimits::of(executor, principal, ceilings);
    let seconds = |milliseconds: u64| format!("{} s", milliseconds / 1000);
    let mounts = match mounted(&executor.policy(principal).mounts) {
        None => String::new(),
        Some(mounts) => format!(" but what its operator shows ({mounts})"),
    };
    let listed: String = languages.iter().map(|language| format!("- {}\n", describe(language))).collect();
    let replaced = [
        ("{mounts}", mounts),
        ("{languages}\n", listed),
        ("{choice}", choice(&languages).to_owned()),
        ("{output}", format!("{} bytes", defaults.get(Resource::OutputBytes))),
        ("{time}", seconds(defaults.get(Resource::WallTimeMs))),
        ("{time_ceiling}", seconds(ceilings.get(Resource::WallTimeMs))),
        ("{memory}", bytes(defaults.get(Resource::MemoryBytes))),
        ("{memory_ceiling}", bytes(ceilings.get(Resource::MemoryBytes))),
    ];
    replaced.iter().fold(TEXT.to_owned(), |text, (place, value)| text.replace(place, value))
}

/// Words about when to take which language, where there is a choice.
fn choice(languages: &[Language]) -> &'static str {
    let has = |id: &str| languages.iter().any(|language| language.id == id);
    if has("python") && has("python-native") {
        "\nTake `python` unless the program needs a package that only `python-native` has: it starts in under a \
         millisecond, and keeps variables.\n"
    } else {
        ""
    }
}

fn bytes(amount: u64) -> String {
    match amount {
        mebibytes if mebibytes.is_multiple_of(1 << 20) => format!("{} MiB", mebibytes >> 20),
        other => format!("{other} bytes"),
    }
}
