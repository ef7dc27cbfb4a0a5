//! What the service found, as metrics.
//!
//! Invariant: names and labels are an interface: they are added to and never change their meaning.

use std::sync::atomic::AtomicU64;

use certmill_coordination::Standing;
use certmill_service::cluster::Cluster;
use certmill_service::lanes::Lanes;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

type ByName = Family<[(&'static str, String); 1], Gauge<f64, AtomicU64>>;

/// The metrics, in the OpenMetrics text format.
pub(crate) fn metrics(found: &Lanes, cluster: &Cluster) -> String {
    let mut registry = Registry::with_prefix("certmill");
    lanes(&mut registry, found);
    replicas(&mut registry, cluster);
    schedules(&mut registry, cluster);
    let mut text = String::new();
    // Writing into a text cannot fail.
    encode(&mut text, &registry).ok();
    text
}

fn lanes(registry: &mut Registry, found: &Lanes) {
    let (due, running, limit) = (ByName::default(), ByName::default(), ByName::default());
    let (paused, oldest) = (ByName::default(), ByName::default());
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
}

fn replicas(registry: &mut Registry, cluster: &Cluster) {
    let alive = Family::<[(&'static str, String); 2], Gauge>::default();
    for row in cluster.processes.iter().filter(|row| row.alive) {
        let of = [("role", row.role.clone()), ("version", row.version.clone())];
        alive.get_or_create(&of).inc();
    }
    registry.register("processes", "Processes that live", alive);
    let (held, epoch) = (Gauge::<i64>::default(), Gauge::<i64>::default());
    if let Some(row) = &cluster.leader {
        held.set(i64::from(row.held));
        epoch.set(row.epoch);
    }
    registry.register("leader_held", "1 while somebody leads", held);
    registry.register("leader_epoch", "Number of the last term that began", epoch);
}

fn schedules(registry: &mut Registry, cluster: &Cluster) {
    let (ended, took, failed) = (ByName::default(), ByName::default(), ByName::default());
    for row in &cluster.schedules {
        let of = [("schedule", row.name.clone())];
        let Some(job) = &row.last_job else { continue };
        let is_bad = matches!(
            job.standing,
            Some(Standing::Discarded | Standing::Cancelled)
        );
        failed.get_or_create(&of).set(f64::from(u8::from(is_bad)));
        if let Some(at) = job.ended_at {
            #[expect(clippy::cast_precision_loss, reason = "seconds of this age fit")]
            ended.get_or_create(&of).set(at.unix_timestamp() as f64);
        }
        if let Some(span) = job.took {
            took.get_or_create(&of).set(span.as_secs_f64());
        }
    }
    registry.register_with_unit(
        "schedule_last_end_timestamp",
        "When the last job of the schedule ended, since the Unix epoch",
        Unit::Seconds,
        ended,
    );
    registry.register_with_unit(
        "schedule_last_duration",
        "How long it took",
        Unit::Seconds,
        took,
    );
    registry.register("schedule_last_failed", "1 if it did not complete", failed);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use certmill_coordination::{LastJob, ScheduleRow};
    use certmill_queue::LaneRow;
    use certmill_queue::depth::LaneDepth;
    use time::OffsetDateTime;

    fn nobody() -> Cluster {
        Cluster {
            processes: Vec::new(),
            leader: None,
            terms: Vec::new(),
            schedules: Vec::new(),
            budgets: Vec::new(),
        }
    }

    #[test]
    fn a_schedule_whose_last_job_was_discarded_has_failed() {
        let job = LastJob {
            id: 7,
            standing: Some(Standing::Discarded),
            ended_at: Some(OffsetDateTime::UNIX_EPOCH + Duration::from_secs(90)),
            took: Some(Duration::from_millis(250)),
        };
        let row = ScheduleRow {
            name: "renewal".to_owned(),
            period: Duration::from_secs(60),
            next_slot: OffsetDateTime::UNIX_EPOCH,
            last_slot: None,
            last_job: Some(job),
        };
        let lanes = Lanes {
            lanes: Vec::new(),
            paused_kinds: Vec::new(),
        };
        let cluster = Cluster {
            schedules: vec![row],
            budgets: Vec::new(),
            ..nobody()
        };
        let text = metrics(&lanes, &cluster);
        for line in [
            "certmill_schedule_last_failed{schedule=\"renewal\"} 1.0",
            "certmill_schedule_last_duration_seconds{schedule=\"renewal\"} 0.25",
            "certmill_schedule_last_end_timestamp_seconds{schedule=\"renewal\"} 90.0",
            "certmill_leader_held 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
    }

    #[test]
    fn a_lane_is_told_with_its_name_as_a_label() {
        let lane = LaneDepth {
            lane: LaneRow {
                name: "issue:\"odd\"".into(),
                needs_key: false,
                max_running: Some(25),
                paused_at: None,
                pause_reason: None,
                closed_until: None,
                reserved_until: None,
            },
            due: 7,
            due_more: false,
            oldest_due_age_s: Some(1.5),
            running: 3,
        };
        let lanes = Lanes {
            lanes: vec![lane],
            paused_kinds: Vec::new(),
        };
        let text = metrics(&lanes, &nobody());
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
