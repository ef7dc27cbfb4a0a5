//! Pinned tools that the suites call: made once, kept in a cache, used without a network afterwards.
//! Invariant: a tool is named by its version, so that two checkouts never share one by accident.

mod cache;
mod crates;
mod pgbouncer;
mod python;

use std::path::{Path, PathBuf};

use anyhow::Result;

pub use cache::{Cache, fnv1a, install_step};
pub use crates::CargoTool;

/// What tests look up tools by: the folders of their executables, as in `PATH`.
pub const TOOLS_VARIABLE: &str = "CERTMILL_TEST_TOOLS";
/// Why some tools cannot be had.
pub const LEFT_OUT_VARIABLE: &str = "CERTMILL_TEST_TOOLS_LEFT_OUT";
/// Where the pinned tools come from.
#[derive(Clone, Copy)]
pub struct Tools {
    /// Do not try the network.
    pub offline: bool,
}

impl Tools {
    /// Folder with the executables of `xtask/tools/requirements.txt`.
    ///
    /// # Errors
    /// With what is missing on this machine, when they are not there and cannot be installed.
    pub fn python(self) -> Result<PathBuf> {
        python::provide(self.offline)
    }

    /// Folder with a PgBouncer that carries prepared statements in transaction mode.
    ///
    /// # Errors
    /// With what is missing on this machine, when it is not there and cannot be built.
    pub fn pgbouncer(self) -> Result<PathBuf> {
        pgbouncer::provide(self.offline)
    }

    /// The executable of a cargo tool.
    ///
    /// # Errors
    /// With what is missing on this machine, when it is not there and cannot be built.
    pub fn cargo(self, tool: CargoTool) -> Result<PathBuf> {
        tool.provide(self.offline)
    }
}

/// `cargo xtask tools`: what tests call, and with `all` what the suites call as well; the only line
/// on stdout is the variable for the tests.
///
/// # Errors
/// When one cannot be made.
pub fn run(all: bool) -> Result<bool> {
    let tools = Tools { offline: false };
    let (python, pgbouncer) = (tools.python()?, tools.pgbouncer()?);
    for tool in CargoTool::ALL.into_iter().filter(|_| all) {
        eprintln!("{}", tools.cargo(tool)?.display());
    }
    let folders = std::env::join_paths([python, pgbouncer])?;
    println!("{TOOLS_VARIABLE}={}", folders.display());
    Ok(true)
}

/// An executable below `folder` that must be there after an installation.
fn executable(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    anyhow::ensure!(
        path.is_file(),
        "{name} is missing in {} (the installation lacks it): remove that folder and run again",
        folder.display()
    );
    Ok(path)
}
