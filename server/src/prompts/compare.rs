//! Two ways of doing something, each in a copy of a session.

use super::{Argument, Arguments, Entry, Kind, quoted};

pub(super) const PROMPT: Entry = Entry {
    name: "compare_approaches",
    title: "Compare two approaches",
    description: "Try two ways in forks of a session, from the same state, and compare what comes of them",
    arguments: &[
        Argument { name: "session", description: "The session to begin from", kind: Kind::Session, is_required: true },
        Argument { name: "goal", description: "What is to be reached", kind: Kind::Text, is_required: true },
        Argument {
            name: "first",
            description: "The first way; left to the model if empty",
            kind: Kind::Text,
            is_required: false,
        },
        Argument { name: "second", description: "The second way", kind: Kind::Text, is_required: false },
    ],
    text,
};

fn text(arguments: &Arguments) -> String {
    let session = arguments.get("session");
    let way = |name: &str, number: &str| match arguments.find(name) {
        Some(way) => format!("The {number} way:\n\n{}\n\n", quoted(way)),
        None => String::new(),
    };
    let (first, second) = (way("first", "first"), way("second", "second"));
    let open = match (first.is_empty(), second.is_empty()) {
        (false, false) => "",
        (true, true) => "Choose two ways that differ in their idea, and say why these.\n\n",
        _ => "Choose the other way so that it differs in its idea.\n\n",
    };
    format!(
        "Compare two ways to reach a goal, both from the state that the session `{session}` has now.\n\nThe goal:\n\n\
         {}\n\n{first}{second}{open}\
         1. Say first by what you will judge them: is the result right, time, memory, how much code, what can go \
         wrong. Say how each is measured.\n\
         2. Fork the session twice (`session`, action=fork, session={session}): each way has its own copy, with \
         variables and files. Touch nothing in `{session}` itself.\n\
         3. Carry each way out in its fork, to the end. Give both the same input and the same limits, and measure each \
         several times, in turn.\n\
         4. Check that both results are right, by something that neither of them made.\n\
         5. Put them side by side in a table, say which you recommend and when it would be the other. Name the fork \
         that holds the better one, and close the other (`session`, action=close).",
        quoted(arguments.get("goal"))
    )
}
