//! Tells whether the server that a `postmaster.pid` names is really alive on this folder.
//!
//! Invariant: a number in a file is never believed: the process must be called postgres, not be
//! a zombie, and work in this folder.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Progress;
use crate::{Error, Result};

/// As long as a clean stop may take; a SIGKILLed server looks alive for some seconds less.
const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until a server of an earlier certmill on this folder is gone.
///
/// # Errors
/// [`Error::Embedded`] with its process id when it does not go.
pub(super) async fn wait_for_predecessor(pgdata: &Path, progress: Progress<'_>) -> Result<()> {
    let begun = Instant::now();
    let mut told = false;
    while let Some(pid) = live_postmaster(pgdata) {
        if begun.elapsed() > PATIENCE {
            return Err(Error::Embedded(format!(
                "a server that certmill did not start (process {pid}) still runs on {}; stop it \
                 with `kill -INT {pid}`, then try again",
                pgdata.display()
            )));
        }
        if !told {
            progress(&format!(
                "waiting for the server before (process {pid}) to stop"
            ));
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    forget_stale(pgdata);
    Ok(())
}

/// Removes a pid file whose process is no live server of this folder: Postgres itself would
/// refuse to start if the number now belongs to another process, or to a zombie. Backends that
/// outlived their postmaster are still found by the shared memory segment of the folder.
pub(super) fn forget_stale(pgdata: &Path) {
    let file = pgdata.join("postmaster.pid");
    if file.exists() && live_postmaster(pgdata).is_none() {
        tracing::warn!(file = %file.display(), "removing the pid file of a server that is gone");
        fs::remove_file(&file).ok();
    }
}

/// The process of the server that runs on this folder.
pub(super) fn live_postmaster(pgdata: &Path) -> Option<u32> {
    let text = fs::read_to_string(pgdata.join("postmaster.pid")).ok()?;
    let pid: u32 = text.lines().next()?.trim().parse().ok()?;
    is_server_of(pid, pgdata).then_some(pid)
}

fn is_server_of(pid: u32, pgdata: &Path) -> bool {
    let proc = Path::new("/proc").join(pid.to_string());
    let Ok(stat) = fs::read_to_string(proc.join("stat")) else {
        return false;
    };
    let Some((name, state)) = name_and_state(&stat) else {
        return false;
    };
    let ours = match fs::read_link(proc.join("cwd")) {
        Ok(cwd) => cwd == pgdata,
        // Not allowed to look: believe the name.
        Err(_) => true,
    };
    name.starts_with("postgres") && state != 'Z' && state != 'X' && ours
}

/// Second and third field of `/proc/<pid>/stat`; the name may hold spaces and brackets.
pub(super) fn name_and_state(stat: &str) -> Option<(&str, char)> {
    let open = stat.find('(')?;
    let close = stat.rfind(')')?;
    let state = stat.get(close + 1..)?.trim_start().chars().next()?;
    Some((stat.get(open + 1..close)?, state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_and_state_survive_odd_names() {
        assert_eq!(name_and_state("7 (postgres) S 1"), Some(("postgres", 'S')));
        assert_eq!(name_and_state("7 (a) b) Z 1"), Some(("a) b", 'Z')));
        assert_eq!(name_and_state(""), None);
    }

    #[test]
    fn the_number_of_another_process_is_stale() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postmaster.pid");
        fs::write(&file, format!("{}\n", std::process::id())).unwrap();
        assert_eq!(live_postmaster(dir.path()), None);
        forget_stale(dir.path());
        assert!(!file.exists());
    }
}
