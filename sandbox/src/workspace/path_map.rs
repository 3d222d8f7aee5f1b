//! Values by path, in order, and in little memory: of each path only what it
//! does not share with the one before it. Paths of one workspace share most, and
//! a program makes them as long as it likes.

use std::cmp::Ordering;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// Every so many paths one stands whole, where a search can begin.
const BLOCK: usize = 64;

/// Values by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathMap<V> {
    /// For each path how many bytes it shares, how many it adds, and these.
    keys: Vec<u8>,
    /// Where every [`BLOCK`]th path begins in `keys`.
    blocks: Vec<u32>,
    values: Vec<V>,
    last: Vec<u8>,
}

impl<V> Default for PathMap<V> {
    fn default() -> Self {
        Self { keys: Vec::new(), blocks: Vec::new(), values: Vec::new(), last: Vec::new() }
    }
}

/// Compares paths as they are ordered: name by name.
fn order(one: &[u8], other: &[u8]) -> Ordering {
    let differs = one.iter().zip(other).position(|(one, other)| one != other);
    match differs {
        None => one.len().cmp(&other.len()),
        // What separates names is before everything that is in them.
        Some(at) => rank(one[at]).cmp(&rank(other[at])),
    }
}

const fn rank(byte: u8) -> u8 {
    if byte == b'/' { 0 } else { byte }
}

/// Where reading paths has come to.
#[derive(Clone, Debug, Default)]
struct Position {
    at: usize,
    path: Vec<u8>,
}

impl Position {
    fn step(&mut self, keys: &[u8]) {
        let number = |at: usize| usize::from(u16::from_le_bytes([keys[at], keys[at + 1]]));
        let (shared, added) = (number(self.at), number(self.at + 2));
        self.path.truncate(shared);
        self.path.extend_from_slice(&keys[self.at + 4..self.at + 4 + added]);
        self.at += 4 + added;
    }
}

fn to_path_buf(bytes: &[u8]) -> PathBuf {
    std::ffi::OsString::from_vec(bytes.to_vec()).into()
}

impl<V> PathMap<V> {
    /// How many values there are.
    pub(crate) const fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The memory that the map takes, without what values point to.
    pub(crate) const fn heap_bytes(&self) -> usize {
        self.heap_bytes_of::<V>()
    }

    /// The memory that a map takes which has values of another sort at these paths.
    pub(crate) const fn heap_bytes_of<W>(&self) -> usize {
        self.keys.capacity() + 4 * self.blocks.capacity() + self.values.capacity() * size_of::<W>()
    }

    /// Adds a value that comes after everything that is there. Fails, and adds nothing,
    /// if it does not, or its path is longer than paths are.
    pub(crate) fn push(&mut self, path: &Path, value: V) -> Result<(), V> {
        let path = path.as_os_str().as_bytes();
        let is_next = self.values.is_empty() || order(&self.last, path) == Ordering::Less;
        let (Ok(length), Ok(at)) = (u16::try_from(path.len()), u32::try_from(self.keys.len())) else {
            return Err(value);
        };
        if !is_next {
            return Err(value);
        }
        let mut shared = 0;
        if self.values.len().is_multiple_of(BLOCK) {
            self.blocks.push(at);
        } else {
            shared = self.last.iter().zip(path).take_while(|(one, other)| one == other).count();
        }
        // The shared part is no longer than the path, whose length fits.
        let shared_bytes = u16::try_from(shared).unwrap_or(length);
        self.keys.extend_from_slice(&shared_bytes.to_le_bytes());
        self.keys.extend_from_slice(&(length - shared_bytes).to_le_bytes());
        self.keys.extend_from_slice(&path[shared..]);
        self.last.truncate(shared);
        self.last.extend_from_slice(&path[shared..]);
        self.values.push(value);
        Ok(())
    }

    /// Gives back what was taken in advance.
    pub(crate) fn shrink(&mut self) {
        self.keys.shrink_to_fit();
        self.blocks.shrink_to_fit();
        self.values.shrink_to_fit();
    }

