//! Packages that an interpreter finds outside of its libraries: installed from a
//! project in place, by a path in a `.pth` file, or by a link. Such a folder holds whatever
//! its owner keeps there, so it is not shown, and who looks for the package is
//! told why it is not there.

#![expect(clippy::disallowed_methods, reason = "looks at what is installed")]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The most that is read of a file that describes one package: such files are small.
const MAX_BYTES: u64 = 256 << 10;

/// `direct_url.json`, as specified by PyPA's "Recording the Direct URL Origin of
/// installed distributions".
#[derive(Deserialize)]
struct Origin {
    url: String,
    #[serde(default)]
    dir_info: DirectoryInfo,
}

#[derive(Default, Deserialize)]
struct DirectoryInfo {
    #[serde(default)]
    editable: bool,
}

/// Packages that are links are named until there are so many.
const MOST_LINKS: usize = 8;

/// Says of each package in `directories` that is not visible where it lies.
pub(in crate::native) fn left_out(directories: &[PathBuf], is_visible: &dyn Fn(&Path) -> bool) -> Vec<String> {
    let mut found = BTreeMap::new();
    let mut links = Vec::new();
    for directory in directories {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(stem) = name.strip_suffix(".pth") {
                for folder in folders(&path, directory).filter(|folder| folder.is_dir() && !is_visible(folder)) {
                    found.entry(folder).or_insert_with(|| (stem.to_owned(), false));
                }
            } else if let Some(stem) = name.strip_suffix(".egg-link") {
                for folder in folders(&path, directory).take(1).filter(|folder| !is_visible(folder)) {
                    found.insert(folder, (package(stem).to_owned(), true));
                }
            } else if let Some(stem) = name.strip_suffix(".dist-info")
                && let Some(folder) = origin(&path.join("direct_url.json")).filter(|folder| !is_visible(folder))
            {
                found.insert(folder, (package(stem).to_owned(), true));
            } else if let Some(target) = leads_to(&path).filter(|target| !is_visible(target)) {
                links.push((name.strip_suffix(".py").unwrap_or(name).to_owned(), target));
            }
        }
    }
    // The project of a package, and in it the directory of its sources.
    let projects: Vec<_> =
        found.iter().filter(|(_, (_, editable))| *editable).map(|(folder, _)| folder.clone()).collect();
    found.retain(|folder, (_, editable)| *editable || !projects.iter().any(|project| folder.starts_with(project)));
    let say = |(folder, (name, is_editable)): (PathBuf, (String, bool))| {
        let folder = folder.display();
        match is_editable {
            true => format!("`{name}` is an editable install of {folder}, which is not shown: install it normally"),
            false => format!("`{name}.pth` leads to {folder}, which is not shown: install what is there normally"),
        }
    };
    links.sort();
    let more = links.len().saturating_sub(MOST_LINKS);
    let link = |(name, target): (String, PathBuf)| {
        format!("`{name}` is a link to {}, which is not shown: put a copy in its place", target.display())
    };
    let rest = (more > 0).then(|| format!("{more} more packages are links to what is not shown"));
    found.into_iter().map(say).chain(links.into_iter().take(MOST_LINKS).map(link)).chain(rest).collect()
}

/// Where a package really is that is a link, or made of links as Conda makes them on request.
fn leads_to(package: &Path) -> Option<PathBuf> {
    let start = package.join("__init__.py");
    let link = [package, &start].into_iter().find(|path| path.is_symlink())?;
    link.canonicalize().ok()
}

/// The name of a package in the name of what describes it.
fn package(stem: &str) -> &str {
    stem.split_once('-').map_or(stem, |(name, _)| name)
}

/// The paths in a file that has one a line.
fn folders(file: &Path, directory: &Path) -> impl Iterator<Item = PathBuf> {
    let lines: Vec<_> = read(file).unwrap_or_default().lines().map(|line| line.trim().to_owned()).collect();
    let is_path = |line: &String| !line.is_empty() && !line.starts_with('#') && !line.starts_with("import");
    let directory = directory.to_path_buf();
    lines.into_iter().filter(is_path).filter_map(move |line| directory.join(line).canonicalize().ok())
}

fn origin(file: &Path) -> Option<PathBuf> {
    let origin: Origin = serde_json::from_str(&read(file)?).ok()?;
    let path = origin.url.strip_prefix("file://")?;
    origin.dir_info.editable.then(|| PathBuf::from(path))
}

fn read(file: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(file).ok()?.take(MAX_BYTES).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_in_place_is_told_with_its_project() {
        let directory = tempfile::tempdir().unwrap();
        let top = directory.path().canonicalize().unwrap();
        let site = top.join("site-packages");
        for made in ["site-packages/one-1.0.dist-info", "site-packages/inner", "project/src", "old", "more"] {
            fs::create_dir_all(top.join(made)).unwrap();
        }
        let write = |path: &str, text: String| fs::write(site.join(path), text).unwrap();
        let project = top.join("project").display().to_string();
        write(
            "one-1.0.dist-info/direct_url.json",
            format!(r#"{{"url": "file://{project}", "dir_info": {{"editable": true}}}}"#),
        );
        write("__editable__.one-1.0.pth", format!("{project}/src\n"));
        for (name, target) in [("linked", "../project"), ("near", "inner"), ("alone.py", "../old/alone.py")] {
            fs::write(top.join("old/alone.py"), "").unwrap();
            std::os::unix::fs::symlink(target, site.join(name)).unwrap();
        }
        fs::create_dir(site.join("parts")).unwrap();
        std::os::unix::fs::symlink(top.join("old/alone.py"), site.join("parts/__init__.py")).unwrap();
        write("old.egg-link", format!("{}/old\n.\n", top.display()));
        write("easy-install.pth", format!("import sys\n# more\n{}/more\ninner\n/not/there\n", top.display()));
        let said = left_out(&[site.clone(), top.join("not-there")], &|folder| folder.starts_with(&site));
        let expected = [
            format!("`easy-install.pth` leads to {}/more, which", top.display()),
            format!("`old` is an editable install of {}/old, which", top.display()),
            format!("`one` is an editable install of {project}, which"),
            format!("`alone` is a link to {}/old/alone.py, which", top.display()),
            format!("`linked` is a link to {project}, which"),
            format!("`parts` is a link to {}/old/alone.py, which", top.display()),
        ];
        assert_eq!(said.len(), 6, "{said:?}");
        for (said, expected) in said.iter().zip(expected) {
            assert!(said.starts_with(&expected), "{said}");
        }
    }
}
