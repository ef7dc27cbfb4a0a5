//! The suites: what each runs and how many minutes it may take on two cores.
//! Invariant: every test binary of the workspace belongs to a suite, or the plan is refused.

use std::time::Duration;

use anyhow::{Result, bail};
use clap::ValueEnum;

use super::{fuzz, gates::Gate};
use crate::tidy::Member;

/// How long each fuzz target runs.
const FUZZ_S: u32 = 60;

/// The test binary of the suite of that name.
const FAULTS: &str = "faults";

/// A suite, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Suite {
    /// House rules, formatting, clippy
    Tidy,
    /// Dependencies and migrations, looked at by other people's tools
    Habits,
    /// Compile what the chosen suites need
    Build,
    /// Tests inside the crates, and examples in docstrings
    Unit,
    /// Tests on a real Postgres
    Sql,
    /// Strange requests made of the API's own document
    Contract,
    /// Real processes that are killed and paused
    Process,
    /// Real processes under faults, judged by what their clients saw
    Faults,
    /// The build before the newest migration beside this one, forward and back (with `--full`)
    Beside,
    /// A short run of each fuzz target (with `--full`)
    Fuzz,
}

/// One step of a suite.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The house rules, in this process.
    HouseRules,
    /// A gate, which counts as one check.
    Gate(Gate),
    /// A fuzz target, which counts as one check.
    Fuzz { target: String, seconds: u32 },
    /// Tests that need an older build, which is made first.
    Beside(Vec<String>),
    /// A cargo command that counts as one check.
    Check(Vec<String>),
    /// A cargo command that only prepares.
    Prepare(Vec<String>),
    /// A cargo command whose test results are counted.
    Tests(Vec<String>),
}

impl Suite {
    pub const ALL: [Self; 10] = [
        Self::Tidy,
        Self::Habits,
        Self::Build,
        Self::Unit,
        Self::Sql,
        Self::Contract,
        Self::Process,
        Self::Faults,
        Self::Beside,
        Self::Fuzz,
    ];

    /// Whether it runs without `--full`.
    pub fn is_ordinary(self) -> bool {
        !matches!(self, Self::Beside | Self::Fuzz)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Tidy => "tidy",
            Self::Habits => "habits",
            Self::Build => "build",
            Self::Unit => "unit",
            Self::Sql => "sql",
            Self::Contract => "contract",
            Self::Process => "process",
            Self::Faults => "faults",
            Self::Beside => "beside",
            Self::Fuzz => "fuzz",
        }
    }

    /// What the suite may take; `full` runs the suites of real processes at full length.
    pub fn budget(self, full: bool) -> Duration {
        let minutes = match self {
            Self::Tidy => 10,
            Self::Habits => 8,
            Self::Build => 24,
            Self::Unit => 2,
            Self::Sql => 8,
            Self::Contract if full => 25,
            Self::Contract => 3,
            Self::Process if full => 30,
            Self::Process => 9,
            Self::Faults if full => 60,
            Self::Faults => 9,
            Self::Beside => 40,
            Self::Fuzz => 15,
        };
        Duration::from_secs(minutes * 60)
    }

    /// Whether something in it calls a tool in Python.
    pub fn needs_python(self) -> bool {
        matches!(
            self,
            Self::Habits | Self::Sql | Self::Contract | Self::Process
        )
    }

    /// Whether something in it goes through a pooler in transaction mode.
    pub fn needs_pgbouncer(self) -> bool {
        matches!(self, Self::Sql | Self::Process | Self::Faults)
    }

    /// Whether it needs what the build suite makes.
    pub fn needs_build(self) -> bool {
        matches!(
            self,
            Self::Unit | Self::Sql | Self::Contract | Self::Process | Self::Faults | Self::Beside
        )
    }
}

