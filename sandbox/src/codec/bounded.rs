//! Lists and maps whose length is bounded while they are decoded.
//!
//! A list of small things may take fifty times as much memory as its
//! encoding, so a bound on bytes alone would allow a frame to cost a gigabyte.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
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

/// Decodes a list of which only the first `LIMIT` elements are kept.
pub(crate) fn first_of<'de, const LIMIT: usize, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    struct ListVisitor<const LIMIT: usize, T>(PhantomData<T>);
    impl<'de, const LIMIT: usize, T: Deserialize<'de>> Visitor<'de> for ListVisitor<LIMIT, T> {
        type Value = Vec<T>;
        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while list.len() < LIMIT
                && let Some(element) = elements.next_element()?
            {
                list.push(element);
            }
            while elements.next_element::<IgnoredAny>()?.is_some() {}
            Ok(list)
        }
    }
    deserializer.deserialize_seq(ListVisitor::<LIMIT, T>(PhantomData))
}

/// Texts by name, of which only the first `LIMIT` are kept.
#[derive(Debug)]
pub(crate) struct FirstTexts<const LIMIT: usize>(pub(crate) BTreeMap<String, String>);

impl<'de, const LIMIT: usize> Deserialize<'de> for FirstTexts<LIMIT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MapVisitor<const LIMIT: usize>;
        impl<'de, const LIMIT: usize> Visitor<'de> for MapVisitor<LIMIT> {
            type Value = FirstTexts<LIMIT>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("texts by name")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut texts = BTreeMap::new();
                while texts.len() < LIMIT
                    && let Some((name, text)) = entries.next_entry()?
                {
                    texts.insert(name, text);
                }
                while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(FirstTexts(texts))
            }
        }
        deserializer.deserialize_map(MapVisitor)
    }
}
