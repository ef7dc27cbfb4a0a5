//! Finds the programs of a Postgres server on this machine.
//!
//! Invariant: only a version that we support is returned, and, where a data folder exists, only
//! the major version that made it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::command;
use crate::{Error, MINIMUM_MAJOR, Result};

/// Debian and Ubuntu keep each major version in a folder of its own.
const DEBIAN_ROOT: &str = "/usr/lib/postgresql";

/// Programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    /// Their folder; `None` = the PATH finds them.
    dir: Option<PathBuf>,
    /// Major version.
    pub(super) major: u32,
}

impl Binaries {
    /// How to call a program.
    pub(super) fn program(&self, name: &str) -> OsString {
        match &self.dir {
            Some(dir) => dir.join(name).into_os_string(),
            None => name.into(),
        }
    }

    /// What the server's user must be able to reach.
    pub(super) fn probe_path(&self) -> Option<&Path> {
        self.dir.as_deref()
    }
}

/// Programs in a named folder, which must be usable.
pub(super) fn from_setting(dir: &Path, wanted: Option<u32>) -> Result<Binaries> {
    let found = probe(Some(dir)).ok_or_else(|| {
        Error::Embedded(format!(
            "{} holds no working `postgres`; point the setting at the folder that holds `postgres` \
             and `initdb`",
            dir.display()
        ))
    })?;
    if found.major < MINIMUM_MAJOR {
        return Err(Error::Embedded(format!(
            "{} holds PostgreSQL {}, certmill needs {MINIMUM_MAJOR} or newer",
            dir.display(),
            found.major
        )));
    }
    match wanted {
        Some(major) if major != found.major => Err(Error::Embedded(format!(
            "the data folder was made by PostgreSQL {major}, but {} holds {}; point the setting at \
             PostgreSQL {major}, or move the data over with pg_upgrade",
            dir.display(),
            found.major
        ))),
        _ => Ok(found),
    }
}

/// The best programs on this machine: Debian's folders (newest first), `pg_config`, the PATH.
pub(super) fn installed(wanted: Option<u32>) -> Option<Binaries> {
    let mut places: Vec<Option<PathBuf>> = debian_folders(Path::new(DEBIAN_ROOT))
        .into_iter()
        .map(Some)
        .collect();
    places.extend(pg_config_folder().map(Some));
    places.push(None);
    places
        .iter()
        .filter_map(|dir| probe(dir.as_deref()))
        .find(|found| {
            found.major >= MINIMUM_MAJOR && wanted.is_none_or(|major| major == found.major)
        })
}

fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let mut majors: Vec<u32> = fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors
        .into_iter()
        .map(|major| root.join(major.to_string()).join("bin"))
        .collect()
}

fn pg_config_folder() -> Option<PathBuf> {
    let output = command::plain("pg_config").arg("--bindir").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let dir = text.trim();
    (output.status.success() && !dir.is_empty()).then(|| PathBuf::from(dir))
}

/// Asks `postgres` for its version; `initdb` must be there too (client packages lack both).
fn probe(dir: Option<&Path>) -> Option<Binaries> {
    let mut found = Binaries {
        dir: dir.map(Path::to_path_buf),
        major: 0,
    };
    found.major = version_of(&found.program("postgres"))?;
    (version_of(&found.program("initdb"))? == found.major).then_some(found)
}

fn version_of(program: &OsString) -> Option<u32> {
    let output = command::plain(program).arg("--version").output().ok()?;
    parse_major(&String::from_utf8_lossy(&output.stdout))
}

/// `postgres (PostgreSQL) 17.6 (Debian ..)` -> 17; also `18beta1`.
fn parse_major(text: &str) -> Option<u32> {
    let version = text.split(" (PostgreSQL) ").nth(1)?;
    let digits: String = version.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            parse_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0)\n"),
            Some(15)
        );
        assert_eq!(parse_major("initdb (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_major("mysqld 8.0"), None);
    }

    #[test]
    fn debian_folders_come_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["9.6", "15", "17", "16", "lost+found"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let names: Vec<_> = debian_folders(dir.path());
        let expected: Vec<_> = ["17", "16", "15"]
            .iter()
            .map(|v| dir.path().join(v).join("bin"))
            .collect();
        assert_eq!(names, expected);
    }

    #[test]
    fn a_folder_without_postgres_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let words = from_setting(dir.path(), None).unwrap_err().to_string();
        assert!(words.contains("no working `postgres`"), "{words}");
    }
}
