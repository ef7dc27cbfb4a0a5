//! `certmill status`: one sentence of truth, then what runs.
//!
//! Invariant: the sentence says OK only if nothing that was looked at is at risk. What is late is
//! told by this machine's clock, which decides nothing.

use std::collections::BTreeMap;

use certmill_domain::job::JobState;
use certmill_telemetry::clock::now_utc;
use certmill_wire::{
    CertificateFilter, CertificateView, ClusterView, JobFilter, MAX_LIMIT, Paging,
};
use serde::Serialize;
use time::OffsetDateTime;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::instant;
use crate::session::Session;

/// Pages of certificates that are looked at: 10,000 of them.
const PAGES: usize = 20;

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
    /// Unfinished jobs by queue, among the same.
    queues: BTreeMap<String, usize>,
    /// The certificate that ends first, of those that live.
    tightest: Option<Margin>,
    /// How many certificates have ended, and how many are past half of the time for renewal.
    expired: usize,
    late: usize,
    /// How many certificates were looked at, and whether there are more.
    certificates: usize,
    certificates_has_more: bool,
    /// Names of certificates whose last order failed, 500 at most.
    failed_certificates: Vec<String>,
    cluster: ClusterView,
}

/// How much of its life a certificate has left.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Margin {
    name: String,
    #[serde(with = "time::serde::rfc3339")]
    not_after: OffsetDateTime,
    left_s: i64,
}

/// Prints how the system stands; `--exit-code` makes a risk a failure.
pub async fn run(exit_code: bool, session: &Session) -> Result<(), Failure> {
    let status = read(session).await?;
    print(&status, session)?;
    if exit_code && !status.ok {
        let hint = "`certmill explain NAME` says more of one of them";
        let why = status.sentence.trim_start_matches("AT RISK: ");
        return Err(Failure::new(Exit::Failed, "AT RISK", "status", why, hint));
    }
    Ok(())
}

