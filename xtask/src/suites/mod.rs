//! `cargo xtask test`: runs the suites one after the other and ends with their count.
//! Invariant: green only when every chosen suite ran at least one test and none failed.

mod beside;
mod fuzz;
mod gates;
pub mod needs;
mod plan;
mod shelf;
pub mod stream;
mod table;
mod tally;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Result, bail};

use crate::tidy::{self, Member};
use crate::tools::Tools;
use gates::{Gate, Site, Verdict};
use plan::{Step, Suite};
use shelf::Shelf;
use table::Outcome;
use tally::Tally;

/// What to run.
#[derive(clap::Args)]
pub struct Choice {
    /// Also fuzz, play every fault (not six), run an older build beside this one, and run the process
    /// suite at its full length (10 minutes of kills and pauses, not 90 seconds)
    #[arg(long)]
    full: bool,
    /// Run only this suite (may be repeated)
    #[arg(long, value_enum, value_name = "SUITE")]
    only: Vec<Suite>,
}

/// A suite that takes this many times its budget is ended.
const HANG_FACTOR: u32 = 3;
/// Under CI a suite that takes this many times its budget is red.
const CI_FACTOR: u32 = 2;

/// Everything that stays the same during one run.
struct Run<'a> {
    root: &'a Path,
    full: bool,
    offline: bool,
    suites: Vec<Suite>,
    members: Vec<Member>,
    /// What the tests may call.
    shelf: Shelf,
}

/// Runs what was chosen; true when all of it is green.
///
/// # Errors
/// When the run cannot begin: a tool or a dependency is missing and cannot be fetched.
pub fn run(root: &Path, choice: &Choice) -> Result<bool> {
    let suites = plan::chosen(&choice.only, choice.full);
    let names: Vec<_> = suites.iter().map(|suite| suite.name()).collect();
    println!("certmill tests: {}", names.join(", "));
    println!(
        "Postgres for tests: binaries of this machine, else a pinned bundle, fetched once and kept"
    );
    needs::install(&suites)?;
    let offline = fetch(root)?;
    let members = tidy::members(root)?;
    let run = Run {
        root,
        full: choice.full,
        offline,
        shelf: Shelf::fill(&suites, Tools { offline }),
        suites,
        members,
    };
    let mut outcomes: Vec<Outcome> = Vec::new();
    for &suite in &run.suites {
        let broken = outcomes
            .iter()
            .any(|o| o.suite == Suite::Build && o.fault.is_some());
        let outcome = run.suite(suite, broken)?;
        if outcome.over_budget() {
            println!(
                "\n!!! {} took {:.0} s, its budget is {} s",
                suite.name(),
                outcome.took.as_secs_f64(),
                outcome.budget.as_secs()
            );
        }
        outcomes.push(outcome);
    }
    println!("\nleft out: {}", left_out(choice, &run, &outcomes));
    println!("{}", table::render(&outcomes));
    Ok(table::total(&outcomes).failed == 0)
}

fn left_out(choice: &Choice, run: &Run<'_>, outcomes: &[Outcome]) -> String {
    let missing = Suite::ALL
        .into_iter()
        .filter(|suite| !run.suites.contains(suite));
    let mut parts: Vec<String> = missing
        .map(|suite| format!("suite {}", suite.name()))
        .collect();
    if !choice.full {
        parts.push(
            "most faults and the 10-minute process test (cargo xtask test --full)".to_owned(),
        );
    }
    parts.extend(run.shelf.left_out());
    parts.extend(outcomes.iter().flat_map(|outcome| outcome.left_out.clone()));
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    }
}

/// Downloads what Cargo.lock names, for all targets, since the gates read the whole graph offline;
/// answers whether the run must do without a network.
fn fetch(root: &Path) -> Result<bool> {
    println!("fetching: the dependencies that Cargo.lock names");
    for offline in [false, true] {
        let mut command = cargo(root, &["fetch", "--quiet", "--locked"], offline);
        if command.status()?.success() {
            return Ok(offline);
        }
        if !offline {
            println!("fetching failed; trying with what this machine has");
        }
    }
    bail!(
        "dependencies are missing and cannot be fetched; run `cargo fetch --locked` with a network, or update Cargo.lock if it is stale"
    )
}

/// A cargo command in the workspace.
pub fn cargo<Word: AsRef<str>>(root: &Path, words: &[Word], offline: bool) -> Command {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut command = Command::new(program);
    command
        .args(words.iter().map(AsRef::as_ref))
        .current_dir(root);
    forget_ourselves(&mut command);
    if offline {
        command.env("CARGO_NET_OFFLINE", "true");
    }
    command
}

