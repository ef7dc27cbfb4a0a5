//! Kills in the middle: of workers at each step of a revocation, and of the command that seals
//! everything anew. Afterwards the state is as if nobody had been killed.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::time::{Duration, Instant};

use certmill_crypto::seal::{Kek, Keyring, Place};
use certmill_loadtest::checks;
use certmill_store::sealed::SEALED;
use certmill_wire::{BulkCertificateRequest, CertificateRequest, ProfileRequest};
use sqlx::{AssertSqlSafe, Connection as _};

use crate::ONE_AT_A_TIME;
use crate::progress::say;
use crate::public::Public;

const PATIENCE: Duration = Duration::from_secs(60);
/// Tries to hit a worker between a job's work and its finish.
const TRIES: usize = 6;
const WORKERS: [&str; 2] = ["worker-1", "worker-2"];

#[tokio::test]
async fn a_revocation_goes_through_although_workers_die_at_each_step() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut site = Public::open(&[
        ("failpoints.finish_delay_ms_max", "1500"),
        ("failpoints.finish_delay_share", "1"),
    ])
    .await;
    let mut names = vec!["nobody".to_owned()];
    site.add("nobody");
    // Asked for while no worker lives: the job alone carries it.
    for worker in WORKERS {
        site.cluster.member(worker).kill();
    }
    ask(&site, "nobody");
    for worker in WORKERS {
        site.cluster.launch(worker);
    }
    for (step, held) in [
        ("before the revocation is stored", "j.kind = 'revoke'"),
        (
            "between a list's number and the list",
            "j.kind = 'crl' AND EXISTS (SELECT 1 FROM crl_head h WHERE h.drawn > \
             (SELECT coalesce(max(c.number), 0) FROM crl c WHERE c.ca_key_id = h.ca_key_id))",
        ),
    ] {
        let mut hit = 0;
        for _ in 0..TRIES {
            let name = format!("n{}", names.len());
            site.add(&name);
            ask(&site, &name);
            hit += usize::from(kill_holder(&mut site, held).await);
            names.push(name);
            if hit == 2 {
                break;
            }
        }
        assert!(hit > 0, "no worker was killed {step}");
        say(format_args!("{hit} workers killed {step}"));
    }
    for name in &names {
        site.until_listed(name).await;
        let said = site.asked(name, name, &[]).await;
        assert!(said.contains(&format!("{name}.pem: revoked")), "{said}");
    }
    let asked = i64::try_from(names.len()).unwrap();
    for told in [
        "version WHERE revoked_at IS NOT NULL",
        "audit WHERE action = 'version.revoke'",
        "event WHERE code = 'revoked'",
    ] {
        assert_eq!(site.cluster.count(told).await, asked, "{told}");
    }
    assert!(
        site.cluster
            .count("harness.job_events WHERE ev = 'rescued'")
            .await
            > 0
    );
    until_still(&site).await;
    let violations = checks::violations(site.cluster.owner()).await.unwrap();
    assert!(violations.is_empty(), "{violations:#?}");
}

fn ask(site: &Public, name: &str) {
    let host = format!("{name}.example.com");
    site.good(&[
        "certs",
        "revoke",
        &host,
        "--reason",
        "cessationOfOperation",
        "--yes",
    ]);
}

