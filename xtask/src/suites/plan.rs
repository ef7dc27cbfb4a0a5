//! The suites: what each runs and how many minutes it may take on two cores.
//! Invariant: every test binary of the workspace belongs to a suite, or the plan is refused.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::tidy::Member;

/// A suite, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// House rules, formatting, clippy
    Tidy,
    /// Compile what the chosen suites need
    Build,
    /// Tests inside the crates, and examples in docstrings
    Unit,
    /// Tests on a real Postgres
    Sql,
    /// Real processes that are killed and paused
    Process,
}

/// One step of a suite.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The house rules, in this process.
    HouseRules,
    /// A cargo command that counts as one check.
    Check(Vec<String>),
    /// A cargo command that only prepares.
    Prepare(Vec<String>),
    /// A cargo command whose test results are counted.
    Tests(Vec<String>),
}

impl Suite {
    pub const ALL: [Self; 5] = [
        Self::Tidy,
        Self::Build,
        Self::Unit,
        Self::Sql,
        Self::Process,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tidy => "tidy",
            Self::Build => "build",
            Self::Unit => "unit",
            Self::Sql => "sql",
            Self::Process => "process",
        }
    }

    /// What the suite may take; `full` runs the process suite at full length.
    pub fn budget(self, full: bool) -> Duration {
        let minutes = match self {
            Self::Tidy => 7,
            Self::Build => 15,
            Self::Unit => 2,
            Self::Sql => 5,
            Self::Process if full => 30,
            Self::Process => 10,
        };
        Duration::from_secs(minutes * 60)
    }

    /// Whether some test of it calls a tool in Python.
    pub fn needs_python(self) -> bool {
        matches!(self, Self::Sql | Self::Process)
    }

    /// Whether it needs what the build suite makes.
    pub fn needs_build(self) -> bool {
        matches!(self, Self::Unit | Self::Sql | Self::Process)
    }
}

/// The suites to run, in order: those chosen, or all; `build` comes along where it is needed.
pub fn chosen(only: &[Suite]) -> Vec<Suite> {
    let wanted = |suite: Suite| only.is_empty() || only.contains(&suite);
    let build = only.is_empty() || only.iter().any(|suite| suite.needs_build());
    Suite::ALL
        .into_iter()
        .filter(|&suite| wanted(suite) || (suite == Suite::Build && build))
        .collect()
}

/// The steps of one suite; `all` are the suites of this run, for which `build` compiles.
///
/// # Errors
/// When the suite has nothing to run: a suite that runs nothing must not look green.
pub fn steps(suite: Suite, all: &[Suite], members: &[Member]) -> Result<Vec<Step>> {
    let cargo = |words: &[&str]| {
        words
            .iter()
            .map(|&word| word.to_owned())
            .collect::<Vec<String>>()
    };
    let test = ["test", "--workspace", "--locked", "--no-fail-fast"];
    Ok(match suite {
        Suite::Tidy => {
            let clippy = [
                "clippy",
                "--workspace",
                "--all-targets",
                "--keep-going",
                "--locked",
                "--",
                "-D",
                "warnings",
            ];
            let format = cargo(&["fmt", "--all", "--check"]);
            vec![
                Step::HouseRules,
                Step::Check(format),
                Step::Check(cargo(&clippy)),
            ]
        }
        Suite::Build => {
            let mut prepared = Vec::new();
            for needed in all.iter().filter(|suite| suite.needs_build()) {
                let Ok(steps) = steps(*needed, all, members) else {
                    continue;
                };
                prepared.extend(steps.into_iter().filter_map(compile_only));
            }
            if prepared.is_empty() {
                bail!("no chosen suite has anything to compile");
            }
            prepared
        }
        Suite::Unit => {
            let inside = cargo(&[&test[..], &["--lib", "--bins"]].concat());
            let examples = cargo(&[&test[..], &["--doc"]].concat());
            vec![Step::Tests(inside), Step::Tests(examples)]
        }
        Suite::Sql => {
            if !members
                .iter()
                .any(|member| member.tests.iter().any(|test| test == "it"))
            {
                bail!("no crate has a test binary called `it`");
            }
            vec![Step::Tests(cargo(&[&test[..], &["--test", "it"]].concat()))]
        }
        Suite::Process => {
            let binaries = process_binaries(members);
            if binaries.is_empty() {
                bail!("cli has no test binary for real processes");
            }
            let names = binaries.iter().flat_map(|&name| ["--test", name]);
            vec![Step::Tests(cargo(
                &test.into_iter().chain(names).collect::<Vec<_>>(),
            ))]
        }
    })
}

/// Test binaries other than `it`; tidy holds that only cli has such.
fn process_binaries(members: &[Member]) -> Vec<&str> {
    let all = members.iter().flat_map(|member| &member.tests);
    all.map(String::as_str)
        .filter(|name| *name != "it")
        .collect()
}

/// The same command without running the tests; examples in docstrings cannot be prepared.
fn compile_only(step: Step) -> Option<Step> {
    let Step::Tests(mut words) = step else {
        return None;
    };
    if words.iter().any(|word| word == "--doc") {
        return None;
    }
    words.retain(|word| word != "--no-fail-fast");
    words.push("--no-run".to_owned());
    Some(Step::Prepare(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn member(tests: &[&str]) -> Member {
        Member {
            tests: tests.iter().map(|&t| t.to_owned()).collect(),
            ..Member::default()
        }
    }

    #[test]
    fn every_test_binary_has_a_suite() {
        let members = [member(&["it"]), member(&["it", "process", "faults"])];
        let all = chosen(&[]);
        let process = steps(Suite::Process, &all, &members).unwrap();
        let text = format!("{process:?}");
        assert!(text.contains("process") && text.contains("faults") && !text.contains("\"it\""));
        assert_eq!(steps(Suite::Build, &all, &members).unwrap().len(), 3);
    }

    #[test]
    fn a_suite_without_tests_is_refused() {
        assert!(steps(Suite::Sql, &[], &[member(&["process"])]).is_err());
        assert!(steps(Suite::Process, &[], &[member(&["it"])]).is_err());
    }

    #[test]
    fn a_choice_brings_its_build_along() {
        assert_eq!(chosen(&[Suite::Sql]), [Suite::Build, Suite::Sql]);
        assert_eq!(chosen(&[Suite::Tidy]), [Suite::Tidy]);
        assert_eq!(chosen(&[]), Suite::ALL);
    }

    #[test]
    fn the_ordinary_run_stays_under_forty_minutes() {
        let total: Duration = Suite::ALL.iter().map(|suite| suite.budget(false)).sum();
        assert!(total < Duration::from_secs(40 * 60));
    }
}
