//! The page of figures, made from the committed runs.
//!
//! Invariant: the page says what the JSON files say; a test compares them.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::registry;
use crate::report::Report;
use crate::suites::{faults, growth};
use crate::{plot, say, table};

const HEAD: &str = "\
# Figures

<!-- Made by `cargo run -p certmill-loadtest -- page` from `docs/figures`; edit those runs, not this page. -->

What the last honest run of each suite of the load test reached. Real processes on one machine: api,
workers and scheduler of a release build, a Postgres of that machine with fsync on and the settings of a plain
installation, and the client, all on the same cores. A value is the median over the rounds; rounds of
what is compared run in turn. What bounds the figures is told in [performance](performance.md).
";

/// The root of the sources.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn path() -> PathBuf {
    root().join("docs/explanation/figures.md")
}

/// Writes the page.
///
/// # Errors
/// A run cannot be read or the page not be written.
pub fn write() -> Result<()> {
    let text = render(&root())?;
    fs::write(path(), text).context("cannot write docs/explanation/figures.md")?;
    if let Some(text) = picture(&root())? {
        fs::write(picture_path(), text).context("cannot write docs/explanation/growth.svg")?;
    }
    say::line("docs/explanation/figures.md written");
    Ok(())
}

fn picture_path() -> PathBuf {
    root().join("docs/explanation/growth.svg")
}

/// The picture of growth, where a run is committed.
fn picture(root: &Path) -> Result<Option<String>> {
    let file = figures_of(growth::NAME, root);
    if !file.exists() {
        return Ok(None);
    }
    Ok(Some(plot::svg(&Report::read(&file)?)))
}

fn figures_of(suite: &str, root: &Path) -> PathBuf {
    root.join(format!("docs/figures/{suite}.json"))
}

/// The page as the committed runs have it; a suite without a run says so.
fn render(root: &Path) -> Result<String> {
    let mut text = HEAD.to_owned();
    for (name, about) in sections() {
        section(&mut text, name, about, root)?;
    }
    Ok(text)
}

/// What has figures, with what it shows.
fn sections() -> impl Iterator<Item = (&'static str, &'static str)> {
    let suites = registry::SUITES.iter();
    let suites = suites.map(|suite| (suite.name, suite.about));
    suites.chain([(faults::NAME, faults::ABOUT)])
}

fn section(text: &mut String, name: &str, about: &str, root: &Path) -> Result<()> {
    let file = figures_of(name, root);
    write!(text, "\n## {name}\n\n{about}\n\n")?;
    if !file.exists() {
        text.push_str("No run is committed yet.\n");
        return Ok(());
    }
    let report = Report::read(&file)?;
    write!(
        text,
        "{}, {}.\n\n{}",
        report.date,
        report.machine,
        table::markdown(&report)
    )?;
    if name == growth::NAME {
        text.push_str("\n![Cost by size, beside that of the smallest](growth.svg)\n");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_page_says_what_the_runs_say() {
        let page = fs::read_to_string(path()).unwrap();
        let wanted = render(&root()).unwrap();
        assert!(
            page == wanted,
            "docs/explanation/figures.md is stale: run `cargo run -p certmill-loadtest -- page`"
        );
    }

    #[test]
    fn the_picture_shows_what_the_run_says() {
        if let Some(wanted) = picture(&root()).unwrap() {
            let drawn = fs::read_to_string(picture_path()).unwrap();
            assert!(drawn == wanted, "docs/explanation/growth.svg is stale");
        }
    }

    #[test]
    fn committed_runs_belong_to_their_suites() {
        for (name, _) in sections() {
            let file = figures_of(name, &root());
            if file.exists() {
                assert_eq!(Report::read(&file).unwrap().suite, name);
            }
        }
    }
}
