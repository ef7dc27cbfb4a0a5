//! Gates on dependencies and migrations, held by tools of other people.
//! Invariant: before a gate says "clean" it has found a fault that was planted, so that a tool that
//! looks at nothing is not taken for one that finds nothing.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::{cargo, stream};
use crate::tools::{CargoTool, Tools};

/// One gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Licences, banned crates, sources of dependencies (cargo-deny, `deny.toml`)
    Dependencies,
    /// Dependencies that nobody names (cargo-machete)
    Unused,
    /// Statements in migrations that lock or break what runs (squawk, `.squawk.toml`)
    Migrations,
    /// `fuzz/Cargo.lock` fits the manifests
    FuzzLock,
}

/// How a gate ended.
pub enum Verdict {
    Clean,
    Faulty(String),
    /// The tool cannot be had here: why.
    LeftOut(String),
}

/// What a gate needs to know of the run.
pub struct Site<'a> {
    pub root: &'a Path,
    pub tools: Tools,
    /// Folder of the Python tools, or why there is none.
    pub python: &'a Result<PathBuf, String>,
    pub deadline: Instant,
}

const GPL_MANIFEST: &str = "[package]\nname = \"planted\"\nversion = \"0.1.0\"\n\
    edition = \"2024\"\nlicense = \"GPL-3.0-only\"\n[workspace]\n";

const UNUSED_MANIFEST: &str = "[package]\nname = \"planted\"\nversion = \"0.1.0\"\n\
    edition = \"2024\"\n[dependencies]\nnobody-names-me = \"1\"\n[workspace]\n";

/// A statement of a kind that must not pass, and the rule that finds it.
const BAD_STATEMENTS: [(&str, &str); 6] = [
    (
        "adding-required-field",
        "ALTER TABLE job ADD COLUMN colour text NOT NULL;",
    ),
    (
        "changing-column-type",
        "ALTER TABLE job ALTER COLUMN id TYPE text;",
    ),
    (
        "require-concurrent-index-creation",
        "CREATE INDEX job_kind ON job (kind);",
    ),
    (
        "renaming-column",
        "ALTER TABLE job RENAME COLUMN kind TO sort;",
    ),
    ("ban-drop-column", "ALTER TABLE job DROP COLUMN object;"),
    (
        "constraint-missing-not-valid",
        "ALTER TABLE job ADD CONSTRAINT job_kind_short CHECK (length(kind) < 20);",
    ),
];

/// Findings in migrations that have been applied somewhere and so can no longer change: file, rule,
/// and why it does no harm. A new migration has `squawk-ignore` in its own text instead.
const ACCEPTED: [(&str, &str, &str); 3] = [
    (
        "0007_authorities.sql",
        "require-concurrent-index-creation",
        "a handful of keys",
    ),
    (
        "0008_revocation.sql",
        "constraint-missing-not-valid",
        "one scan of a table that no release has filled",
    ),
    (
        "0008_revocation.sql",
        "require-concurrent-index-creation",
        "one scan of a table that no release has filled",
    ),
];

impl Gate {
    pub const ALL: [Self; 4] = [
        Self::Dependencies,
        Self::Unused,
        Self::Migrations,
        Self::FuzzLock,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Dependencies => "cargo deny check bans licenses sources",
            Self::Unused => "cargo machete",
            Self::Migrations => "squawk migrations",
            Self::FuzzLock => "fuzz/Cargo.lock",
        }
    }

    /// Plants a fault and looks for it, then looks at the tree.
    ///
    /// # Errors
    /// When this machine cannot write or start programs at all.
    pub fn run(self, site: &Site<'_>) -> Result<Verdict> {
        let scratch = Scratch::new()?;
        match self {
            Self::Dependencies => dependencies(site, &scratch),
            Self::Unused => unused(site, &scratch),
            Self::Migrations => migrations(site, &scratch),
            Self::FuzzLock => fuzz_lock(site, &scratch),
        }
    }
}

fn dependencies(site: &Site<'_>, scratch: &Scratch) -> Result<Verdict> {
    let deny = match site.tools.cargo(CargoTool::Deny) {
        Ok(path) => path,
        Err(why) => return Ok(Verdict::LeftOut(format!("{why:#}"))),
    };
    let check = |manifest: &Path, what: &[&str]| {
        let mut command = Command::new(&deny);
        command
            .current_dir(site.root)
            .args(["--log-level", "error", "--offline"])
            .arg("--manifest-path")
            .arg(manifest)
            .arg("--config")
            .arg(site.root.join("deny.toml"))
            .args(["check", "--hide-inclusion-graph"])
            .args(what);
        command
    };
    let manifest = scratch.crate_with(GPL_MANIFEST)?;
    let planted = scratch.run(site, &mut check(&manifest, &["licenses"]))?;
    if !planted.finds("GPL-3.0") {
        return Ok(planted.blind("a planted crate under the GPL"));
    }
    let real = site.root.join("Cargo.toml");
    let ended = scratch.run(site, &mut check(&real, &["bans", "licenses", "sources"]))?;
    Ok(ended.verdict("mend the dependency, or the rule in deny.toml with its reason"))
}