fn print(status: &Status, session: &Session) -> Result<(), Failure> {
    let output = &session.output;
    if output.is_value() {
        return output.value(status);
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
        ("jobs", jobs_in_words(status)),
        ("queues", counted(&status.queues)),
        (
            "ends first",
            status
                .tightest
                .as_ref()
                .map(margin_in_words)
                .unwrap_or_default(),
        ),
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
    let (cluster, jobs, failed, margins) = tokio::join!(
        client.cluster(),
        client.jobs(&unfinished),
        client.certificates(&failed),
        margins(session)
    );
    let margins = margins?;
    let cluster = cluster.map_err(|error| Failure::of_call("cluster", &error))?;
    let jobs = jobs.map_err(|error| Failure::of_call("jobs", &error))?;
    let failed = failed.map_err(|error| Failure::of_call("certificates", &error))?;
    let names: Vec<String> = failed
        .data
        .into_iter()
        .map(|certificate| certificate.name)
        .collect();
    let (mut counts, mut queues) = (BTreeMap::new(), BTreeMap::new());
    for job in jobs.data {
        *counts.entry(job.state).or_insert(0) += 1;
        *queues.entry(job.queue).or_insert(0) += 1;
    }
    let risks = risks(&cluster, &names, failed.has_more, &margins);
    Ok(Status {
        ok: risks.is_empty(),
        sentence: sentence(&cluster, &risks, &margins),
        jobs: counts,
        jobs_has_more: jobs.has_more,
        queues,
        tightest: margins.tightest,
        expired: margins.expired,
        late: margins.late,
        certificates: margins.seen,
        certificates_has_more: margins.has_more,
        failed_certificates: names,
        cluster,
    })
}

/// What the lives of all certificates come to.
#[derive(Debug, Default)]
struct Margins {
    tightest: Option<Margin>,
    expired: usize,
    late: usize,
    seen: usize,
    has_more: bool,
}

impl Margins {
    fn add(&mut self, certificate: &CertificateView, now: OffsetDateTime) {
        self.seen += 1;
        let Some(version) = &certificate.version else {
            return;
        };
        let left = version.not_after - now;
        if !left.is_positive() {
            self.expired += 1;
            return;
        }
        if let Some(due) = certificate.renew_at
            && now > due + (version.not_after - due) / 2
        {
            self.late += 1;
        }
        let left_s = left.whole_seconds();
        if self.tightest.as_ref().is_none_or(|one| left_s < one.left_s) {
            self.tightest = Some(Margin {
                name: certificate.name.clone(),
                not_after: version.not_after,
                left_s,
            });
        }
    }
}

async fn margins(session: &Session) -> Result<Margins, Failure> {
    let (mut margins, now) = (Margins::default(), now_utc());
    let mut filter = CertificateFilter::default();
    filter.paging.limit = Some(MAX_LIMIT);
    for _ in 0..PAGES {
        let page = session.client.certificates(&filter).await;
        let page = page.map_err(|error| Failure::of_call("certificates", &error))?;
        for certificate in &page.data {
            margins.add(certificate, now);
        }
        margins.has_more = page.has_more;
        filter.paging.cursor = page.next_cursor;
        if filter.paging.cursor.is_none() {
            break;
        }
    }
    Ok(margins)
}

fn margin_in_words(margin: &Margin) -> String {
    let left = match margin.left_s {
        s if s >= 2 * 86_400 => format!("{} days", s / 86_400),
        s if s >= 2 * 3_600 => format!("{} hours", s / 3_600),
        s if s >= 120 => format!("{} minutes", s / 60),
        s => format!("{s} seconds"),
    };
    format!("{}, in {left} ({})", margin.name, instant(margin.not_after))
}

fn counted(counts: &BTreeMap<String, usize>) -> String {
    let each: Vec<String> = counts
        .iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect();
    each.join(", ")
}

fn alive(cluster: &ClusterView, roles: &[&str]) -> usize {
    let live = |state: &str| matches!(state, "alive" | "draining");
    let found = cluster.processes.iter();
    found
        .filter(|process| live(&process.state) && roles.contains(&process.role.as_str()))
        .count()
}

fn risks(
    cluster: &ClusterView,
    failed: &[String],
    more_failed: bool,
    margins: &Margins,
) -> Vec<String> {
    let mut risks = Vec::new();
    if margins.expired > 0 {
        risks.push(format!("{} certificate(s) have ended", margins.expired));
    }
    if margins.late > 0 {
        let tightest = margins.tightest.as_ref().map(margin_in_words);
        risks.push(format!(
            "{} certificate(s) are late for renewal; the first to end is {}",
            margins.late,
            tightest.unwrap_or_default()
        ));
    }
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

fn sentence(cluster: &ClusterView, risks: &[String], margins: &Margins) -> String {
    if risks.is_empty() {
        let processes = alive(cluster, &["up", "api", "worker", "scheduler"]);
        let least = if margins.has_more { "at least " } else { "" };
        let first = match &margins.tightest {
            Some(margin) => format!(", the first to end is {}", margin_in_words(margin)),
            None => String::new(),
        };
        return format!(
            "OK: none of {least}{} certificates is failed or late{first}; processes alive: \
             {processes}",
            margins.seen
        );
    }
    format!("AT RISK: {}", risks.join("; "))
}

fn jobs_in_words(status: &Status) -> String {
    if status.jobs.is_empty() {
        return "none unfinished".to_owned();
    }
    let more = if status.jobs_has_more {
        ", and more"
    } else {
        ""
    };
    format!("{}{more}", counted(&status.jobs))
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
        let none = Margins::default();
        assert!(sentence(&well, &risks(&well, &[], false, &none), &none).starts_with("OK"));
        let bad = cluster(&[("worker", "dead"), ("scheduler", "silent")], false);
        let found = risks(&bad, &["a.example".into()], true, &none);
        let text = sentence(&bad, &found, &none);
        assert_eq!(found.len(), 4, "{text}");
        assert!(text.starts_with("AT RISK: no worker is alive"), "{text}");
        assert!(
            text.contains("at least 1 certificate(s) failed, such as a.example"),
            "{text}"
        );
    }

    #[test]
    fn what_has_ended_or_is_late_is_at_risk() {
        let well = cluster(&[("up", "alive")], true);
        let now = time::macros::datetime!(2026-03-01 12:00 UTC);
        let of = |renew_in: i64, end_in: i64| -> CertificateView {
            let at = |hours: i64| {
                (now + time::Duration::hours(hours))
                    .format(&time::format_description::well_known::Rfc3339)
                    .unwrap()
            };
            serde_json::from_value(
                json!({ "id": "cert_1", "name": format!("c{end_in}.example"),
                "sans": [], "profile": "p", "issuer": "i", "status": "issued", "generation": 1,
                "version": { "id": "ver_1", "generation": 1, "serial": "0a",
                    "not_before": at(-100), "not_after": at(end_in),
                    "fingerprint_sha256": "ff", "issued_at": at(-100) },
                "renew_at": at(renew_in), "waiting_on": null, "job": null,
                "created_at": at(-100) }),
            )
            .unwrap()
        };
        let seen = |certificates: &[CertificateView]| {
            let mut margins = Margins::default();
            for certificate in certificates {
                margins.add(certificate, now);
            }
            let risks = risks(&well, &[], false, &margins);
            sentence(&well, &risks, &margins)
        };
        let fine = seen(&[of(10, 30), of(-1, 5)]);
        assert!(fine.starts_with("OK: none of 2 certificates"), "{fine}");
        assert!(
            fine.contains("the first to end is c5.example, in 5 hours"),
            "{fine}"
        );
        let late = seen(&[of(-10, 5), of(10, 30)]);
        assert!(
            late.starts_with("AT RISK: 1 certificate(s) are late"),
            "{late}"
        );
        let ended = seen(&[of(-10, -1)]);
        assert!(
            ended.starts_with("AT RISK: 1 certificate(s) have ended"),
            "{ended}"
        );
    }
}
