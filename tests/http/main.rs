//! Does `belljar serve` speak MCP over HTTP, in both eras, and what does it refuse?

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod bounds;
mod broken;
mod checks;
mod ending;
mod eras;
mod late;
mod start;
mod tls;