fn unused(site: &Site<'_>, scratch: &Scratch) -> Result<Verdict> {
    let machete = match site.tools.cargo(CargoTool::Machete) {
        Ok(path) => path,
        Err(why) => return Ok(Verdict::LeftOut(format!("{why:#}"))),
    };
    scratch.crate_with(UNUSED_MANIFEST)?;
    let planted = scratch.run(site, Command::new(&machete).arg(&scratch.folder))?;
    if !planted.finds("nobody-names-me") {
        return Ok(planted.blind("a planted dependency that nobody names"));
    }
    let ended = scratch.run(site, Command::new(&machete).arg(site.root))?;
    Ok(ended.verdict("remove the dependency from that Cargo.toml"))
}

fn migrations(site: &Site<'_>, scratch: &Scratch) -> Result<Verdict> {
    let squawk = match site.python {
        Ok(folder) => folder.join("squawk"),
        Err(why) => return Ok(Verdict::LeftOut(why.clone())),
    };
    let check = |files: &[PathBuf]| {
        let mut command = Command::new(&squawk);
        command
            .arg("--config")
            .arg(site.root.join(".squawk.toml"))
            .args(["--reporter", "gcc"])
            .args(files);
        command
    };
    for (rule, statement) in BAD_STATEMENTS {
        let file = scratch.folder.join("9999_planted.sql");
        fs::write(&file, statement)?;
        let planted = scratch.run(site, &mut check(&[file]))?;
        if !planted.finds(rule) {
            return Ok(planted.blind(statement));
        }
    }
    let files = migration_files(site.root)?;
    let ended = scratch.run(site, &mut check(&files))?;
    let text = unaccepted(&ended.text);
    let success = ended.success || text.is_empty();
    Ok(Ended { success, text }.verdict(
        "write the migration so that it neither locks nor breaks what runs; a statement that is \
         right all the same has `-- squawk-ignore RULE` above it, with the reason",
    ))
}

/// The findings that nobody has accepted, and whatever is no finding at all.
fn unaccepted(text: &str) -> String {
    let accepted = |line: &&str| {
        ACCEPTED
            .iter()
            .any(|(file, rule, _)| line.contains(file) && line.contains(&format!(": {rule} ")))
    };
    let rest: Vec<&str> = text.lines().filter(|line| !accepted(line)).collect();
    rest.join("\n").trim().to_owned()
}

fn migration_files(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("migrations");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).context("cannot list migrations/")? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "sql") {
            files.push(path);
        }
    }
    files.sort();
    ensure!(
        !files.is_empty(),
        "migrations/ is empty: nothing was checked"
    );
    Ok(files)
}

fn fuzz_lock(site: &Site<'_>, scratch: &Scratch) -> Result<Verdict> {
    let words = [
        "metadata",
        "--locked",
        "--format-version",
        "1",
        "--manifest-path",
        "fuzz/Cargo.toml",
    ];
    let ended = scratch.run(site, &mut cargo(site.root, &words, site.tools.offline))?;
    if site.tools.offline && !ended.success {
        return Ok(Verdict::LeftOut("there is no network".to_owned()));
    }
    let Ended { success, text } = ended;
    // The good answer is a large document that nobody reads.
    let text = if success { String::new() } else { text };
    Ok(Ended { success, text }.verdict("run `cargo update --workspace` in fuzz/"))
}

/// What a tool said.
struct Ended {
    success: bool,
    text: String,
}

impl Ended {
    fn finds(&self, word: &str) -> bool {
        !self.success && self.text.contains(word)
    }

    fn blind(&self, what: &str) -> Verdict {
        println!("{}", self.text);
        Verdict::Faulty(format!("the tool does not find what was planted: {what}"))
    }

    fn verdict(self, cure: &str) -> Verdict {
        if self.success {
            return Verdict::Clean;
        }
        println!("{}", self.text);
        Verdict::Faulty(cure.to_owned())
    }
}

/// A folder for planted faults and for what tools say; gone at the end.
struct Scratch {
    folder: PathBuf,
}

impl Scratch {
    fn new() -> Result<Self> {
        let name = format!("certmill-gate-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::remove_dir_all(&folder).ok();
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    /// A crate without code under this manifest.
    fn crate_with(&self, manifest: &str) -> Result<PathBuf> {
        let path = self.folder.join("Cargo.toml");
        fs::create_dir_all(self.folder.join("src"))?;
        fs::write(&path, manifest)?;
        fs::write(self.folder.join("src/lib.rs"), "//! Planted.\n")?;
        Ok(path)
    }

    fn run(&self, site: &Site<'_>, command: &mut Command) -> Result<Ended> {
        let said = self.folder.join("stderr.txt");
        let mut text = Vec::new();
        let ended = stream::run(
            command.stderr(File::create(&said)?),
            site.deadline,
            &mut text,
        )?;
        text.extend(fs::read(&said)?);
        Ok(Ended {
            success: ended.success,
            text: String::from_utf8_lossy(&text).into_owned(),
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_accepted_is_accepted_in_its_file_only() {
        let (file, rule, _) = ACCEPTED[0];
        let accepted = format!("migrations/{file}:19:0: warning: {rule} During ..");
        let fresh = format!("migrations/0099_new.sql:19:0: warning: {rule} During ..");
        assert_eq!(unaccepted(&format!("{accepted}\n{fresh}\n")), fresh);
        assert_eq!(unaccepted(&accepted), "");
    }
}
