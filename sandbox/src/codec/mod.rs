//! What decoders of bytes that are not trusted have in common.

pub(crate) mod bounded;
#[cfg(test)]
pub(crate) mod damage;