/// What `cargo run` tells this crate about itself must not reach the build scripts of others.
pub fn forget_ourselves(command: &mut Command) {
    for (name, _) in std::env::vars() {
        let about_us = [
            "CARGO_PKG_",
            "CARGO_MANIFEST_",
            "CARGO_BIN_",
            "CARGO_CRATE_",
        ];
        if about_us.iter().any(|prefix| name.starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}

impl Run<'_> {
    fn not_run(&self, suite: Suite, fault: &str) -> Outcome {
        let budget = suite.budget(self.full);
        let (tally, took) = (Tally::default(), std::time::Duration::ZERO);
        Outcome {
            suite,
            tally,
            took,
            budget,
            fault: Some(fault.to_owned()),
            left_out: Vec::new(),
        }
    }

    fn suite(&self, suite: Suite, build_broken: bool) -> Result<Outcome> {
        let budget = suite.budget(self.full);
        println!("\n=== {} (budget {} s)", suite.name(), budget.as_secs());
        let steps = match plan::steps(suite, &self.suites, &self.members) {
            Ok(steps) => steps,
            Err(error) => return Ok(self.not_run(suite, &format!("not run: {error}"))),
        };
        if suite.needs_build() && build_broken {
            return Ok(self.not_run(suite, "not run: the build failed"));
        }
        let began = Instant::now();
        let (mut tally, mut fault, mut left_out) = (Tally::default(), None, Vec::new());
        for step in &steps {
            let ended = self.step(step, began + budget * HANG_FACTOR)?;
            tally += ended.tally;
            fault = fault.or(ended.fault);
            left_out.extend(ended.left_out);
        }
        let took = began.elapsed();
        if fault.is_none() && suite != Suite::Build && tally.ran() == 0 && left_out.is_empty() {
            fault = Some("it ran no test".to_owned());
        }
        if fault.is_none() && took > budget * CI_FACTOR && std::env::var_os("CI").is_some() {
            fault = Some(format!("over {CI_FACTOR} times its budget"));
        }
        Ok(Outcome {
            suite,
            tally,
            took,
            budget,
            fault,
            left_out,
        })
    }

    fn step(&self, step: &Step, deadline: Instant) -> Result<Stepped> {
        let (words, counts_as) = match step {
            Step::HouseRules => {
                println!("--- house rules");
                let green = tidy::run(self.root)?;
                return Ok(verdict(green, "house rules are broken (cargo xtask tidy)"));
            }
            Step::Gate(gate) => return self.gate(*gate, deadline),
            Step::Fuzz { target, seconds } => return Ok(self.fuzz(target, *seconds, deadline)),
            Step::Beside(words) => return self.beside(words, deadline),
            Step::Check(words) => (words, true),
            Step::Prepare(words) | Step::Tests(words) => (words, false),
        };
        self.cargo_step(words, counts_as, &[], deadline)
    }

    /// Tests on an older build. Where there is none that could stay, this build plays both.
    fn beside(&self, words: &[String], deadline: Instant) -> Result<Stepped> {
        let what = "an older build beside this one";
        let older = match beside::older(self.root, self.offline, deadline) {
            Ok(older) => older,
            Err(why) => return Ok(Stepped::left_out(what, &format!("{why:#}"))),
        };
        let Some(older) = older else {
            let why = "no build before the newest migration asks the database whether it is accepted: \
                       this build played both, on a schema that the test made newer";
            println!("left out: {what}: {why}");
            let mut stepped = self.cargo_step(words, false, &[], deadline)?;
            stepped.left_out = Some(format!("{what} ({why})"));
            return Ok(stepped);
        };
        let build = (beside::VARIABLE, older.as_os_str());
        self.cargo_step(words, false, &[build], deadline)
    }

    fn cargo_step(
        &self,
        words: &[String],
        counts_as: bool,
        env: &[(&str, &std::ffi::OsStr)],
        deadline: Instant,
    ) -> Result<Stepped> {
        let shown = format!("cargo {}", words.join(" "));
        println!("--- {shown}");
        let mut command = cargo(self.root, words, self.offline);
        command.envs(env.iter().copied());
        if self.full {
            command.env("CERTMILL_TEST_FULL", "1");
        }
        self.shelf.tell(&mut command);
        let ended = stream::run(&mut command, deadline, &mut std::io::stdout())?;
        let fault = match (ended.timed_out, ended.success, ended.tally.failed) {
            (true, ..) => Some(format!("hung and was ended: {shown}")),
            _ if counts_as => return Ok(verdict(ended.success, &shown)),
            (_, true, 0) => None,
            (_, _, 0) => Some(format!("{shown} ended with an error")),
            (_, _, failed) => Some(format!("{failed} tests failed")),
        };
        let tally = ended.tally;
        Ok(Stepped {
            tally,
            fault,
            left_out: None,
        })
    }

    fn gate(&self, gate: Gate, deadline: Instant) -> Result<Stepped> {
        println!("--- {}", gate.name());
        let site = Site {
            root: self.root,
            tools: self.tools(),
            python: &self.shelf.python,
            deadline,
        };
        Ok(match gate.run(&site)? {
            Verdict::Clean => verdict(true, ""),
            Verdict::Faulty(cure) => verdict(false, &format!("{}: {cure}", gate.name())),
            Verdict::LeftOut(why) => Stepped::left_out(gate.name(), &why),
        })
    }

    fn fuzz(&self, target: &str, seconds: u32, deadline: Instant) -> Stepped {
        println!("--- fuzzing {target} for {seconds} s");
        match fuzz::run(self.root, self.tools(), target, seconds, deadline) {
            Ok(held) => verdict(
                held,
                &format!("fuzzing {target} found something, see above"),
            ),
            Err(why) => Stepped::left_out(&format!("fuzzing {target}"), &format!("{why:#}")),
        }
    }

    fn tools(&self) -> Tools {
        Tools {
            offline: self.offline,
        }
    }
}

/// How one step ended.
struct Stepped {
    tally: Tally,
    fault: Option<String>,
    /// What it could not do on this machine, and why.
    left_out: Option<String>,
}

impl Stepped {
    fn left_out(what: &str, why: &str) -> Self {
        println!("left out: {what}: {why}");
        let tally = Tally {
            skipped: 1,
            ..Tally::default()
        };
        Self {
            tally,
            fault: None,
            left_out: Some(format!("{what} ({why})")),
        }
    }
}

fn verdict(green: bool, fault: &str) -> Stepped {
    let (tally, fault) = if green {
        (Tally::passed(1), None)
    } else {
        (Tally::failed(1), Some(fault.to_owned()))
    };
    Stepped {
        tally,
        fault,
        left_out: None,
    }
}
