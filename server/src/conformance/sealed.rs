//! A state that a client keeps between two calls, which it cannot change.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rmcp::ErrorData;

/// The key of this process: a state is good until its server ends.
static KEY: LazyLock<[u8; blake3::KEY_LEN]> = LazyLock::new(|| {
    let mut key = [0; blake3::KEY_LEN];
    #[expect(clippy::expect_used, reason = "a kernel that gives none ends this build's server")]
    getrandom::fill(&mut key).expect("the kernel gives random bytes");
    key
});

fn tag(tool: &str, round: usize) -> blake3::Hash {
    blake3::keyed_hash(&KEY, format!("{tool}\0{round}").as_bytes())
}

/// The state of `tool` when it asks for the inputs of a round.
pub(super) fn seal(tool: &str, round: usize) -> String {
    format!("{round}.{}", BASE64_URL_SAFE_NO_PAD.encode(tag(tool, round).as_bytes()))
}

/// The round of a state.
///
/// # Errors
///
/// When it is no state that this server made for this tool.
pub(super) fn open(tool: &str, state: &str) -> Result<usize, ErrorData> {
    let opened = || {
        let (round, given) = state.split_once('.')?;
        let (round, given) = (round.parse().ok()?, BASE64_URL_SAFE_NO_PAD.decode(given).ok()?);
        (tag(tool, round) == *<&[u8; blake3::OUT_LEN]>::try_from(given.as_slice()).ok()?).then_some(round)
    };
    opened().ok_or_else(|| ErrorData::invalid_params("requestState is none that this server made", None))
}
