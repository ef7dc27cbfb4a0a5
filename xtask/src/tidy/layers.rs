//! Which crate may depend on which, as ARCHITECTURE.md draws it; manifests and test binaries.
//! Invariant: a crate without a row here fails, so that no edge is allowed by being forgotten.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::rule::{Fault, Rule};

/// What a crate may depend on inside the workspace.
enum May {
    Anything,
    Only(&'static [&'static str]),
}

const SERVICE_AND_BELOW: [&str; 8] = [
    "service",
    "store",
    "queue",
    "coordination",
    "pg",
    "domain",
    "crypto",
    "wire",
];
const CONNECTORS: [&str; 3] = ["issuers", "targets", "notifiers"];

/// Open to every crate but domain.
const OPEN: [&str; 3] = ["telemetry", "tasks", "settings"];

const ROWS: [(&str, May); 27] = [
    ("domain", May::Only(&[])),
    ("crypto", May::Only(&["domain"])),
    ("wire", May::Only(&["domain"])),
    ("settings", May::Only(&[])),
    ("tasks", May::Only(&[])),
    ("telemetry", May::Only(&[])),
    ("pg", May::Only(&[])),
    ("store", May::Only(&["pg", "domain"])),
    ("queue", May::Only(&["pg", "domain"])),
    ("coordination", May::Only(&["pg"])),
    (
        "service",
        May::Only(&["store", "queue", "coordination", "pg", "domain", "crypto"]),
    ),
    (
        "doctor",
        May::Only(&["store", "queue", "pg", "domain", "crypto"]),
    ),
    (
        "rehearsal",
        May::Only(&["service", "queue", "pg", "crypto", "domain"]),
    ),
    ("testkit", May::Anything),
    ("properties", May::Only(&["crypto", "domain"])),
    ("cli", May::Anything),
    ("loadtest", May::Anything),
    ("xtask", May::Anything),
    ("spi", May::Only(&["domain", "crypto"])),
    ("issuers", May::Only(&["spi", "domain", "crypto"])),
    ("targets", May::Only(&["spi", "domain", "crypto"])),
    ("notifiers", May::Only(&["spi", "domain", "crypto"])),
    ("api", May::Only(&["dashboard"])),
    ("dashboard", May::Only(&[])),
    ("worker", May::Only(&["spi"])),
    (
        "scheduler",
        May::Only(&["store", "queue", "coordination", "pg", "domain"]),
    ),
    ("agent", May::Only(&["targets", "spi", "wire", "crypto"])),
];

/// Skins and the worker see the service side and the connectors as well.
const WIDE: [&str; 3] = ["api", "dashboard", "worker"];

/// Libraries that only some crates may depend on, dev-dependencies left out.
const OUTSIDE: [(Rule, &[&str], &[&str]); 3] = [
    (
        Rule::Sql,
        &["sqlx"],
        &[
            "store",
            "queue",
            "coordination",
            "pg",
            "testkit",
            "loadtest",
        ],
    ),
    (
        Rule::Apalis,
        &["apalis", "apalis-core"],
        &["queue", "worker"],
    ),
    (Rule::Ticker, &["backon"], &["tasks"]),
];

const IMPURE: [&str; 7] = [
    "tokio",
    "rand",
    "getrandom",
    "reqwest",
    "sqlx",
    "axum",
    "hyper",
];

/// One crate of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Member {
    /// `certmill-queue`
    pub name: String,
    /// `shared/queue`
    pub folder: String,
    /// Normal dependencies, inside and outside of the workspace.
    pub dependencies: Vec<String>,
    /// Names of the integration test binaries.
    pub tests: Vec<String>,
    pub manifest: String,
}

impl Member {
    fn short(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or_default()
    }
}

