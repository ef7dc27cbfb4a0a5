//! What came of a run, and whether that is what had to come of it.
//!
//! Invariant: a run that injected nothing is refused, whatever else it shows.

use std::fmt::{self, Display};

use super::ledger::Tally;
use super::registry::{Expect, Fault};
use crate::checks::Violation;
use crate::figure::{Figure, Wanted};

/// Everything due must have moved so soon after healing.
pub const MOVES_WITHIN_S: f64 = 60.0;
/// A process that lived through the run may have grown by so much: a site that has just started is
/// still filling its pools and caches, and a leak under faults is far above that.
const GROWTH_MAX_MB: f64 = 64.0;
/// Fewer acknowledged operations prove nothing.
const ACKNOWLEDGED_MIN: usize = 20;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    /// How often the fault hurt, by its own count.
    pub hurt: u64,
    /// What the event log counts.
    pub tally: Tally,
    /// Operations that were acknowledged.
    pub ok: usize,
    /// Operations that were definitely refused.
    pub fail: usize,
    /// Operations of which nobody knows.
    pub unknown: usize,
    /// From healing until everything that was due then had moved.
    pub moved_s: f64,
    /// The most that a process has grown by.
    pub growth_mb: f64,
    /// What the checkers found.
    pub violations: Vec<Violation>,
    /// Lines of logs that must not be there: panics, and statements that make no sense.
    pub bad_lines: Vec<String>,
}

impl Outcome {
    /// Whether anything was injected that could have harmed.
    fn injected(&self, gently: bool) -> bool {
        self.hurt > 0 && (gently || self.unknown > 0 || self.tally.rescues > 0)
    }

    /// What the report says of it.
    pub fn figures(&self, fault: &Fault) -> Vec<Figure> {
        let figure = |what: &str, unit: &str, value: f64, bound: f64| {
            let figure = Figure::of(what, fault.name, unit, &[value])?;
            Some(figure.wanted(Wanted::AtMost(bound)))
        };
        let bare =
            |what: &str, value: usize| Figure::of(what, fault.name, "operations", &[value as f64]);
        let hurt = Figure::of("harm done", fault.name, "times", &[self.hurt as f64]);
        let violations = self.violations.len() as f64;
        [
            hurt,
            bare("acknowledged", self.ok),
            bare("left in doubt", self.unknown),
            figure(
                "all due moved after healing",
                "s",
                self.moved_s,
                MOVES_WITHIN_S,
            ),
            figure("most memory gained", "MB", self.growth_mb, GROWTH_MAX_MB),
            figure("checkers that spoke", "checkers", violations, 0.0),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// What is wrong with it; nothing, if all is as this fault wants it.
    pub fn faults(&self, fault: &Fault) -> Vec<String> {
        let gently = matches!(fault.expect, Expect::HoldsGently | Expect::LosesAndReports);
        if fault.expect == Expect::IsRefused {
            return match self.injected(false) {
                true => vec!["nothing was done, and it counts as a fault".to_owned()],
                false => Vec::new(),
            };
        }
        let mut faults = Vec::new();
        if !self.injected(gently) {
            faults.push(format!(
                "it injected nothing: hurt {}, {} unknown outcomes, {} rescues",
                self.hurt, self.unknown, self.tally.rescues
            ));
        }
        if let Expect::Breaks(checker) = fault.expect {
            if !self.violations.iter().any(|(name, _)| name == checker) {
                faults.push(format!("{checker} does not see what the fence prevents"));
            }
            return faults;
        }
        for (name, rows) in &self.violations {
            let first = rows.first().map(ToString::to_string).unwrap_or_default();
            faults.push(format!("{name}: {} rows, such as {first}", rows.len()));
        }
        if self.moved_s >= MOVES_WITHIN_S {
            faults.push(format!(
                "not all that was due moved within {MOVES_WITHIN_S} s"
            ));
        }
        if self.ok < ACKNOWLEDGED_MIN {
            faults.push(format!("only {} operations were acknowledged", self.ok));
        }
        if self.growth_mb > GROWTH_MAX_MB {
            faults.push(format!("a process has grown by {:.0} MB", self.growth_mb));
        }
        faults.extend(self.bad_lines.iter().map(|line| format!("logged: {line}")));
        faults
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hurt {}, {} ok, {} refused, {} unknown, {} rescues, {} terms, {} versions, all moved \
             {:.1} s after healing, most growth {:.0} MB, {} violations",
            self.hurt,
            self.ok,
            self.fail,
            self.unknown,
            self.tally.rescues,
            self.tally.terms,
            self.tally.versions,
            self.moved_s,
            self.growth_mb,
            self.violations.len()
        )
    }
}

/// Whether a process must never log this.
pub fn is_bad(line: &str) -> bool {
    let words = [
        "\"event\":\"panic\"",
        "panicked at",
        // Statements that do not fit the schema, and connections handed out inside a transaction.
        "SQLSTATE 42",
        "SQLSTATE 25P01",
        "SQLSTATE 25P02",
        "unknown variant",
    ];
    words.iter().any(|word| line.contains(word))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::suites::faults::registry::FAULTS;

    fn named(name: &str) -> &'static Fault {
        FAULTS.iter().find(|fault| fault.name == name).unwrap()
    }

    fn good() -> Outcome {
        Outcome {
            hurt: 1,
            ok: 100,
            unknown: 1,
            ..Outcome::default()
        }
    }

    #[test]
    fn a_run_that_injected_nothing_is_refused() {
        let fault = named("worker-killed");
        assert!(good().faults(fault).is_empty());
        let nothing = Outcome {
            unknown: 0,
            ..good()
        };
        assert!(nothing.faults(fault)[0].contains("injected nothing"));
        assert!(nothing.faults(named("leader-killed")).is_empty(), "gentle");
        assert!(nothing.faults(named("control-nothing")).is_empty());
        assert!(!good().faults(named("control-nothing")).is_empty());
    }

    #[test]
    fn whatever_else_is_wrong_is_told() {
        let fault = named("worker-killed");
        let row = serde_json::json!({ "id": 1 });
        for outcome in [
            Outcome {
                moved_s: 60.0,
                ..good()
            },
            Outcome { ok: 3, ..good() },
            Outcome {
                growth_mb: 100.0,
                ..good()
            },
            Outcome {
                bad_lines: vec!["panicked at".to_owned()],
                ..good()
            },
            Outcome {
                violations: vec![("I1a".to_owned(), vec![row])],
                ..good()
            },
        ] {
            assert_eq!(outcome.faults(fault).len(), 1, "{outcome}");
        }
        assert!(is_bad("x (SQLSTATE 42P01: no table)") && !is_bad("SQLSTATE 57P01"));
    }

    #[cfg(debug_assertions)]
    #[test]
    fn a_control_that_is_not_seen_fails() {
        let fault = named("control-unfenced");
        assert_eq!(good().faults(fault).len(), 1);
        let checker = "I2e_one_version_a_generation.sql".to_owned();
        let seen = Outcome {
            violations: vec![(checker, Vec::new())],
            ..good()
        };
        assert!(seen.faults(fault).is_empty());
    }
}
