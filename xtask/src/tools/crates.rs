//! Tools that cargo builds, at pinned versions, by the toolchain of this workspace.
//! Invariant: `--locked`, so that the same version is the same code.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::cache::{Cache, install_step};
use super::executable;
use crate::suites;

/// A tool from the package registry of Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CargoTool {
    /// Licences, bans and sources of dependencies
    Deny,
    /// Dependencies that nobody names
    Machete,
    /// Runs the targets in `fuzz/`
    Fuzz,
}

impl CargoTool {
    pub const ALL: [Self; 3] = [Self::Deny, Self::Machete, Self::Fuzz];

    fn pinned(self) -> (&'static str, &'static str) {
        match self {
            Self::Deny => ("cargo-deny", "0.20.2"),
            Self::Machete => ("cargo-machete", "0.9.2"),
            Self::Fuzz => ("cargo-fuzz", "0.13.2"),
        }
    }

    pub(super) fn provide(self, offline: bool) -> Result<PathBuf> {
        let (name, version) = self.pinned();
        let folder = Cache::of_user()?.entry(&format!("{name}-{version}"), |folder| {
            let build = folder.join("build");
            let words = [
                "install",
                "--quiet",
                "--locked",
                name,
                "--version",
                version,
                "--root",
            ];
            let mut command = suites::cargo(&crate::root(), &words, offline);
            command.arg(folder).arg("--target-dir").arg(&build);
            // A check runs for seconds: what optimising it would save, optimising it costs.
            command.env("CARGO_PROFILE_RELEASE_LTO", "off");
            command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1");
            command.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
            install_step(&mut command, &format!("cargo install {name}"))?;
            executable(&folder.join("bin"), name)?;
            fs::remove_dir_all(&build).ok();
            Ok(())
        })?;
        executable(&folder.join("bin"), name)
    }
}