/// The part of `cargo metadata` that the rules need. It is read here rather than by a library,
/// because that would switch on features that make `cargo run` and the tests compile apart.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `dev`, `build`, or nothing for a normal one.
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Asks cargo for the crates of the workspace; needs no network.
///
/// # Errors
/// When cargo cannot read the manifests.
pub fn members(root: &Path) -> Result<Vec<Member>> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(program)
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root)
        .output()
        .context("cannot start cargo metadata")?;
    if !output.status.success() {
        bail!(
            "cargo metadata failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("cargo metadata answers in another form")?;
    metadata
        .packages
        .into_iter()
        .map(|package| member(root, package))
        .collect()
}

fn member(root: &Path, package: Package) -> Result<Member> {
    let manifest = std::fs::read_to_string(&package.manifest_path)
        .with_context(|| format!("cannot read {}", package.manifest_path.display()))?;
    let folder = package.manifest_path.parent().unwrap_or(root);
    let folder = folder
        .strip_prefix(root)
        .unwrap_or(folder)
        .to_string_lossy()
        .into_owned();
    let normal = package
        .dependencies
        .into_iter()
        .filter(|dependency| dependency.kind.is_none());
    let tests = package
        .targets
        .into_iter()
        .filter(|target| target.kind == ["test"]);
    Ok(Member {
        name: package.name,
        folder,
        dependencies: normal.map(|dependency| dependency.name).collect(),
        tests: tests.map(|target| target.name).collect(),
        manifest,
    })
}

/// Faults of the crates: names, edges, manifests, test binaries.
pub fn check(members: &[Member]) -> Vec<Fault> {
    members.iter().flat_map(check_member).collect()
}

fn check_member(member: &Member) -> Vec<Fault> {
    let path = format!("{}/Cargo.toml", member.folder);
    let mut faults = manifest(member, &path);
    let mut fault = |rule, line, what| faults.push(Fault::new(rule, &path, line, what));
    let short = member.short();
    if member.name != format!("certmill-{short}")
        || ["common", "core", "utils", "util"].contains(&short)
    {
        fault(
            Rule::Crate,
            1,
            format!("crate {} in {}", member.name, member.folder),
        );
    }
    let Some((_, may)) = ROWS.iter().find(|(name, _)| *name == short) else {
        fault(
            Rule::Crate,
            1,
            format!("crate {short} has no row in the table of layers"),
        );
        return faults;
    };
    for dependency in &member.dependencies {
        let line = line_of(&member.manifest, dependency);
        if let Some(inner) = dependency.strip_prefix("certmill-") {
            if !allowed(short, may, inner) {
                fault(Rule::Layer, line, format!("{short} depends on {inner}"));
            }
            continue;
        }
        for (rule, libraries, places) in &OUTSIDE {
            if libraries.contains(&dependency.as_str()) && !places.contains(&short) {
                fault(*rule, line, format!("{short} depends on {dependency}"));
            }
        }
        if short == "domain" && IMPURE.contains(&dependency.as_str()) {
            fault(
                Rule::Purity,
                line,
                format!("domain depends on {dependency}"),
            );
        }
    }
    for test in &member.tests {
        if test != "it" && short != "cli" {
            fault(Rule::TestTarget, 1, format!("test binary `{test}`"));
        }
    }
    faults
}

fn allowed(short: &str, may: &May, inner: &str) -> bool {
    let listed = match may {
        May::Anything => return true,
        May::Only(names) => names.contains(&inner),
    };
    let open = short != "domain" && OPEN.contains(&inner);
    let wide = WIDE.contains(&short)
        && (SERVICE_AND_BELOW.contains(&inner) || CONNECTORS.contains(&inner));
    listed || open || wide
}

/// Each dependency comes from the workspace, each crate takes the shared lints.
fn manifest(member: &Member, path: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (mut section, mut lints) = ("", false);
    for (index, line) in member.manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line;
        } else if section == "[lints]" && line == "workspace = true" {
            lints = true;
        } else if section.ends_with("dependencies]") && line.contains('=') && !line.starts_with('#')
        {
            let shared = line.replace(' ', "").contains("workspace=true");
            if !shared {
                let what = format!("dependency `{line}` has its own version");
                faults.push(Fault::new(Rule::Manifest, path, index + 1, what));
            }
        }
    }
    if !lints {
        faults.push(Fault::new(
            Rule::Manifest,
            path,
            1,
            "the shared lints are not taken",
        ));
    }
    faults
}

fn line_of(manifest: &str, dependency: &str) -> usize {
    manifest
        .lines()
        .position(|line| line.starts_with(dependency))
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn cargo_tells_the_crates_of_this_workspace() {
        let members = members(&crate::root()).unwrap();
        let queue = members
            .iter()
            .find(|member| member.name == "certmill-queue")
            .unwrap();
        assert_eq!(queue.folder, "shared/queue");
        assert!(queue.dependencies.iter().any(|name| name == "certmill-pg"));
        assert!(
            !queue
                .dependencies
                .iter()
                .any(|name| name == "certmill-testkit")
        );
    }
}
