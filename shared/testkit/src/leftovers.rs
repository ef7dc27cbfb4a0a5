//! Removes what test processes that are gone left in the temporary folder.
//!
//! Invariant: a folder goes only when the process named in it no longer exists.

use std::fs;
use std::path::Path;

/// Start of the folder names; a process id and a random part follow.
pub(crate) const PREFIX: &str = "certmill-test-";

/// Removes the folders of dead processes below `temp`.
pub(crate) fn sweep(temp: &Path) {
    for entry in fs::read_dir(temp).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(owner_of);
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn owner_of(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_of_dead_processes_go() {
        let temp = tempfile::tempdir().unwrap();
        let alive = temp
            .path()
            .join(format!("{PREFIX}{}-x", std::process::id()));
        let dead = temp.path().join(format!("{PREFIX}4194999-x"));
        let other = temp.path().join("something");
        for dir in [&alive, &dead, &other] {
            fs::create_dir(dir).unwrap();
        }
        sweep(temp.path());
        assert!(alive.exists() && other.exists() && !dead.exists());
    }
}
