//! Tools that the suites call, and how to get them on a Debian-like machine.
//! Invariant: nothing is installed without saying so; without the right to, the exact command is shown.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use super::plan::Suite;

/// Executable, package that brings it, what it is for, and the suites that use it.
const TOOLS: [(&str, &str, &str, &[Suite]); 6] = [
    (
        "cc",
        "build-essential",
        "compiling the cryptography",
        &Suite::ALL,
    ),
    (
        "setpriv",
        "util-linux",
        "running Postgres without root",
        &[Suite::Sql, Suite::Process, Suite::Faults, Suite::Beside],
    ),
    (
        "setsid",
        "util-linux",
        "running Postgres apart from the terminal",
        &[Suite::Sql, Suite::Process, Suite::Faults, Suite::Beside],
    ),
    (
        "openssl",
        "openssl",
        "checking chains with somebody else's eyes",
        &[Suite::Process],
    ),
    (
        "pgbouncer",
        "pgbouncer",
        "seeing a pooler for what it is",
        &[Suite::Sql, Suite::Process, Suite::Faults],
    ),
    (
        "faketime",
        "faketime",
        "processes whose clocks are wrong",
        &[Suite::Faults],
    ),
];

/// Makes sure that the tools for these suites are there.
///
/// # Errors
/// With the command to run, when something is missing and cannot be installed from here.
pub fn install(suites: &[Suite]) -> Result<()> {
    let used = |of: &[Suite]| of.iter().any(|suite| suites.contains(suite));
    let missing: Vec<_> = TOOLS
        .iter()
        .filter(|(tool, _, _, of)| used(of) && !is_present(tool))
        .collect();
    if !missing.is_empty() {
        let mut packages: Vec<&str> = missing.iter().map(|(_, package, ..)| *package).collect();
        packages.dedup();
        for (tool, package, purpose, _) in &missing {
            println!("missing: {tool} (package {package}), for {purpose}");
        }
        install_packages(&packages)?;
        if let Some((tool, package, ..)) = missing.iter().find(|(tool, ..)| !is_present(tool)) {
            bail!("{tool} is still missing after installing {package}");
        }
    }
    if suites.contains(&Suite::Tidy) {
        rust_components()?;
    }
    Ok(())
}

fn is_present(tool: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    let folders = path
        .split(':')
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"]);
    folders
        .into_iter()
        .any(|folder| Path::new(folder).join(tool).is_file())
}

/// Installs packages where this user may.
///
/// # Errors
/// With the command to run by hand.
pub fn install_packages(packages: &[&str]) -> Result<()> {
    let by_hand = format!("sudo apt-get install --yes {}", packages.join(" "));
    let prefix: &[&str] = if is_root() {
        &[]
    } else if succeeds(&["sudo", "-n", "true"]) {
        &["sudo", "-n"]
    } else {
        bail!("this user cannot install packages; run: {by_hand}");
    };
    let apt = [
        prefix,
        &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"],
    ]
    .concat();
    let install = [
        &apt[..],
        &["install", "--yes", "--no-install-recommends"],
        packages,
    ]
    .concat();
    println!("installing: {}", packages.join(" "));
    if succeeds(&install) || (succeeds(&[&apt[..], &["update"]].concat()) && succeeds(&install)) {
        return Ok(());
    }
    bail!(
        "apt-get could not install {}; run: {by_hand}",
        packages.join(" ")
    )
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(words: &[&str]) -> bool {
    let Some((program, rest)) = words.split_first() else {
        return false;
    };
    let status = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    status.is_ok_and(|status| status.success())
}

/// rustfmt and clippy of the pinned toolchain.
fn rust_components() -> Result<()> {
    for (word, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        if succeeds(&["cargo", word, "--version"]) {
            continue;
        }
        println!("installing: the Rust component {component}");
        if !succeeds(&["rustup", "component", "add", component]) {
            bail!("cargo {word} is missing; run: rustup component add {component}");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_are_looked_up_in_the_path() {
        assert!(is_present("sh"));
        assert!(!is_present("certmill-no-such-tool"));
    }

    #[test]
    fn nothing_to_install_is_no_error() {
        assert!(install(&[]).is_ok());
    }
}
