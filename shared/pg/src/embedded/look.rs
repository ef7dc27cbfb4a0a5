//! What can be told of the embedded server of a data folder from outside, without its lock.
//!
//! Invariant: nothing is made, removed or locked; a number in a file is believed only if that
//! process is what the file says.

use std::fs;
use std::path::{Path, PathBuf};

use super::pidfile;
use super::running::clusters;

/// The embedded server of a data folder, seen from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// There is no cluster in this folder.
    Absent,
    /// There is one, and nothing runs on it.
    Stopped,
    /// Nothing runs, yet a pid file stands there.
    Stale {
        /// The file.
        file: PathBuf,
    },
    /// It runs under a certmill that lives.
    Running {
        /// The server's process id.
        pid: u32,
    },
    /// It runs, and the certmill that started it is gone.
    Orphaned {
        /// The server's process id.
        pid: u32,
    },
}

/// Looks at a data folder.
#[must_use]
pub fn look(data_dir: &Path) -> Look {
    let Ok(root) = data_dir.canonicalize() else {
        return Look::Absent;
    };
    let Some(pgdata) = clusters(&root).next() else {
        return Look::Absent;
    };
    let file = pgdata.join("postmaster.pid");
    match pidfile::live_postmaster(&pgdata) {
        Some(pid) if owner_lives(data_dir) => Look::Running { pid },
        Some(pid) => Look::Orphaned { pid },
        None if file.exists() => Look::Stale { file },
        None => Look::Stopped,
    }
}

/// The lock's file names the certmill that has the folder; its number is not given out anew while
/// it is a zombie, and a stranger under the same number is told by its name.
fn owner_lives(data_dir: &Path) -> bool {
    let text = fs::read_to_string(data_dir.join("pg.lock")).unwrap_or_default();
    let Ok(pid) = text.trim().parse::<u32>() else {
        return false;
    };
    let proc = Path::new("/proc").join(pid.to_string());
    let stat = fs::read_to_string(proc.join("stat")).unwrap_or_default();
    pidfile::name_and_state(&stat).is_some_and(|(_, state)| state != 'Z' && state != 'X')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_without_a_server_is_told_from_one_with_leavings() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(look(dir.path()), Look::Absent);
        assert_eq!(look(&dir.path().join("none")), Look::Absent);
        let pgdata = dir.path().canonicalize().unwrap().join("pgdata-17");
        fs::create_dir(&pgdata).unwrap();
        assert_eq!(look(dir.path()), Look::Stopped);
        let file = pgdata.join("postmaster.pid");
        fs::write(&file, "1\n").unwrap();
        assert_eq!(look(dir.path()), Look::Stale { file });
    }

    #[test]
    fn the_owner_is_whoever_the_lock_names_and_lives() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!owner_lives(dir.path()));
        let lock = dir.path().join("pg.lock");
        fs::write(&lock, format!("{}\n", std::process::id())).unwrap();
        assert!(owner_lives(dir.path()));
        fs::write(&lock, "4194305\n").unwrap();
        assert!(!owner_lives(dir.path()));
    }
}
