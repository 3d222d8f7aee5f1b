//! A path of a manifest: it leads to a place in a workspace, whoever wrote it.

use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path, PathBuf};

use serde::de::{self, MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::workspace::MAX_DEPTH;
use crate::workspace::path_map::PathMap;

/// The longest path that the kernel takes, without the zero at its end. The
/// text of a link is no longer.
pub(super) const MAX_BYTES: usize = 4095;

/// A path beneath a workspace, of any bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TreePath(PathBuf);

impl TreePath {
    /// Checks `path`. Fails with what is wrong with it.
    pub(super) fn new(path: PathBuf) -> Result<Self, String> {
        Self::check(&path)?;
        Ok(Self(path))
    }

    /// Fails unless `path` leads to a place in a workspace, with what is wrong with it.
    pub(super) fn check(path: &Path) -> Result<(), String> {
        let refuse = |reason: String| {
            Err(format!("{reason}, got {:?}", path.display().to_string().chars().take(80).collect::<String>()))
        };
        if path.as_os_str().len() > MAX_BYTES {
            return refuse(format!("must be at most {MAX_BYTES} bytes of path"));
        }
        if path.as_os_str().as_bytes().contains(&0) {
            return refuse("must be without zero bytes".into());
        }
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            return refuse("must lead down from the workspace".into());
        }
        if !(1..=MAX_DEPTH).contains(&path.components().count()) {
            return refuse(format!("must be 1 to {MAX_DEPTH} names deep"));
        }
        Ok(())
    }
}

impl Serialize for TreePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_bytes::serialize(self.0.as_os_str().as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for TreePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = PathBuf::from(OsString::from_vec(serde_bytes::deserialize(deserializer)?));
        Self::new(path).map_err(de::Error::custom)
    }
}

impl<V: Serialize> Serialize for PathMap<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (path, value) in self.iter() {
            map.serialize_entry(&TreePath(path), value)?;
        }
        map.end()
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for PathMap<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PathsVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for PathsVisitor<V> {
            type Value = PathMap<V>;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("values by path, in order")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
                let mut map = PathMap::default();
                while let Some((TreePath(path), value)) = entries.next_entry()? {
                    let pushed = map.push(&path, value);
                    pushed.map_err(|_| de::Error::custom(format_args!("{} is out of order", path.display())))?;
                }
                map.shrink();
                Ok(map)
            }
        }
        deserializer.deserialize_map(PathsVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_elsewhere_cannot_be_decoded() {
        let encode = |path: &[u8]| postcard::to_stdvec(&TreePath(OsString::from_vec(path.to_vec()).into())).unwrap();
        for good in [&b"a"[..], b"a/b", b"\xff\xfe/..x", "x/".repeat(32).as_bytes()] {
            assert_eq!(postcard::from_bytes::<TreePath>(&encode(good)).unwrap().0.as_os_str().as_bytes(), good);
        }
        let long = [b'x'; 5000];
        for bad in [&b""[..], b"/etc", b"..", b"a/../..", b"a/../b", b"./a", b"a\0", "x/".repeat(33).as_bytes(), &long]
        {
            assert!(postcard::from_bytes::<TreePath>(&encode(bad)).is_err(), "{bad:?}");
        }
    }
}