/// Kills the worker that holds such a job and starts its successor; whether the job was still its own.
pub async fn kill_holder(site: &mut Public, held: &str) -> bool {
    let select = format!(
        "SELECT j.id, p.label FROM job j JOIN process p ON p.id = j.worker_id WHERE j.state = 1 AND {held}"
    );
    let deadline = Instant::now() + PATIENCE;
    let (job, label) = loop {
        let found: Option<(i64, String)> = sqlx::query_as(AssertSqlSafe(select.clone()))
            .fetch_optional(site.cluster.owner())
            .await
            .unwrap();
        if let Some(found) = found {
            break found;
        }
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let name = WORKERS.into_iter().find(|name| *name == label).unwrap();
    site.cluster.member(name).kill();
    let left = site
        .cluster
        .count(&format!("job WHERE id = {job} AND state = 1"))
        .await;
    site.cluster.launch(name);
    left == 1
}

async fn until_still(site: &Public) {
    let deadline = Instant::now() + PATIENCE;
    while site
        .cluster
        .count("job WHERE kind IN ('revoke', 'crl', 'issue')")
        .await
        > 0
    {
        assert!(Instant::now() < deadline, "jobs are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn sealing_anew_goes_on_where_it_was_killed() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let site = Public::open(&[("kek_poll_ms", "300"), ("acknowledge_sealed_keys", "true")]).await;
    seal_many(&site).await;
    let keys = site.cluster.folder().join("keys");
    let old = || Kek::load(&keys.join("app.kek")).unwrap();
    let (code, said) = site.cluster.operate(&["kek", "new", "app"]).await;
    assert_eq!(code, Some(0), "{said}");
    let new = || Kek::load(&keys.join("app.kek.next")).unwrap();
    let (before, after) = (old().id().to_string(), new().id().to_string());

    // Somebody holds the last row: the command seals the first batches, waits there, and dies.
    let mut holder = site.cluster.database().owner_session().await;
    let mut tx = holder.begin().await.unwrap();
    sqlx::query(
        "SELECT id FROM certificate WHERE key_sealed IS NOT NULL ORDER BY id DESC LIMIT 1 FOR UPDATE",
    )
    .execute(&mut *tx)
    .await
    .unwrap();
    rotate_and_kill(&site, &after).await;
    tx.rollback().await.unwrap();
    let under = |id: &str| format!("certificate WHERE kek_id = '{id}'");
    let done = site.cluster.count(&under(&after)).await;
    let left = site.cluster.count(&under(&before)).await;
    assert!(done > 0 && left > 0, "{done} done, {left} left");
    say(format_args!(
        "killed with {done} rows sealed anew and {left} left"
    ));
    // In between everything opens, and the old key is not let go.
    assert_eq!(opening(&site, Keyring::new(new(), vec![old()])).await.1, 0);
    let (code, said) = site
        .cluster
        .operate(&["kek", "retire", &before, "--yes"])
        .await;
    assert!(code != Some(0) && said.contains("kek_in_use"), "{said}");

    let (code, said) = site.cluster.operate(&["kek", "rotate", "app"]).await;
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(site.cluster.count(&under(&before)).await, 0);
    let (opened, failed) = opening(&site, Keyring::new(new(), Vec::new())).await;
    assert!(
        opened > 200 && failed == 0,
        "{opened} open, {failed} do not"
    );
    let (opened, _) = opening(&site, Keyring::new(old(), Vec::new())).await;
    assert_eq!(opened, 0, "the old key alone opens nothing");
    let mut conn = site.cluster.owner().acquire().await.unwrap();
    let rows = checks::run(&mut conn, "I8a_sealed_under_registered_keys.sql")
        .await
        .unwrap();
    assert!(rows.is_empty(), "{rows:?}");
}

/// More sealed keys than one transaction seals anew.
async fn seal_many(site: &Public) {
    let client = site.cluster.client().await;
    let profile = ProfileRequest {
        name: "sealed".to_owned(),
        key_source: Some("sealed".to_owned()),
        lifetime_s: 86_400,
        ..ProfileRequest::default()
    };
    client.add_profile(&profile).await.unwrap();
    for bulk in 0..3 {
        let one = |n: i32| CertificateRequest {
            name: format!("s{bulk}-{n}.example.com"),
            profile: Some("sealed".to_owned()),
            ..CertificateRequest::default()
        };
        let certificates = (0..100).map(one).collect();
        let request = BulkCertificateRequest { certificates };
        let answer = client.request_certificates(&request).await.unwrap();
        assert_eq!(answer.accepted, 100, "{answer:?}");
    }
    until_still(site).await;
}

/// Runs `kek rotate app` until it waits for the held row, and kills it there.
async fn rotate_and_kill(site: &Public, new: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut command = site.cluster.begin_operation(&["kek", "rotate", "app"]);
        loop {
            if let Some(status) = command.ended() {
                // Not everywhere yet: the running processes look at their files from time to time.
                assert!(!status.success(), "it did not wait for the held row");
                assert!(Instant::now() < deadline, "{}", command.tail());
                break;
            }
            let sealed = format!("certificate WHERE kek_id = '{new}'");
            let blocked = "pg_stat_activity WHERE datname = current_database() \
                           AND wait_event_type = 'Lock' AND query LIKE '%FROM certificate%'";
            if site.cluster.count(&sealed).await > 0 && site.cluster.count(blocked).await > 0 {
                command.kill();
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// How many sealed values of the purpose `app` open with these keys alone, and how many do not.
async fn opening(site: &Public, ring: Keyring) -> (usize, usize) {
    let (mut opened, mut failed) = (0, 0);
    for column in SEALED.iter().filter(|column| column.purpose == "app") {
        let select = format!(
            "SELECT id::text, {1} FROM {0} WHERE {1} IS NOT NULL",
            column.table, column.column
        );
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(select))
            .fetch_all(site.cluster.owner())
            .await
            .unwrap();
        for (id, sealed) in rows {
            match ring.open(Place::new(column.table, column.column, &id), &sealed) {
                Ok(_) => opened += 1,
                Err(_) => failed += 1,
            }
        }
    }
    (opened, failed)
}
