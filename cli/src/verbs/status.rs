//! `certmill status`: one sentence of truth, then what runs.
//!
//! Invariant: the sentence says OK only if nothing that was looked at is at risk.

use std::collections::BTreeMap;

use certmill_domain::job::JobState;
use certmill_wire::{CertificateFilter, ClusterView, JobFilter, MAX_LIMIT, Paging};
use serde::Serialize;

use crate::failure::Failure;
use crate::output::instant;
use crate::session::Session;

const UNFINISHED: [JobState; 4] = [
    JobState::Running,
    JobState::Available,
    JobState::Retryable,
    JobState::Scheduled,
];

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Status {
    ok: bool,
    sentence: String,
    /// Unfinished jobs by state, among the newest 500.
    jobs: BTreeMap<String, usize>,
    jobs_has_more: bool,
    /// Names of certificates whose last order failed, 500 at most.
    failed_certificates: Vec<String>,
    cluster: ClusterView,
}

/// Prints how the system stands.
pub async fn run(session: &Session) -> Result<(), Failure> {
    let status = read(session).await?;
    let output = &session.output;
    if output.is_json() {
        return output.json(&status);
    }
    output.text(&format!("{}\n\n", crate::output::plain(&status.sentence)))?;
    let leader = status.cluster.leader.as_ref();
    let leader = leader.map(|leader| format!("{}, epoch {}", leader.holder, leader.epoch));
    output.fields(&[
        (
            "version",
            format!(
                "{}, schema {}",
                status.cluster.version, status.cluster.schema
            ),
        ),
        ("leader", leader.unwrap_or_else(|| "none".into())),
        ("jobs", jobs_in_words(&status)),
    ])?;
    output.text("\n")?;
    let rows = status.cluster.processes.iter().map(|process| {
        vec![
            process.name.clone(),
            process.role.clone(),
            process.state.clone(),
            process.version.clone(),
            instant(process.started_at),
            instant(process.last_beat),
        ]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    output.rows(
        &[
            "PROCESS",
            "ROLE",
            "STATE",
            "VERSION",
            "STARTED",
            "LAST BEAT",
        ],
        &rows,
    )
}

async fn read(session: &Session) -> Result<Status, Failure> {
    let client = &session.client;
    let paging = || Paging {
        limit: Some(MAX_LIMIT),
        cursor: None,
    };
    let unfinished = JobFilter {
        state: UNFINISHED.map(|state| state.as_str().to_owned()).to_vec(),
        paging: paging(),
        ..JobFilter::default()
    };
    let failed = CertificateFilter {
        status: vec!["failed".into()],
        paging: paging(),
        ..CertificateFilter::default()
    };
    let (cluster, jobs, failed) = tokio::join!(
        client.cluster(),
        client.jobs(&unfinished),
        client.certificates(&failed)
    );
    let cluster = cluster.map_err(|error| Failure::of_call("cluster", &error))?;
    let jobs = jobs.map_err(|error| Failure::of_call("jobs", &error))?;
    let failed = failed.map_err(|error| Failure::of_call("certificates", &error))?;
    let names: Vec<String> = failed
        .data
        .into_iter()
        .map(|certificate| certificate.name)
        .collect();
    let mut counts = BTreeMap::new();
    for job in jobs.data {
        *counts.entry(job.state).or_insert(0) += 1;
    }
    let risks = risks(&cluster, &names, failed.has_more);
    Ok(Status {
        ok: risks.is_empty(),
        sentence: sentence(&cluster, &risks),
        jobs: counts,
        jobs_has_more: jobs.has_more,
        failed_certificates: names,
        cluster,
    })
}

fn alive(cluster: &ClusterView, roles: &[&str]) -> usize {
    let live = |state: &str| matches!(state, "alive" | "draining");
    let found = cluster.processes.iter();
    found
        .filter(|process| live(&process.state) && roles.contains(&process.role.as_str()))
        .count()
}

fn risks(cluster: &ClusterView, failed: &[String], more_failed: bool) -> Vec<String> {
    let mut risks = Vec::new();
    if alive(cluster, &["up", "worker"]) == 0 {
        risks.push("no worker is alive, so nothing is issued".to_owned());
    }
    if cluster.leader.is_none() {
        risks.push("no scheduler leads, so nothing is renewed".to_owned());
    }
    let silent = cluster
        .processes
        .iter()
        .filter(|process| process.state == "silent")
        .count();
    if silent > 0 {
        risks.push(format!("{silent} process(es) silent"));
    }
    if let Some(first) = failed.first() {
        let least = if more_failed { "at least " } else { "" };
        let count = failed.len();
        risks.push(format!(
            "{least}{count} certificate(s) failed, such as {first}"
        ));
    }
    risks
}

fn sentence(cluster: &ClusterView, risks: &[String]) -> String {
    if risks.is_empty() {
        let processes = alive(cluster, &["up", "api", "worker", "scheduler"]);
        return format!("OK: no certificate has failed; processes alive: {processes}");
    }
    format!("AT RISK: {}", risks.join("; "))
}

fn jobs_in_words(status: &Status) -> String {
    if status.jobs.is_empty() {
        return "none unfinished".to_owned();
    }
    let counts: Vec<String> = status
        .jobs
        .iter()
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    let more = if status.jobs_has_more {
        ", and more"
    } else {
        ""
    };
    format!("{}{more}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn cluster(states: &[(&str, &str)], led: bool) -> ClusterView {
        let at = "2026-03-01T12:00:00Z";
        let processes: Vec<_> = states
            .iter()
            .map(|(role, state)| {
                json!({ "id": "1", "role": role, "name": "p", "version": "0", "state": state,
                    "started_at": at, "last_beat": at })
            })
            .collect();
        let leader =
            led.then(|| json!({ "holder": "s1", "epoch": 3, "since": at, "renewed_at": at }));
        serde_json::from_value(json!({ "version": "0", "schema": 4, "processes": processes,
            "leader": leader, "schedules": [] }))
        .unwrap()
    }

    #[test]
    fn the_sentence_says_ok_only_if_nothing_is_at_risk() {
        let well = cluster(&[("up", "alive")], true);
        assert!(sentence(&well, &risks(&well, &[], false)).starts_with("OK"));
        let bad = cluster(&[("worker", "dead"), ("scheduler", "silent")], false);
        let found = risks(&bad, &["a.example".into()], true);
        let text = sentence(&bad, &found);
        assert_eq!(found.len(), 4, "{text}");
        assert!(text.starts_with("AT RISK: no worker is alive"), "{text}");
        assert!(
            text.contains("at least 1 certificate(s) failed, such as a.example"),
            "{text}"
        );
    }
}
