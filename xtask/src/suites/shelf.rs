//! What the tests of one run may call, and what is not there and why.
//! Invariant: a test finds its tool on the shelf, or the reason why it is not there.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::plan::Suite;
use crate::tools::{LEFT_OUT_VARIABLE, TOOLS_VARIABLE, Tools};

/// A tool's folder, or why there is none.
type Place = Result<PathBuf, String>;

/// The tools of one run.
pub struct Shelf {
    /// Folder of the executables in Python.
    pub python: Place,
    /// Folder of a recent PgBouncer.
    pub pgbouncer: Place,
    wanted: [bool; 2],
}

impl Shelf {
    /// Fetches what some test of these suites calls; what cannot be had is said.
    pub fn fill(suites: &[Suite], tools: Tools) -> Self {
        let wanted = [Suite::needs_python, Suite::needs_pgbouncer]
            .map(|needs| suites.iter().any(|suite| needs(*suite)));
        let place = |wanted: bool, provide: fn(Tools) -> Result<PathBuf>| {
            if !wanted {
                return Err("no chosen suite calls one".to_owned());
            }
            provide(tools).map_err(|why| format!("{why:#}"))
        };
        let shelf = Self {
            python: place(wanted[0], Tools::python),
            pgbouncer: place(wanted[1], Tools::pgbouncer),
            wanted,
        };
        for what in shelf.left_out() {
            println!("leaving out {what}");
        }
        shelf
    }

    /// What is wanted and not there, with the reason.
    pub fn left_out(&self) -> Vec<String> {
        let places = [
            ("tests that need tools in Python", &self.python),
            ("tests behind a recent PgBouncer", &self.pgbouncer),
        ];
        let places = places.into_iter().zip(self.wanted);
        places
            .filter_map(|((what, place), wanted)| match place {
                Err(why) if wanted => Some(format!("{what} ({why})")),
                _ => None,
            })
            .collect()
    }

    /// Tells the tests.
    pub fn tell(&self, command: &mut Command) {
        let places = [&self.python, &self.pgbouncer];
        let here = places.iter().filter_map(|place| place.as_ref().ok());
        // A folder of a cache has no colon in its name, or nothing would have been built there.
        if let Ok(folders) = std::env::join_paths(here) {
            command.env(TOOLS_VARIABLE, folders);
        }
        let reasons = places.iter().filter_map(|place| place.as_ref().err());
        let reasons: Vec<_> = reasons.map(String::as_str).collect();
        if !reasons.is_empty() {
            command.env(LEFT_OUT_VARIABLE, reasons.join("; "));
        }
    }
}
