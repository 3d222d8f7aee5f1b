//! Lists whose length is bounded while they are decoded.
//!
//! A list of small things may take fifty times as much memory as its
//! encoding, so a bound on bytes alone would allow a frame to cost a gigabyte.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Decodes a list of at most `LIMIT` elements.
pub(crate) fn at_most<'de, const LIMIT: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct ListVisitor<const LIMIT: usize, T>(PhantomData<T>);
    impl<'de, const LIMIT: usize, T: Deserialize<'de>> Visitor<'de> for ListVisitor<LIMIT, T> {
        type Value = Vec<T>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(formatter, "at most {LIMIT} elements")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element()? {
                if list.len() == LIMIT {
                    return Err(A::Error::custom(format_args!("a list has more than {LIMIT} elements")));
                }
                list.push(element);
            }
            Ok(list)
        }
    }
    deserializer.deserialize_seq(ListVisitor::<LIMIT, T>(PhantomData))
}
