//! The closing table and the closing line.
//! Invariant: the last line is `N passed, M failed, K skipped` and nothing else.

use std::time::Duration;

use super::plan::Suite;
use super::tally::Tally;

/// How one suite ended.
#[derive(Debug)]
pub struct Outcome {
    pub suite: Suite,
    pub tally: Tally,
    pub took: Duration,
    pub budget: Duration,
    /// Why it is red; `None` is green.
    pub fault: Option<String>,
    /// What this machine could not run, and why.
    pub left_out: Vec<String>,
}

impl Outcome {
    pub fn over_budget(&self) -> bool {
        self.took > self.budget
    }

    fn verdict(&self) -> String {
        match &self.fault {
            Some(fault) => format!("FAILED: {fault}"),
            None if self.over_budget() => "passed, OVER ITS BUDGET".to_owned(),
            None => "passed".to_owned(),
        }
    }
}

/// Sum over all suites; a red suite without a failed test counts as one failure.
pub fn total(outcomes: &[Outcome]) -> Tally {
    let mut total = Tally::default();
    for outcome in outcomes {
        total += outcome.tally;
        if outcome.fault.is_some() && outcome.tally.failed == 0 {
            total += Tally::failed(1);
        }
    }
    total
}

/// The table, ready to print, with the closing line.
pub fn render(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "\n{:<8} {:>7} {:>7} {:>8} {:>9} {:>9}  verdict\n",
        "suite", "passed", "failed", "skipped", "seconds", "budget"
    );
    for outcome in outcomes {
        let Tally {
            passed,
            failed,
            skipped,
        } = outcome.tally;
        text += &format!(
            "{:<8} {passed:>7} {failed:>7} {skipped:>8} {:>9.1} {:>9}  {}\n",
            outcome.suite.name(),
            outcome.took.as_secs_f64(),
            outcome.budget.as_secs(),
            outcome.verdict()
        );
    }
    let Tally {
        passed,
        failed,
        skipped,
    } = total(outcomes);
    text + &format!("\n{passed} passed, {failed} failed, {skipped} skipped")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(tally: Tally, fault: Option<&str>) -> Outcome {
        let (took, budget) = (Duration::from_secs(1), Duration::from_secs(60));
        Outcome {
            suite: Suite::Sql,
            tally,
            took,
            budget,
            fault: fault.map(str::to_owned),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn the_last_line_is_the_count() {
        let text = render(&[outcome(
            Tally {
                passed: 4,
                failed: 0,
                skipped: 2,
            },
            None,
        )]);
        assert_eq!(text.lines().last(), Some("4 passed, 0 failed, 2 skipped"));
    }

    #[test]
    fn a_suite_that_did_not_run_is_a_failure() {
        let text = render(&[outcome(Tally::default(), Some("not run: the build failed"))]);
        assert_eq!(text.lines().last(), Some("0 passed, 1 failed, 0 skipped"));
        assert!(text.contains("FAILED: not run"));
    }
}
