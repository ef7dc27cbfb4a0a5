//! What the CA's ledger says of a round.
#![allow(
    clippy::cast_precision_loss,
    reason = "counts far below 2^52 become figures"
)]

use std::fmt;
use std::time::Duration;

use anyhow::{Context as _, Result};
use certmill_rehearsal::{Entry, Operation};

/// How many jobs of the issuer may be under way at once: so many may overtake.
const IN_FLIGHT: usize = 25;

/// A round.
pub(super) struct Reading {
    pub fullest: f64,
    pub refused: f64,
    pub used: f64,
    pub out_of_turn: f64,
    pub forecast: f64,
}

impl Reading {
    pub(super) fn of(
        ledger: &[Entry],
        most: usize,
        window: Duration,
        forecast_s: f64,
        took: Duration,
    ) -> Result<Self> {
        let orders: Vec<&Entry> = ledger
            .iter()
            .filter(|entry| entry.operation == Operation::NewOrder)
            .collect();
        let accepted: Vec<&Entry> = orders.iter().copied().filter(|e| e.accepted).collect();
        let at: Vec<Duration> = accepted.iter().map(|entry| entry.at).collect();
        let (first, last) = (
            at.first().context("no orders")?,
            at.last().context("no orders")?,
        );
        // The first window's worth may come at once, each further one a window later.
        let least = window * u32::try_from((at.len() - 1) / most)?;
        Ok(Self {
            fullest: fullest(&at, window) as f64,
            refused: (orders.len() - accepted.len()) as f64,
            used: least.as_secs_f64() / (*last - *first).as_secs_f64(),
            out_of_turn: out_of_turn(&accepted) as f64,
            forecast: forecast_s / took.as_secs_f64(),
        })
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} in the fullest window, {} refused, {:.3} of the budget used, {} out of turn, forecast {:.3}",
            self.fullest, self.refused, self.used, self.out_of_turn, self.forecast
        )
    }
}

fn fullest(at: &[Duration], window: Duration) -> usize {
    let mut first = 0;
    let mut most = 0;
    for (nth, instant) in at.iter().enumerate() {
        while *instant - at[first] >= window {
            first += 1;
        }
        most = most.max(nth + 1 - first);
    }
    most
}

/// Orders with a more urgent one further behind them than can have been under way.
fn out_of_turn(orders: &[&Entry]) -> usize {
    let urgency = |entry: &Entry| entry.names.first().and_then(|name| name.chars().nth(1));
    let urgencies: Vec<Option<char>> = orders.iter().map(|entry| urgency(entry)).collect();
    let before_urgent = |(nth, own): &(usize, &Option<char>)| {
        let later = urgencies.iter().skip(nth + 1 + IN_FLIGHT);
        later.min().is_some_and(|other| other < *own)
    };
    urgencies.iter().enumerate().filter(before_urgent).count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn order(at_s: u64, urgency: u8) -> Entry {
        Entry {
            at: Duration::from_secs(at_s),
            operation: Operation::NewOrder,
            order: Some(1),
            names: vec![format!("u{urgency}-1.example.com")],
            accepted: true,
        }
    }

    #[test]
    fn windows_and_turns_are_counted() {
        let ledger: Vec<Entry> = (0..30).map(|n| order(n, 2)).chain([order(40, 0)]).collect();
        let second = Duration::from_secs(1);
        let reading = Reading::of(&ledger, 10, second * 10, 30.0, second * 40).unwrap();
        assert_eq!((reading.fullest, reading.refused), (10.0, 0.0));
        assert_eq!(
            reading.out_of_turn, 5.0,
            "those more than 25 before the urgent one"
        );
        assert!((reading.used - 0.75).abs() < 1e-9 && (reading.forecast - 0.75).abs() < 1e-9);
    }
}
