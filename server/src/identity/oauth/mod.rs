//! An OAuth 2.1 resource server: it takes access tokens that authorization servers
//! of the operator's choice signed for it (RFC 9068), and says where there are such
//! (RFC 9728). It issues nothing, registers nobody, and hands no token on.
//!
//! A token passes, in this order: its form, the issuer that it names, a key of that
//! issuer, the signature, and what it says. Nothing is fetched for a token of an
//! issuer that is not configured.
//!
//! - `settings`, `address`: what the operator configured.
//! - `object`, `token`, `claims`: what a token says.
//! - `algorithm`, `key`, `key_set`: what signs it.
//! - `fetch`, `discovery`, `issuer`, `age`: where keys come from, and how old they may be.
//! - `verified`: tokens that were verified a moment ago. `verifier`: it takes them.
//! - `refusal`: why a token is not taken.
//! - `subject`, `scope_names`: whose a token is, and what it allows.
//! - `metadata`: what clients are told. `resource`: all of it, as the transport asks it.

mod address;
mod age;
mod algorithm;
mod claims;
mod discovery;
mod fetch;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod issuer;
mod key;
mod key_set;
mod metadata;
mod object;
mod refusal;
mod resource;
mod scope_names;
mod settings;
mod subject;
#[cfg(test)]
mod testing;
mod token;
mod verified;
mod verifier;

pub(crate) use self::address::Address;
pub(crate) use self::issuer::KeyFetches;
pub(super) use self::refusal::TokenError;
pub(crate) use self::resource::ResourceServer;
pub(crate) use self::scope_names::ScopeNames;
pub(crate) use self::settings::{IssuerSettings, OauthSettings};
