//! Replays the corpus on the ordinary compiler, so that what a fuzzer once found stays found.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::PROPERTIES;

/// Far above what any entry takes, far below what quadratic time would.
const SLOW: Duration = Duration::from_secs(2);

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn every_entry_of_the_corpus_holds() {
    for (name, property) in PROPERTIES {
        let folder = corpus().join(name);
        let entries = names(&folder);
        assert!(entries.len() >= 5, "the corpus of {name} is nearly empty");
        for entry in entries {
            let input = std::fs::read(folder.join(&entry)).unwrap();
            assert!(input.len() <= 70_000, "{name}/{entry} is large");
            let began = Instant::now();
            let held = std::panic::catch_unwind(|| property(&input));
            assert!(held.is_ok(), "{name} does not hold for {entry}");
            let took = began.elapsed();
            assert!(took < SLOW, "{name} takes {took:?} for {entry}");
        }
    }
}

#[test]
fn corpus_and_targets_are_those_of_the_properties() {
    let wanted: Vec<String> = PROPERTIES.map(|(name, _)| name.to_owned()).into();
    assert_eq!(names(&corpus()), wanted);
    let files: Vec<String> = wanted.iter().map(|name| format!("{name}.rs")).collect();
    assert_eq!(names(&corpus().join("../targets")), files);
}