    /// Adds a value, or puts it in the place of another. Takes long if it is
    /// not behind all others.
    pub(crate) fn insert(&mut self, path: &Path, value: V) {
        let Err(value) = self.push(path, value) else { return };
        if let Some(found) = self.get_mut(path) {
            *found = value;
            return;
        }
        let old = std::mem::take(self);
        let mut value = Some(value);
        for (before, old_value) in old.into_entries() {
            if order(path.as_os_str().as_bytes(), before.as_os_str().as_bytes()) == Ordering::Less
                && let Some(value) = value.take()
            {
                let _ = self.push(path, value);
            }
            let _ = self.push(&before, old_value);
        }
    }

    fn find(&self, path: &Path) -> Option<usize> {
        let path = path.as_os_str().as_bytes();
        let is_before = |at: &u32| {
            let mut position = Position { at: *at as usize, ..Position::default() };
            position.step(&self.keys);
            order(&position.path, path) != Ordering::Greater
        };
        let block = self.blocks.partition_point(is_before).checked_sub(1)?;
        let mut position = Position { at: self.blocks[block] as usize, ..Position::default() };
        for index in block * BLOCK..self.values.len().min((block + 1) * BLOCK) {
            position.step(&self.keys);
            match order(&position.path, path) {
                Ordering::Less => {}
                Ordering::Equal => return Some(index),
                Ordering::Greater => return None,
            }
        }
        None
    }

    pub(crate) fn get(&self, path: &Path) -> Option<&V> {
        self.find(path).map(|index| &self.values[index])
    }

    pub(crate) fn get_mut(&mut self, path: &Path) -> Option<&mut V> {
        self.find(path).map(|index| &mut self.values[index])
    }

    pub(crate) fn contains_key(&self, path: &Path) -> bool {
        self.find(path).is_some()
    }

    /// The path of the value at `index`.
    pub(crate) fn key_at(&self, index: usize) -> Option<PathBuf> {
        let mut position = Position { at: *self.blocks.get(index / BLOCK)? as usize, ..Position::default() };
        (0..=index % BLOCK).for_each(|_| position.step(&self.keys));
        Some(to_path_buf(&position.path))
    }

    /// All values, in the order of their paths.
    pub(crate) fn values(&self) -> std::slice::Iter<'_, V> {
        self.values.iter()
    }

    /// Puts a value in the place of the one at `index`.
    pub(crate) fn set_at(&mut self, index: usize, value: V) {
        if let Some(found) = self.values.get_mut(index) {
            *found = value;
        }
    }

    /// The value at `index`.
    pub(crate) fn value_at(&self, index: usize) -> Option<&V> {
        self.values.get(index)
    }

    /// All paths, in order: each is made when it is asked for.
    pub(crate) fn keys(&self) -> impl Iterator<Item = PathBuf> + '_ {
        let mut position = Position::default();
        (0..self.values.len()).map(move |_| {
            position.step(&self.keys);
            to_path_buf(&position.path)
        })
    }

    /// All paths, from the last to the first.
    pub(crate) fn keys_backwards(&self) -> impl Iterator<Item = PathBuf> + '_ {
        (0..self.blocks.len()).rev().flat_map(move |block| {
            let mut position = Position { at: self.blocks[block] as usize, ..Position::default() };
            let paths: Vec<_> = (block * BLOCK..self.values.len().min((block + 1) * BLOCK))
                .map(|_| {
                    position.step(&self.keys);
                    to_path_buf(&position.path)
                })
                .collect();
            paths.into_iter().rev()
        })
    }

    /// All paths with their values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PathBuf, &V)> + '_ {
        self.keys().zip(&self.values)
    }

    /// All paths with their values, which may be changed, in order.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (PathBuf, &mut V)> + '_ {
        let (keys, mut position) = (&self.keys, Position::default());
        self.values.iter_mut().map(move |value| {
            position.step(keys);
            (to_path_buf(&position.path), value)
        })
    }

    /// All paths with their values, in order, out of a map of which nothing else is left.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = (PathBuf, V)> {
        let (keys, mut position) = (self.keys, Position::default());
        self.values.into_iter().map(move |value| {
            position.step(&keys);
            (to_path_buf(&position.path), value)
        })
    }

    /// A cursor, to look paths up in the order in which they are.
    pub(crate) fn cursor(&self) -> Cursor<'_, V> {
        Cursor { map: self, position: Position::default(), next: 0, is_read: false }
    }
}

