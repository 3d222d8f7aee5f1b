//! Lists of bytes in serde as whole pieces. What postcard makes of them is the
//! same as byte by byte, in a fraction of the time.
//!
//! For `#[serde(with = "pieces")]`.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

struct Piece<T>(T);

impl Serialize for Piece<&[u8]> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

impl<'de> Deserialize<'de> for Piece<Vec<u8>> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Piece<Vec<u8>>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Piece(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

pub(crate) fn serialize<S: Serializer>(pieces: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(pieces.iter().map(|piece| Piece(piece.as_slice())))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    Ok(Vec::<Piece<Vec<u8>>>::deserialize(deserializer)?.into_iter().map(|piece| piece.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_encoded_as_lists_of_bytes_are() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Whole(#[serde(with = "super")] Vec<Vec<u8>>);

        let lists = vec![Vec::new(), vec![0xff; 300], vec![7]];
        let bytes = postcard::to_stdvec(&lists).unwrap();
        assert_eq!(postcard::to_stdvec(&Whole(lists.clone())).unwrap(), bytes);
        assert_eq!(postcard::from_bytes::<Whole>(&bytes).unwrap(), Whole(lists));
        for end in 0..bytes.len() {
            assert!(postcard::from_bytes::<Whole>(&bytes[..end]).is_err(), "{end}");
        }
    }
}
