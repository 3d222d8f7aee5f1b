//! The environment of a native program: what every program expects, what its
//! runtime adds, and above all what the request says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use guest_runtimes::Native;

use crate::native::account::Account;

/// Where a program finds what it is given.
pub(in crate::native) struct Places<'a> {
    pub(in crate::native) home: &'a Path,
    pub(in crate::native) temporary: &'a Path,
    /// Where the program keeps what it can make again: neither among the files of the
    /// workspace nor in its `/tmp`.
    pub(in crate::native) cache: &'a Path,
    /// The files of its runtime.
    pub(in crate::native) runtime: &'a Path,
}

/// The variables of a program whose request has `asked` for some.
pub(in crate::native) fn environment(
    native: &Native,
    asked: &BTreeMap<String, String>,
    account: &Account,
    search_path: String,
    places: &Places<'_>,
) -> Vec<(OsString, OsString)> {
    let mut all: BTreeMap<OsString, OsString> = [
        ("PATH", search_path.into()),
        ("HOME", places.home.into()),
        ("TMPDIR", places.temporary.into()),
        ("XDG_CACHE_HOME", places.cache.into()),
        ("LANG", OsString::from("C.UTF-8")),
        ("USER", OsString::from(&account.name)),
        ("LOGNAME", OsString::from(&account.name)),
    ]
    .into_iter()
    .map(|(name, value): (&str, OsString)| (name.into(), value))
    .collect();
    all.extend(native.environment().iter().map(|(name, value)| (name.into(), value.into())));
    all.extend(asked.iter().map(|(name, value)| (name.into(), value.into())));
    for (name, first) in native.search_paths(&places.runtime.to_string_lossy()) {
        let list = all.entry(name.into()).or_default();
        let rest = std::mem::replace(list, first.into());
        if !rest.is_empty() {
            list.push(":");
            list.push(rest);
        }
    }
    all.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn what_a_request_says_counts_and_lists_of_directories_begin_with_the_runtimes() {
        let asked: BTreeMap<String, String> =
            [("PYTHONPATH", "/workspace/lib"), ("PIP_NO_INDEX", "0"), ("HOME", "/workspace/home")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        let account = Account::new(&asked, Path::new("/workspace"));
        let places = Places {
            home: Path::new("/workspace"),
            temporary: Path::new("/tmp"),
            cache: Path::new("/var/cache"),
            runtime: Path::new("/given"),
        };
        let catalogue = guest_runtimes::Catalogue::built_in();
        let natives: Vec<_> = catalogue
            .iter()
            .filter_map(|runtime| match runtime.kind() {
                guest_runtimes::Kind::Native(native) => Some(native),
                guest_runtimes::Kind::Wasm(_) => None,
            })
            .collect();
        assert!(natives.len() > 1);
        for native in natives {
            let all: BTreeMap<_, _> =
                environment(native, &asked, &account, "/bin".into(), &places).into_iter().collect();
            let value = |name: &str| all.get(&OsString::from(name)).map(PathBuf::from).unwrap_or_default();
            assert_eq!(value("PYTHONPATH"), Path::new("/given/site:/workspace/lib"));
            assert_eq!(value("PIP_NO_INDEX"), Path::new("0"));
            assert_eq!((value("HOME"), value("PATH")), ("/workspace/home".into(), "/bin".into()));
            let plain: BTreeMap<_, _> =
                environment(native, &BTreeMap::new(), &account, "/bin".into(), &places).into_iter().collect();
            assert_eq!(plain.get(&OsString::from("PYTHONPATH")), Some(&OsString::from("/given/site")));
            for name in ["UV_OFFLINE", "OPENBLAS_NUM_THREADS"] {
                assert_eq!(plain.get(&OsString::from(name)), Some(&OsString::from("1")), "{name}");
            }
        }
    }
}
