//! Reads the files that the rules look at: what git tracks or would track.
//! Invariant: without git it looks at more files, never at fewer.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One text file of the tree.
#[derive(Clone, Debug)]
pub struct Text {
    /// Relative to the root, with forward slashes.
    pub path: String,
    pub text: String,
}

impl Text {
    pub fn ends_with(&self, suffix: &str) -> bool {
        self.path.ends_with(suffix)
    }

    /// Whether the whole file exists for tests only.
    pub fn is_test(&self) -> bool {
        self.path.starts_with("shared/testkit/")
            || self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
    }
}

/// All text files, sorted by path; binary files are left out.
///
/// # Errors
/// When a file cannot be read, or when the tree holds no Rust at all (a check of nothing is no check).
pub fn read(root: &Path) -> Result<Vec<Text>> {
    let mut paths = match tracked(root) {
        Some(paths) => paths,
        None => walk(root, "")?,
    };
    paths.sort();
    paths.dedup();
    let mut texts = Vec::new();
    for path in paths {
        let full = root.join(&path);
        if !full.is_file() {
            continue;
        }
        let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
        if let Ok(text) = String::from_utf8(bytes) {
            texts.push(Text { path, text });
        }
    }
    if !texts.iter().any(|text| text.ends_with(".rs")) {
        bail!("no Rust file under {}: nothing was checked", root.display());
    }
    Ok(texts)
}

fn tracked(root: &Path) -> Option<Vec<String>> {
    let output = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .output()
        .ok()?;
    let listing = String::from_utf8(output.stdout).ok()?;
    let paths: Vec<String> = listing
        .split('\0')
        .filter(|path| !path.is_empty())
        .map(str::to_owned)
        .collect();
    (output.status.success() && !paths.is_empty()).then_some(paths)
}

fn walk(root: &Path, folder: &str) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let here = root.join(folder);
    for entry in std::fs::read_dir(&here).with_context(|| format!("cannot list {folder}/"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() {
            name.clone()
        } else {
            format!("{folder}/{name}")
        };
        if entry.file_type()?.is_dir() {
            if !matches!(name.as_str(), ".git" | "target" | "node_modules") {
                paths.extend(walk(root, &path)?);
            }
        } else {
            paths.push(path);
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn walking_and_git_see_this_file() {
        let root = crate::root();
        let own = "xtask/src/tidy/tree.rs".to_owned();
        assert!(walk(&root, "").unwrap().contains(&own));
        assert!(read(&root).unwrap().iter().any(|text| text.path == own));
    }

    #[test]
    fn an_empty_tree_is_an_error() {
        assert!(read(&crate::root().join("xtask/src/tidy/nothing")).is_err());
    }
}
