//! The folder of one rival: its language and its name in the cache.
//! Invariant: any change of its files, or of what it shares with the others, is another name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use crate::tools::fnv1a;

/// What all rivals of a language share.
pub(super) const SHARED: &str = "protocol";

/// What a program is written in, told by its manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    Go,
    Node,
    Rust,
}

impl Language {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Go, "go.mod"),
        (Self::Node, "package.json"),
        (Self::Rust, "Cargo.toml"),
    ];

    fn of(folder: &Path) -> Option<Self> {
        let found = Self::ALL
            .into_iter()
            .find(|(_, manifest)| folder.join(manifest).is_file());
        found.map(|(language, _)| language)
    }
}

/// One rival.
#[derive(Clone, Debug)]
pub(super) struct Sources {
    pub(super) name: String,
    pub(super) folder: PathBuf,
    pub(super) language: Language,
    /// Its name in the cache.
    pub(super) key: String,
}

impl Sources {
    /// Reads the folder of a rival.
    ///
    /// # Errors
    /// When it cannot be read, or has no manifest.
    pub(super) fn read(peers: &Path, name: &str) -> Result<Self> {
        let folder = peers.join(name);
        let language = Language::of(&folder).with_context(|| {
            format!("{name} has neither go.mod nor package.json nor Cargo.toml")
        })?;
        let mut texts = Vec::new();
        contents(&folder, &mut texts)?;
        if language != Language::Go {
            contents(&peers.join(SHARED), &mut texts)?;
        }
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        Ok(Self {
            name: name.to_owned(),
            key: format!("peer-{name}-{:016x}", fnv1a(&texts)),
            folder,
            language,
        })
    }
}

/// All rivals, sorted by name.
///
/// # Errors
/// When the folder cannot be read, or holds no rival.
pub(super) fn list(peers: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for path in entries(peers)? {
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(name) = name.filter(|name| *name != SHARED && path.is_dir()) {
            names.push(name.to_owned());
        }
    }
    ensure!(!names.is_empty(), "{} holds no rival", peers.display());
    Ok(names)
}

/// Names and texts below a folder, in a fixed order; what builds leave behind is no source.
fn contents(folder: &Path, texts: &mut Vec<String>) -> Result<()> {
    for path in entries(folder)? {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.context("a name that is no text")?;
        if path.is_dir() {
            if !matches!(name, "node_modules" | "target") {
                contents(&path, texts)?;
            }
            continue;
        }
        let Ok(text) = fs::read_to_string(&path) else {
            bail!("{} is no text", path.display());
        };
        texts.extend([name.to_owned(), text]);
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut paths = Vec::new();
    for entry in read {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_rival_is_pinned_and_asked_alike() {
        let peers = crate::root().join(super::super::FOLDER);
        for name in list(&peers).unwrap() {
            let sources = Sources::read(&peers, &name).unwrap();
            let lock = match sources.language {
                Language::Go => "go.sum",
                Language::Node => "package-lock.json",
                Language::Rust => "Cargo.lock",
            };
            for file in [lock, "peer.sql"] {
                assert!(sources.folder.join(file).is_file(), "{name} has no {file}");
            }
        }
    }

    #[test]
    fn another_text_is_another_key() {
        let peers = std::env::temp_dir().join(format!("certmill-peers-{}", std::process::id()));
        fs::create_dir_all(peers.join("a")).unwrap();
        fs::create_dir_all(peers.join(SHARED)).unwrap();
        fs::write(peers.join("a/package.json"), "{}").unwrap();
        let key = || Sources::read(&peers, "a").unwrap().key;
        let first = key();
        assert_eq!(first, key());
        fs::write(peers.join(SHARED).join("protocol.mjs"), "//").unwrap();
        assert_ne!(first, key());
        assert_eq!(list(&peers).unwrap(), ["a"]);
        fs::remove_dir_all(&peers).unwrap();
    }
}
