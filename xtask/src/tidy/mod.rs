//! `cargo xtask tidy`: house rules that a machine can check, so that reviews need not.
//! Invariant: every rule has an example that it must catch (`fixtures`).

mod comments;
#[cfg(test)]
mod fixtures;
mod layers;
mod names;
mod owners;
mod pages;
mod prose;
mod rule;
mod rust;
mod sizes;
mod tree;

use std::path::Path;

use anyhow::Result;

pub use layers::{Member, members};
use rule::{Fault, Rule};
use tree::Text;

/// Checks the tree, prints every fault and a closing line; true when there is no fault.
///
/// # Errors
/// When the tree or cargo's metadata cannot be read.
pub fn run(root: &Path) -> Result<bool> {
    let files = tree::read(root)?;
    let members = layers::members(root)?;
    let mut report = check(&files);
    report.faults.extend(layers::check(&members));
    report
        .faults
        .sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    report.faults.iter().for_each(|fault| println!("{fault}"));
    let warnings = report.faults.iter().filter(|fault| fault.warning).count();
    let faults = report.faults.len() - warnings;
    let (spread, crates) = (&report.spread, members.len());
    println!(
        "tidy: {} files, {crates} crates, {} functions (p50 {}, p95 {}, longest {} lines): {faults} faults, {warnings} warnings",
        files.len(),
        spread.count(),
        spread.percentile(50),
        spread.percentile(95),
        spread.percentile(100),
    );
    Ok(faults == 0)
}

#[derive(Default)]
struct Report {
    faults: Vec<Fault>,
    spread: sizes::Spread,
}

/// Applies every rule that needs only the files.
fn check(files: &[Text]) -> Report {
    let mut report = Report::default();
    for file in files {
        report.faults.extend(pages::check(file));
        if file.ends_with(".rs") {
            check_rust(file, &mut report);
        } else if let Some(mark) = comment_mark(&file.path) {
            let comments = comments::of_marked(&file.text, mark);
            report
                .faults
                .extend(prose::check(&file.path, &comments, false));
        }
    }
    report.faults.extend(pages::check_tree(files));
    report.faults.extend(report.spread.check());
    report
}

fn check_rust(file: &Text, report: &mut Report) {
    let comments = comments::of_rust(&file.text);
    report
        .faults
        .extend(prose::check(&file.path, &comments, true));
    match rust::parse(&file.text) {
        Ok(parsed) => {
            report.faults.extend(sizes::check(file, &parsed));
            report.faults.extend(names::check(file, &parsed));
            report.faults.extend(owners::check(file, &parsed));
            report.spread.add(file, &parsed.functions);
        }
        Err((line, words)) => {
            report
                .faults
                .push(Fault::new(Rule::Unreadable, &file.path, line, words));
        }
    }
}

/// How comments begin in files other than Rust that carry them.
fn comment_mark(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    match ending {
        "sql" => Some("--"),
        "toml" | "sh" | "yml" | "yaml" | "service" | "conf" => Some("#"),
        _ => None,
    }
}