impl<V> FromIterator<(PathBuf, V)> for PathMap<V> {
    fn from_iter<I: IntoIterator<Item = (PathBuf, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (path, value) in entries {
            map.insert(&path, value);
        }
        map
    }
}

impl<V, const N: usize> From<[(PathBuf, V); N]> for PathMap<V> {
    fn from(entries: [(PathBuf, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// Looks paths up in the order in which they are, which takes a step or two
/// where a search among thousands takes many.
#[derive(Debug)]
pub(crate) struct Cursor<'a, V> {
    map: &'a PathMap<V>,
    position: Position,
    /// The index of the next that is read.
    next: usize,
    /// Whether `position` is at one that was not passed yet.
    is_read: bool,
}

impl<'a, V> Cursor<'a, V> {
    /// The value at `path`, which is behind every path asked for before.
    pub(crate) fn seek(&mut self, path: &Path) -> Option<&'a V> {
        loop {
            if !self.is_read {
                if self.next == self.map.values.len() {
                    return None;
                }
                self.position.step(&self.map.keys);
                self.next += 1;
                self.is_read = true;
            }
            match order(&self.position.path, path.as_os_str().as_bytes()) {
                Ordering::Less => self.is_read = false,
                Ordering::Equal => {
                    self.is_read = false;
                    return self.map.values.get(self.next - 1);
                }
                Ordering::Greater => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Paths in all the orders that differ by bytes and by names.
    fn paths() -> Vec<PathBuf> {
        let mut paths = Vec::new();
        for first in ["a", "a.b", "a-b", "a b", "aé", "b", "\u{1}", "zz"] {
            paths.push(PathBuf::from(first));
            for second in ["a", "a.c", "x", "é"] {
                paths.push(PathBuf::from(format!("{first}/{second}")));
                paths.extend((0..9).map(|number| PathBuf::from(format!("{first}/{second}/{number}"))));
            }
        }
        paths.push(to_path_buf(b"a/\xff\xfe"));
        paths
    }

    #[test]
    fn it_is_what_an_ordered_map_is() {
        let expected: BTreeMap<_, _> = paths().into_iter().enumerate().map(|(number, path)| (path, number)).collect();
        let map: PathMap<_> = paths().into_iter().enumerate().map(|(number, path)| (path, number)).collect();
        assert!(map.len() == expected.len() && map.len() > 4 * BLOCK);
        assert!(map.iter().eq(expected.iter().map(|(path, number)| (path.clone(), number))));
        assert!(map.keys_backwards().eq(expected.keys().rev().cloned()));
        let mut cursor = map.cursor();
        for (path, number) in &expected {
            assert_eq!((map.get(path), cursor.seek(path)), (Some(number), Some(number)), "{}", path.display());
            let beside = path.join("\u{1}");
            assert_eq!((map.get(&beside), cursor.seek(&beside)), (None, None));
        }
        assert_eq!((map.get(Path::new("")), map.get(Path::new("zzz"))), (None, None));
        // However it came to be.
        let sorted: PathMap<_> = expected.clone().into_iter().collect();
        assert_eq!(sorted, map);
        let mut some: PathMap<_> = map.into_entries().filter(|(_, number)| number % 3 == 0).collect();
        assert_eq!(some.key_at(70), some.keys().nth(70));
        for (path, number) in &expected {
            some.insert(path, *number);
        }
        assert_eq!(some, sorted);
    }

    #[test]
    fn what_is_out_of_order_is_not_pushed() {
        let mut map = PathMap::default();
        map.push(Path::new("b"), 1).unwrap();
        for path in ["a", "b", "a/x"] {
            assert_eq!(map.push(Path::new(path), 2), Err(2));
        }
        map.push(Path::new("b/a"), 2).unwrap();
        assert_eq!(map.push(&PathBuf::from("x".repeat(70_000)), 3), Err(3));
        assert_eq!(map.len(), 2);
    }

    #[test]
    fn long_paths_take_what_they_add() {
        let deep = vec!["x".repeat(200); 18].join("/");
        let mut map = PathMap::default();
        for number in 0..8000 {
            map.push(&PathBuf::from(format!("{deep}/{number:05}")), [0_u8; 56]).unwrap();
        }
        map.shrink();
        assert!(map.heap_bytes() < 1 << 20, "{}", map.heap_bytes());
    }
}
