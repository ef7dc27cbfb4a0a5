//! One measured figure, and what is wanted of it.
//!
//! Invariant: `holds` follows from value, ratio and wish alone; a figure without a wish has none.

use serde::{Deserialize, Serialize};

use crate::statistics::Spread;

/// A bound that a figure shall keep.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// The value is at least this.
    AtLeast(f64),
    /// The value is at most this.
    AtMost(f64),
    /// The ratio is at least this.
    RatioAtLeast(f64),
    /// The ratio is at most this.
    RatioAtMost(f64),
}

impl Wanted {
    fn text(self) -> String {
        match self {
            Self::AtLeast(bound) => format!(">= {bound}"),
            Self::AtMost(bound) => format!("<= {bound}"),
            Self::RatioAtLeast(bound) => format!("ratio >= {bound}"),
            Self::RatioAtMost(bound) => format!("ratio <= {bound}"),
        }
    }

    fn holds(self, value: f64, ratio: Option<f64>) -> bool {
        match self {
            Self::AtLeast(bound) => value >= bound,
            Self::AtMost(bound) => value <= bound,
            Self::RatioAtLeast(bound) => ratio.is_some_and(|ratio| ratio >= bound),
            Self::RatioAtMost(bound) => ratio.is_some_and(|ratio| ratio <= bound),
        }
    }
}

/// One row of a report; the same shape for every suite.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// What was measured.
    pub name: String,
    /// Of whom: a process, a peer, a limit.
    pub subject: String,
    /// The median over the rounds.
    pub value: f64,
    /// Its unit.
    pub unit: String,
    /// How many rounds.
    pub n: usize,
    /// The smallest of them.
    pub min: f64,
    /// The largest of them.
    pub max: f64,
    /// What it is compared with.
    pub ratio_to: Option<String>,
    /// The median over the rounds of the quotient within each round.
    pub ratio: Option<f64>,
    /// The wish, such as `>= 1000`.
    pub wanted: Option<String>,
    /// Whether the wish is met.
    pub holds: Option<bool>,
}

impl Figure {
    /// A figure of one value a round; `None` where nothing was measured.
    pub fn of(name: &str, subject: &str, unit: &str, rounds: &[f64]) -> Option<Self> {
        let spread = Spread::of(rounds)?;
        Some(Self {
            name: name.to_owned(),
            subject: subject.to_owned(),
            value: rounded(spread.median),
            unit: unit.to_owned(),
            n: spread.n,
            min: rounded(spread.min),
            max: rounded(spread.max),
            ratio_to: None,
            ratio: None,
            wanted: None,
            holds: None,
        })
    }

    /// Compares it with what another reached in the same rounds.
    #[must_use]
    pub fn beside(mut self, other: &str, own: &[f64], others: &[f64]) -> Self {
        let quotients: Vec<f64> = own.iter().zip(others).map(|(a, b)| a / b).collect();
        self.ratio_to = Some(other.to_owned());
        self.ratio = Spread::of(&quotients).map(|spread| rounded(spread.median));
        self
    }

    /// Says what is wanted.
    #[must_use]
    pub fn wanted(mut self, wanted: Wanted) -> Self {
        self.wanted = Some(wanted.text());
        self.holds = Some(wanted.holds(self.value, self.ratio));
        self
    }
}

/// Four significant digits: more would pretend.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let digits = 3 - value.abs().log10().floor() as i32;
    if digits <= 0 {
        return value.round();
    }
    let factor = 10f64.powi(digits);
    (value * factor).round() / factor
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_wish_is_judged_by_value_or_ratio() {
        let figure = |values: &[f64]| Figure::of("a", "b", "1/s", values).unwrap();
        let met = figure(&[1100.0, 900.0, 1000.0]).wanted(Wanted::AtLeast(1000.0));
        assert_eq!(
            (met.holds, met.wanted.as_deref()),
            (Some(true), Some(">= 1000"))
        );
        let missed = figure(&[61.0]).wanted(Wanted::AtMost(60.0));
        assert_eq!(missed.holds, Some(false));
        let compared = figure(&[4.0, 5.0, 6.0])
            .beside("limit", &[4.0, 5.0, 6.0], &[10.0, 10.0, 10.0])
            .wanted(Wanted::RatioAtLeast(0.4));
        assert_eq!((compared.ratio, compared.holds), (Some(0.5), Some(true)));
        let above = compared.wanted(Wanted::RatioAtMost(0.4));
        assert_eq!(
            (above.holds, above.wanted.as_deref()),
            (Some(false), Some("ratio <= 0.4"))
        );
        assert_eq!(
            figure(&[1.0]).wanted(Wanted::RatioAtLeast(0.1)).holds,
            Some(false),
            "a ratio that nobody measured holds nothing"
        );
    }

    #[test]
    fn ratios_are_taken_within_each_round() {
        let own = [10.0, 20.0, 30.0];
        let figure = Figure::of("a", "b", "1/s", &own).unwrap();
        let figure = figure.beside("c", &own, &[10.0, 40.0, 30.0]);
        assert_eq!(figure.ratio, Some(1.0));
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        assert_eq!(Figure::of("a", "b", "1/s", &[]), None);
    }

    #[test]
    fn values_keep_four_digits() {
        for (given, shown) in [(12345.6, 12346.0), (1.23456, 1.235), (0.0123456, 0.01235)] {
            assert_eq!(rounded(given), shown);
        }
    }
}