/// The suites to run, in order: those chosen, or the ordinary ones, or all for a full run; `build`
/// comes along where it is needed.
pub fn chosen(only: &[Suite], full: bool) -> Vec<Suite> {
    let wanted = |suite: Suite| match only {
        [] => full || suite.is_ordinary(),
        only => only.contains(&suite),
    };
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
        Suite::Habits => Gate::ALL.map(Step::Gate).into(),
        Suite::Fuzz => {
            let seconds = FUZZ_S;
            let targets = fuzz::targets(&crate::root())?;
            let steps = targets.into_iter();
            steps.map(|target| Step::Fuzz { target, seconds }).collect()
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
        Suite::Contract => vec![strange_requests()],
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
        Suite::Faults => vec![short_run_of_faults(&test, members)?],
        Suite::Beside => vec![beside()],
    })
}

fn short_run_of_faults(test: &[&str], members: &[Member]) -> Result<Step> {
    let mut tests = members.iter().flat_map(|member| &member.tests);
    if !tests.any(|test| test == FAULTS) {
        bail!("no crate has a test binary called `{FAULTS}`");
    }
    let words = [test, &["--test", FAULTS]].concat();
    Ok(Step::Tests(words.into_iter().map(str::to_owned).collect()))
}

/// The tests that need an older build; in the suite `process` they are left out.
fn beside() -> Step {
    let words = "test --workspace --locked --test process -- --ignored beside::";
    Step::Beside(words.split(' ').map(str::to_owned).collect())
}

/// The tests of the API that call schemathesis; in the suite `sql` they are left out.
fn strange_requests() -> Step {
    let words = "test --locked -p certmill-api --test it -- --ignored schemathesis";
    Step::Tests(words.split(' ').map(str::to_owned).collect())
}

/// Test binaries for real processes; tidy holds that only cli has such.
fn process_binaries(members: &[Member]) -> Vec<&str> {
    let all = members.iter().flat_map(|member| &member.tests);
    all.map(String::as_str)
        .filter(|name| !["it", FAULTS].contains(name))
        .collect()
}

/// The same command without running the tests; examples in docstrings cannot be prepared.
fn compile_only(step: Step) -> Option<Step> {
    let (Step::Tests(mut words) | Step::Beside(mut words)) = step else {
        return None;
    };
    if words.iter().any(|word| word == "--doc") {
        return None;
    }
    words.retain(|word| word != "--no-fail-fast");
    // What follows is for the test binary, which is not started.
    words.truncate(
        words
            .iter()
            .position(|word| word == "--")
            .unwrap_or(words.len()),
    );
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
        let all = chosen(&[], false);
        let process = steps(Suite::Process, &all, &members).unwrap();
        let text = format!("{process:?}");
        assert!(text.contains("process") && !text.contains("faults") && !text.contains("\"it\""));
        let faults = steps(Suite::Faults, &all, &members).unwrap();
        assert!(format!("{faults:?}").contains("faults"));
        assert_eq!(steps(Suite::Build, &all, &members).unwrap().len(), 5);
    }

    #[test]
    fn a_suite_without_tests_is_refused() {
        assert!(steps(Suite::Sql, &[], &[member(&["process"])]).is_err());
        assert!(steps(Suite::Process, &[], &[member(&["it"])]).is_err());
        assert!(steps(Suite::Faults, &[], &[member(&["process"])]).is_err());
    }

    #[test]
    fn a_choice_brings_its_build_along() {
        assert_eq!(chosen(&[Suite::Sql], false), [Suite::Build, Suite::Sql]);
        assert_eq!(chosen(&[Suite::Tidy], false), [Suite::Tidy]);
        assert_eq!(chosen(&[], true), Suite::ALL);
        assert!(!chosen(&[], false).contains(&Suite::Fuzz));
        assert!(!chosen(&[], false).contains(&Suite::Beside));
        let beside = chosen(&[Suite::Beside], false);
        assert_eq!(steps(Suite::Build, &beside, &[]).unwrap().len(), 1);
    }

    /// The budgets are where a suite is ended, about double of what it takes without any cache: a
    /// slow machine is told from a hang, and both end well before the 90 minutes of CI.
    #[test]
    fn the_ordinary_run_ends_before_ci_does() {
        let total: Duration = chosen(&[], false).iter().map(|s| s.budget(false)).sum();
        assert!(total < Duration::from_secs(75 * 60));
    }
}
