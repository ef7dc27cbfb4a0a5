//! The Python environment: schemathesis, pkilint and squawk with everything below them.
//! Invariant: each package is installed from a ready-made wheel whose hash stands in
//! `xtask/tools/requirements.txt`, so that nothing of it runs while it is installed.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::cache::{Cache, fnv1a, install_step};
use super::executable;
use crate::suites::needs;

const REQUIREMENTS: &str = include_str!("../../tools/requirements.txt");

/// One executable of each package that we ask for.
const EXECUTABLES: [&str; 3] = ["schemathesis", "lint_pkix_cert", "squawk"];

pub(super) fn provide(offline: bool) -> Result<PathBuf> {
    let version = python_version()?;
    let key = format!("python-{:016x}", fnv1a(&[REQUIREMENTS, &version]));
    let folder = Cache::of_user()?.entry(&key, |folder| {
        if offline {
            bail!("there is no network");
        }
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(folder);
        install_step(&mut make, "python3 -m venv")?;
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--retries", "2"])
            .args(["--require-hashes", "--only-binary", ":all:", "-r"])
            .arg(crate::root().join("xtask/tools/requirements.txt"));
        install_step(&mut pip, "pip install")
    })?;
    let bin = folder.join("bin");
    for name in EXECUTABLES {
        executable(&bin, name)?;
    }
    Ok(bin)
}

/// Version of a Python that can make environments; installs one where this user may.
fn python_version() -> Result<String> {
    if let Some(version) = usable_python() {
        return Ok(version);
    }
    eprintln!("missing: python3 with venv (package python3-venv), for tests with tools in Python");
    needs::install_packages(&["python3", "python3-venv"])?;
    usable_python().context("python3 still cannot make environments after installing python3-venv")
}

fn usable_python() -> Option<String> {
    let script = "import ensurepip, sys, venv; print(sys.version)";
    let mut command = Command::new("python3");
    let output = command
        .args(["-c", script])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let version = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !version.is_empty()).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_the_requirements() {
        // Known answers of the algorithm.
        assert_eq!(fnv1a(&[""]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(&["a"]), 0xaf63_dc4c_8601_ec8c);
        assert_ne!(
            fnv1a(&[REQUIREMENTS, "3.11"]),
            fnv1a(&[REQUIREMENTS, "3.12"])
        );
    }

    #[test]
    fn every_requirement_is_pinned_with_a_hash() {
        let pins = REQUIREMENTS
            .lines()
            .filter(|line| line.starts_with(char::is_alphanumeric));
        let mut count = 0;
        for pin in pins {
            assert!(pin.contains("==") && pin.ends_with('\\'), "{pin}");
            count += 1;
        }
        assert!(count > 3);
        let wanted = include_str!("../../tools/requirements.in");
        for line in wanted.lines().filter(|line| line.contains("==")) {
            assert!(REQUIREMENTS.contains(&format!("{line} \\")), "{line}");
        }
    }
}
