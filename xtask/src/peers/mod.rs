//! The rivals that the load test measures beside us: programs of ours around other people's queues,
//! built once into the cache of tools.
//! Invariant: a program is named by the contents of its folder, so that what is measured is what
//! stands in the tree; nothing of it is needed by any test.

mod build;
mod sources;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::json;

use crate::tools::Cache;
use sources::Sources;

/// Where the folders stand.
const FOLDER: &str = "loadtest/peers";

/// What `bench-setup` is asked.
#[derive(clap::Args)]
pub struct Choice {
    /// Only these rivals, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    peers: Vec<String>,
    /// Install nothing: say on stdout, a line of JSON each, where a rival is or why it is not there
    #[arg(long)]
    look: bool,
}

/// `cargo xtask bench-setup`: builds each rival that is not there yet. One that cannot be had
/// does not stop the others; the end is green only when all are there.
///
/// # Errors
/// When the folders cannot be read, or a name is unknown.
pub fn run(root: &Path, choice: &Choice) -> Result<bool> {
    let known = sources::list(&root.join(FOLDER))?;
    if let Some(stranger) = choice.peers.iter().find(|name| !known.contains(name)) {
        bail!(
            "there is no rival `{stranger}`; there are {}",
            known.join(", ")
        );
    }
    let cache = Cache::of_user()?;
    let mut missing = Vec::new();
    for name in &known {
        if !choice.peers.is_empty() && !choice.peers.contains(name) {
            continue;
        }
        let sources = Sources::read(&root.join(FOLDER), name)?;
        if choice.look {
            println!("{}", looked_up(&cache, &sources));
            continue;
        }
        match cache.entry(&sources.key, |folder| build::make(&sources, &cache, folder)) {
            Ok(folder) => eprintln!("there: {name} in {}", folder.display()),
            Err(why) => {
                eprintln!("left out: {name}: {why:#}");
                missing.push(name.as_str());
            }
        }
    }
    if missing.is_empty() {
        return Ok(true);
    }
    eprintln!(
        "without {}: the load test measures the others and says so",
        missing.join(", ")
    );
    Ok(false)
}

fn looked_up(cache: &Cache, sources: &Sources) -> serde_json::Value {
    match cache.present(&sources.key).map(program) {
        Some(program) => json!({ "peer": sources.name, "program": program }),
        None => {
            let why = format!(
                "not installed; cargo xtask bench-setup --peers {}",
                sources.name
            );
            json!({ "peer": sources.name, "missing": why })
        }
    }
}

/// The executable within the folder of a rival.
fn program(folder: PathBuf) -> PathBuf {
    folder.join("program")
}
