//! Sizes of files and functions.
//! Invariant: tests keep a milder bound for functions and the same one for files.

use super::rule::{Fault, Rule};
use super::rust::{Function, Parsed};
use super::tree::Text;

const FILE_WARN: usize = 450;
const FILE_FAIL: usize = 600;
const FUNCTION_FAIL: usize = 80;
const TEST_FUNCTION_FAIL: usize = 120;
const MAIN_MAX: usize = 60;
const P95_MAX: usize = 50;

/// Faults of one file.
pub fn check(file: &Text, parsed: &Parsed) -> Vec<Fault> {
    let mut faults = Vec::new();
    let lines = file.text.lines().count();
    let what = format!("the file has {lines} lines (limit {FILE_FAIL}, look again at {FILE_WARN})");
    if lines >= FILE_FAIL {
        faults.push(Fault::new(Rule::FileSize, &file.path, 1, what));
    } else if lines >= FILE_WARN {
        faults.push(Fault::warning(Rule::FileSize, &file.path, 1, what));
    }
    for function in &parsed.functions {
        let test = function.test || file.is_test();
        let limit = if test {
            TEST_FUNCTION_FAIL
        } else {
            FUNCTION_FAIL
        };
        let (name, size) = (&function.name, function.lines);
        if size >= limit {
            let what = format!("`{name}` has {size} lines (limit {limit})");
            faults.push(Fault::new(
                Rule::FunctionSize,
                &file.path,
                function.line,
                what,
            ));
        } else if name == "main" && !test && size > MAIN_MAX {
            let what = format!("`main` has {size} lines (at most {MAIN_MAX})");
            faults.push(Fault::new(Rule::MainSize, &file.path, function.line, what));
        }
    }
    faults
}

/// How long the functions of the whole tree are, tests left out.
#[derive(Debug, Default)]
pub struct Spread {
    sizes: Vec<(usize, String, usize)>,
}

impl Spread {
    pub fn add(&mut self, file: &Text, functions: &[Function]) {
        let own = functions
            .iter()
            .filter(|function| !function.test && !file.is_test());
        self.sizes
            .extend(own.map(|f| (f.lines, file.path.clone(), f.line)));
    }

    /// The size that `percent` of the functions do not exceed; 0 without functions.
    pub fn percentile(&self, percent: usize) -> usize {
        let mut sizes: Vec<usize> = self.sizes.iter().map(|(lines, ..)| *lines).collect();
        sizes.sort_unstable();
        let rank = (sizes.len() * percent).div_ceil(100);
        sizes.get(rank.saturating_sub(1)).copied().unwrap_or(0)
    }

    pub fn count(&self) -> usize {
        self.sizes.len()
    }

    /// One fault, at the longest function, when the tree as a whole has grown too coarse.
    pub fn check(&self) -> Option<Fault> {
        let p95 = self.percentile(95);
        let (lines, path, line) = self.sizes.iter().max()?;
        let what =
            format!("p95 of all functions is {p95} lines (limit {P95_MAX}), the longest {lines}");
        (p95 > P95_MAX).then(|| Fault::new(Rule::FunctionSpread, path, *line, what))
    }
}
