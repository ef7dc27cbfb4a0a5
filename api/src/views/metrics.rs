//! What the service found, as metrics.
//!
//! Invariant: names and labels are an interface: they are added to and never change their meaning.

use std::sync::atomic::AtomicU64;

use certmill_service::lanes::Lanes;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

type ByLane = Family<[(&'static str, String); 1], Gauge<f64, AtomicU64>>;

/// The metrics of the lanes, in the OpenMetrics text format.
pub(crate) fn metrics(found: &Lanes) -> String {
    let (due, running, limit) = (ByLane::default(), ByLane::default(), ByLane::default());
    let (paused, oldest) = (ByLane::default(), ByLane::default());
    for row in &found.lanes {
        let lane = &row.lane;
        let of = [("lane", lane.name.clone())];
        #[expect(clippy::cast_precision_loss, reason = "counted up to 10,000")]
        let (due_jobs, running_jobs) = (row.due as f64, row.running as f64);
        due.get_or_create(&of).set(due_jobs);
        running.get_or_create(&of).set(running_jobs);
        let is_paused = lane.paused_at.is_some();
        paused
            .get_or_create(&of)
            .set(f64::from(u8::from(is_paused)));
        let age_s = row.oldest_due_age_s.unwrap_or(0.0);
        oldest.get_or_create(&of).set(age_s);
        if let Some(most) = lane.max_running {
            limit.get_or_create(&of).set(f64::from(most));
        }
    }
    let mut registry = Registry::with_prefix("certmill");
    registry.register(
        "lane_due_jobs",
        "Jobs that are due and wait, counted up to 10,000",
        due,
    );
    registry.register_with_unit(
        "lane_oldest_due_age",
        "For how long the oldest of them is due",
        Unit::Seconds,
        oldest,
    );
    registry.register("lane_running_jobs", "Jobs that run", running);
    registry.register("lane_limit_jobs", "How many of them may run at once", limit);
    registry.register("lane_paused", "1 while nothing is claimed from it", paused);
    let mut text = String::new();
    // Writing into a text cannot fail.
    encode(&mut text, &registry).ok();
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use certmill_queue::LaneRow;
    use certmill_queue::depth::LaneDepth;

    #[test]
    fn a_lane_is_told_with_its_name_as_a_label() {
        let lane = LaneDepth {
            lane: LaneRow {
                name: "issue:\"odd\"".into(),
                needs_key: false,
                max_running: Some(25),
                paused_at: None,
                pause_reason: None,
            },
            due: 7,
            due_more: false,
            oldest_due_age_s: Some(1.5),
            running: 3,
        };
        let text = metrics(&Lanes {
            lanes: vec![lane],
            paused_kinds: Vec::new(),
        });
        for line in [
            "certmill_lane_due_jobs{lane=\"issue:\\\"odd\\\"\"} 7.0",
            "certmill_lane_oldest_due_age_seconds{lane=\"issue:\\\"odd\\\"\"} 1.5",
            "certmill_lane_limit_jobs{lane=\"issue:\\\"odd\\\"\"} 25.0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "{text}");
    }
}
