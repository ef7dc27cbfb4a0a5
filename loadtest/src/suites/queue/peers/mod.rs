//! The rivals: other people's queues, driven by programs of ours with one command line.
//!
//! Invariant: a rival is one line here and one folder in `loadtest/peers`; each has a database of
//! its own on the same server.

mod room;

use anyhow::{Result, ensure};

use crate::args::Selection;
use crate::rig::Rig;
use crate::{building, say};
pub use room::{Profile, Room};

/// What the load test knows of a rival.
#[derive(Debug)]
pub struct Rival {
    /// The name of its folder.
    pub name: &'static str,
    /// Whose client fills its tables: its own, unless that takes longer than the drain.
    filler: Option<&'static str>,
    /// The wish for our drain, as a multiple of its.
    pub drain_at_least: Option<f64>,
}

/// All rivals.
pub const RIVALS: &[Rival] = &[
    rival("river", Some(2.5)),
    Rival {
        filler: Some("river"),
        ..rival("riverqueue", Some(2.3))
    },
    rival("graphile-worker", Some(1.1)),
    rival("graphile_worker", Some(0.95)),
    rival("pg-boss", None),
    rival("apalis-postgres", None),
];

const fn rival(name: &'static str, drain_at_least: Option<f64>) -> Rival {
    Rival {
        name,
        filler: None,
        drain_at_least,
    }
}

/// The rivals that are asked for and installed, each in its database. What is missing is told.
///
/// # Errors
/// A rival that is there cannot be set up.
pub async fn open(rig: &Rig, selection: &Selection) -> Result<Vec<Room>> {
    let known = |name: &str| name == "pgbench" || RIVALS.iter().any(|rival| rival.name == name);
    for name in &selection.peers {
        ensure!(known(name), "there is no rival `{name}`");
    }
    let mut rooms: Vec<Room> = Vec::new();
    let found = building::peers()?;
    for rival in RIVALS {
        if !selection.wants_peer(rival.name) {
            continue;
        }
        let peer = found.iter().find(|peer| peer.peer == rival.name);
        let program = |name: &str| {
            let peer = found.iter().find(|peer| peer.peer == name);
            peer.and_then(|peer| peer.program.clone())
        };
        let Some(own) = program(rival.name) else {
            let why = peer.and_then(|peer| peer.missing.as_deref());
            let why = why.unwrap_or("it has no folder in loadtest/peers");
            say::line(&format!("left out: {}: {why}", rival.name));
            continue;
        };
        let filler = rival.filler.and_then(program).unwrap_or(own.clone());
        rooms.push(Room::open(rig, rival, own, filler).await?);
    }
    Ok(rooms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_line_has_its_folder_and_every_folder_its_line() {
        let mut folders: Vec<String> =
            std::fs::read_dir(crate::page::root().join("loadtest/peers"))
                .unwrap()
                .map(|entry| entry.unwrap())
                .filter(|entry| entry.path().join("peer.sql").is_file())
                .map(|entry| entry.file_name().into_string().unwrap())
                .collect();
        folders.sort();
        let mut lines: Vec<&str> = RIVALS.iter().map(|rival| rival.name).collect();
        lines.sort_unstable();
        assert_eq!(folders, lines);
        for filler in RIVALS.iter().filter_map(|rival| rival.filler) {
            assert!(lines.contains(&filler));
        }
    }
}
