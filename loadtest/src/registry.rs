//! The suites: one line each.
//!
//! Invariant: whatever ends a suite, a signal too, ends what it started.

use anyhow::{Context as _, Result, bail, ensure};
use futures::future::LocalBoxFuture;
use tokio::signal::unix::{SignalKind, signal};

use crate::args::{Args, Selection};
use crate::figure::Figure;
use crate::report::Report;
use crate::{building, say, suites, table};

/// How much a suite does.
#[derive(Clone, Copy, Debug)]
pub struct Extent {
    /// Interleaved rounds.
    pub rounds: u32,
    /// Share of the work of a round, in percent.
    pub percent: u32,
    /// Whether to print the statements that took the most time.
    pub statements: bool,
}

impl Extent {
    /// That share of `whole`, at least one.
    pub fn share(self, whole: usize) -> usize {
        (whole * self.percent as usize / 100).max(1)
    }
}

/// One suite.
pub struct Suite {
    /// Its name on the command line and of its file of figures.
    pub name: &'static str,
    /// What it shows, in Markdown.
    pub about: &'static str,
    run: Run,
}

type Running = LocalBoxFuture<'static, Result<Vec<Figure>>>;

/// What can be chosen of a suite.
enum Run {
    /// All of it.
    Whole(fn(Extent) -> Running),
    /// Some of its parts.
    InParts(fn(Extent, Selection) -> Running),
}

/// All suites.
pub const SUITES: &[Suite] = &[
    Suite {
        name: "budget",
        about: suites::budget::ABOUT,
        run: Run::Whole(|extent| Box::pin(suites::budget::run(extent))),
    },
    Suite {
        name: suites::growth::NAME,
        about: suites::growth::ABOUT,
        run: Run::Whole(|extent| Box::pin(suites::growth::run(extent))),
    },
    Suite {
        name: "issuance",
        about: suites::issuance::ABOUT,
        run: Run::Whole(|extent| Box::pin(suites::issuance::run(extent))),
    },
    Suite {
        name: "limiter",
        about: suites::limiter::ABOUT,
        run: Run::Whole(|extent| Box::pin(suites::limiter::run(extent))),
    },
    Suite {
        name: "queue",
        about: suites::queue::ABOUT,
        run: Run::InParts(|extent, selection| Box::pin(suites::queue::run(extent, selection))),
    },
    Suite {
        name: "replicas",
        about: suites::replicas::ABOUT,
        run: Run::Whole(|extent| Box::pin(suites::replicas::run(extent))),
    },
];

/// Runs the suite that the command line names.
///
/// # Errors
/// There is no such suite, it failed, or a signal came.
pub fn run(args: &Args) -> Result<()> {
    let name = args.suite.as_deref().unwrap_or_default();
    let Some(suite) = SUITES.iter().find(|suite| suite.name == name) else {
        let names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        bail!("there is no suite `{name}`; there are {}", names.join(", "));
    };
    let all = args.selection.is_all();
    ensure!(
        all || matches!(suite.run, Run::InParts(_)),
        "the suite `{name}` has no parts"
    );
    building::build()?;
    let extent = Extent {
        rounds: args.rounds,
        percent: args.percent,
        statements: args.statements,
    };
    // One thread: the client shares its cores with what it measures.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime")?;
    let figures = runtime.block_on(async {
        tokio::select! {
            figures = running(suite, extent, args) => figures,
            () = interrupted() => bail!("interrupted; everything that was started is being stopped"),
        }
    })?;
    let report = Report::new(suite.name, figures)?;
    say::out(&table::plain(&report));
    if let Some(path) = &args.json {
        ensure!(
            !building::REHEARSAL && args.percent == 100 && all,
            "only a whole run of a release build is written to a file"
        );
        report.write(path)?;
        say::line(&format!("written to {}", path.display()));
    }
    Ok(())
}

fn running(suite: &Suite, extent: Extent, args: &Args) -> Running {
    match suite.run {
        Run::Whole(run) => run(extent),
        Run::InParts(run) => run(extent, args.selection.clone()),
    }
}

/// A signal that asks this process to end.
pub async fn interrupted() {
    let (Ok(mut int), Ok(mut term)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_distinct_and_a_share_is_never_nothing() {
        let mut names: Vec<&str> = SUITES.iter().map(|suite| suite.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), SUITES.len());
        let extent = Extent {
            rounds: 1,
            percent: 1,
            statements: false,
        };
        assert_eq!((extent.share(10), extent.share(2000)), (1, 20));
    }
}
