//! The figures of the part `drain`, with what is wanted of them.
//!
//! Invariant: a quotient is taken within each round, of two that drained the same number of jobs.

use super::drain::Subject;
use super::meter::Drained;
use crate::figure::{Figure, Wanted};

const RATE: &str = "no-op drain";

/// What each subject reached.
type Reached<'a> = (&'a Subject<'a>, Vec<Drained>);

/// All figures: each of them for all subjects, then ours beside the others.
pub fn of(all: &[Reached<'_>], idle_rss_mb: f64) -> Vec<Figure> {
    let mut figures: Vec<Figure> = ROWS
        .iter()
        .flat_map(|(name, unit, part)| {
            all.iter().filter_map(|(subject, drained)| {
                Figure::of(name, subject.name(), unit, &values(drained, *part))
            })
        })
        .collect();
    let Some(wide) = all.iter().find(|(subject, _)| subject.name() == "wide") else {
        return figures;
    };
    for other in all {
        figures.extend(beside(wide, other));
    }
    figures.extend(three_beside_one(all, wide));
    figures.extend(rss_above_idle(wide, idle_rss_mb));
    figures
}

type Part = fn(&Drained) -> Option<f64>;

const WAL: &str = "WAL a job";
const OWN_CPU: &str = "CPU a job, worker or pgbench";

/// What is shown of each subject.
const ROWS: [(&str, &str, Part); 7] = [
    (RATE, "jobs/s", |one| Some(one.per_second)),
    ("database time a job", "us", |one| one.db_us),
    (WAL, "B", |one| one.statement_wal_bytes),
    ("WAL a job, whole server", "B", |one| Some(one.wal_bytes)),
    (OWN_CPU, "us", |one| Some(one.own_us)),
    ("CPU a job, postgres", "us", |one| Some(one.postgres_us)),
    ("peak resident memory", "MB", |one| one.peak_rss_mb),
];

/// Ours beside one other, where something is wanted.
fn beside((_, own): &Reached<'_>, (other, theirs): &Reached<'_>) -> Vec<Figure> {
    let row = |name: &str, unit: &str, part: Part, wanted: Option<Wanted>| {
        let (own, theirs) = (values(own, part), values(theirs, part));
        let figure = Figure::of(name, "wide", unit, &own)?;
        if theirs.is_empty() {
            return None;
        }
        let figure = figure.beside(other.name(), &own, &theirs);
        Some(match wanted {
            Some(wanted) => figure.wanted(wanted),
            None => figure,
        })
    };
    let rate = |wanted| row(RATE, "jobs/s", |one| Some(one.per_second), wanted);
    let rows = match other {
        Subject::Workers(..) => [None, None, None],
        Subject::Pgbench(_) => [rate(Some(Wanted::RatioAtLeast(0.7))), None, None],
        Subject::Rival(room) => {
            let river = room.rival.name == "river";
            let most = |bound| river.then_some(Wanted::RatioAtMost(bound));
            [
                rate(room.rival.drain_at_least.map(Wanted::RatioAtLeast)),
                row(WAL, "B", |one| one.statement_wal_bytes, most(0.5)),
                row(OWN_CPU, "us", |one| Some(one.own_us), most(0.4)),
            ]
        }
    };
    rows.into_iter().flatten().collect()
}

fn three_beside_one(all: &[Reached<'_>], (_, one): &Reached<'_>) -> Option<Figure> {
    let is_three = |subject: &Subject<'_>| matches!(subject, Subject::Workers(_, _, 3));
    let (subject, three) = all.iter().find(|(subject, _)| is_three(subject))?;
    let rate = |drained: &[Drained]| values(drained, |one| Some(one.per_second));
    let (three, one) = (rate(three), rate(one));
    let figure = Figure::of(RATE, subject.name(), "jobs/s", &three)?;
    let figure = figure.beside("wide", &three, &one);
    Some(figure.wanted(Wanted::RatioAtLeast(1.0)))
}

fn rss_above_idle((_, own): &Reached<'_>, idle_mb: f64) -> Option<Figure> {
    let above: Vec<f64> = values(own, |one| one.peak_rss_mb)
        .into_iter()
        .map(|peak| peak - idle_mb)
        .collect();
    let figure = Figure::of("resident memory above an idle worker", "wide", "MB", &above)?;
    Some(figure.wanted(Wanted::AtMost(25.0)))
}

fn values(drained: &[Drained], part: Part) -> Vec<f64> {
    drained.iter().filter_map(part).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::rig::Pgbench;
    use crate::suites::queue::worker::Worker;

    fn drained(per_second: f64) -> Drained {
        Drained {
            per_second,
            db_us: Some(20.0),
            statement_wal_bytes: Some(1000.0),
            wal_bytes: 1100.0,
            own_us: 8.0,
            postgres_us: 25.0,
            peak_rss_mb: Some(40.0),
        }
    }

    #[test]
    fn ours_is_compared_and_judged() {
        let pgbench = Subject::Pgbench(Pgbench::at("pgbench"));
        let one = Subject::Workers("wide", Worker::WIDE, 1);
        let three = Subject::Workers("wide, 3 processes", Worker::WIDE, 3);
        let all = [
            (&one, vec![drained(40.0)]),
            (&three, vec![drained(50.0)]),
            (&pgbench, vec![drained(50.0)]),
        ];
        let figures = of(&all, 18.0);
        let judged: Vec<(&str, Option<f64>, Option<bool>)> = figures
            .iter()
            .filter(|figure| figure.holds.is_some())
            .map(|figure| (figure.subject.as_str(), figure.ratio, figure.holds))
            .collect();
        assert_eq!(
            judged,
            [
                ("wide", Some(0.8), Some(true)),
                ("wide, 3 processes", Some(1.25), Some(true)),
                ("wide", None, Some(true)),
            ]
        );
    }
}
