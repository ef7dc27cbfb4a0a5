//! Values that a newer build may have written are left alone, with a word, and disturb nobody else.
//!
//! Where a constraint forbids a value today, the test drops it first, as the newer migration would.

use certmill_domain::job::JobState;
use certmill_domain::operation::JobVerb;
use certmill_domain::revocation::RevocationReason;
use certmill_domain::schedule::{LANE, RENEWAL_SWEEP};
use certmill_domain::waiting::NEWER_BUILD;
use certmill_queue::read::JobFilter;
use certmill_queue::selection::Selector;
use certmill_queue::{Lane, NewJob, TeamId, lane};
use certmill_service::certificates::{self, Ask, ItemOutcome};
use certmill_service::operations::{self, BulkAsk, JobSettings};
use certmill_service::{Caller, cluster, issuers, jobs, keys, lanes, profiles};
use certmill_store::certificate::Filter;
use certmill_store::revocation;
use serde_json::json;

use crate::rig::*;

/// An issuer and a profile beside the usual ones, for what a newer build makes of them.
const STRANGE: &str = "
    INSERT INTO issuer (team_id, name, kind, config, ca_key_id, lane)
        SELECT team_id, 'strange', kind, config, ca_key_id, lane FROM issuer WHERE name = 'local';
    INSERT INTO profile (team_id, name, issuer_id, lifetime_s, key_algorithms, key_source, renew_fraction)
        SELECT p.team_id, 'strange', i.id, p.lifetime_s, p.key_algorithms, 'csr', 0.5
        FROM profile p, issuer i WHERE p.name = 'default' AND i.name = 'strange';";

/// A value of a newer build.
struct Case {
    /// Table and column.
    what: &'static str,
    /// Writes it.
    plant: &'static str,
    /// The row, as it must be found afterwards.
    left: &'static str,
    /// Whether some job needs it, and so waits.
    waits: bool,
}

const fn case(what: &'static str, plant: &'static str, left: &'static str, waits: bool) -> Case {
    Case {
        what,
        plant,
        left,
        waits,
    }
}

const CASES: [Case; 15] = [
    case(
        "certificate.status",
        "ALTER TABLE certificate DROP CONSTRAINT certificate_status_known;
         UPDATE certificate SET status = 'suspended' WHERE name = 'strange.example.com'",
        "certificate WHERE status = 'suspended'",
        true,
    ),
    case(
        "certificate.key_source",
        "ALTER TABLE certificate DROP CONSTRAINT certificate_key_source_known;
         UPDATE certificate SET key_source = 'hsm' WHERE name = 'strange.example.com'",
        "certificate WHERE key_source = 'hsm'",
        true,
    ),
    case(
        "cert_order.state",
        "ALTER TABLE cert_order DROP CONSTRAINT cert_order_state_known;
         UPDATE cert_order SET state = 'reviewed'
             WHERE certificate_id = (SELECT id FROM certificate WHERE name = 'strange.example.com')",
        "cert_order WHERE state = 'reviewed'",
        true,
    ),
    case(
        "profile.key_algorithms",
        "UPDATE profile SET key_algorithms = '{ecdsa_p256,ml_dsa_65}' WHERE name = 'strange'",
        "profile WHERE 'ml_dsa_65' = ANY (key_algorithms)",
        true,
    ),
    case(
        "profile.key_source",
        "ALTER TABLE profile DROP CONSTRAINT profile_key_source_known;
         UPDATE profile SET key_source = 'hsm' WHERE name = 'strange'",
        "profile WHERE key_source = 'hsm'",
        true,
    ),
    case(
        "issuer.kind",
        "UPDATE issuer SET kind = 'vault' WHERE name = 'strange'",
        "issuer WHERE kind = 'vault'",
        true,
    ),
    case(
        "job.args",
        "UPDATE job SET args = args || '{\"urgent\": true}' WHERE kind = 'issue'",
        "job WHERE args ? 'urgent'",
        true,
    ),
    case(
        "operation.verb",
        "UPDATE operation SET verb = 'freeze'",
        "operation WHERE verb = 'freeze' AND state = 'queued'",
        true,
    ),
    case(
        "operation.subject",
        "UPDATE operation SET subject = 'certificate'",
        "operation WHERE subject = 'certificate' AND state = 'queued'",
        true,
    ),
    case(
        "operation.state",
        "ALTER TABLE operation DROP CONSTRAINT operation_state_known;
         UPDATE operation SET state = 'frozen'",
        "operation WHERE state = 'frozen'",
        true,
    ),
    case(
        "api_key.role",
        "ALTER TABLE api_key DROP CONSTRAINT api_key_role_known;
         INSERT INTO api_key (team_id, name, role, prefix, secret_sha256) VALUES (1, 'x', 'auditor', 'p', '')",
        "api_key WHERE role = 'auditor'",
        false,
    ),
    case(
        "leader_term.after",
        "ALTER TABLE leader_term DROP CONSTRAINT leader_term_after_known;
         INSERT INTO leader_term VALUES ('scheduler', 1, gen_random_uuid(), 'x', now(), 'ousted')",
        "leader_term WHERE after = 'ousted'",
        false,
    ),
    case(
        "process.role",
        "INSERT INTO process (role, label, version, lease, expires_at)
             VALUES ('oracle', 'x', '9', '1 h', now() + interval '1 h')",
        "process WHERE role = 'oracle' AND dead_at IS NULL",
        false,
    ),
    case(
        "schedule.name",
        "INSERT INTO schedule (name, period, team_id, queue, kind, first_slot, next_slot)
             VALUES ('quantum_care', '1 h', 1, 'internal', 'quantum_care', now(), now())",
        "schedule WHERE name = 'quantum_care'",
        false,
    ),
    case(
        "lane.name",
        "INSERT INTO lane (name) VALUES ('quantum')",
        "lane WHERE name = 'quantum'",
        false,
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn values_of_a_newer_build_are_left_alone_and_disturb_nobody() {
    for case in CASES {
        let rig = prepared().await;
        sqlx::raw_sql(case.plant)
            .execute(rig.db.owner())
            .await
            .unwrap();
        assert!(rig.count(case.left).await > 0, "{}: not planted", case.what);
        lists_answer(&rig, case.what).await;
        others_are_served(&rig, &case).await;
        assert!(
            rig.count(case.left).await > 0,
            "{}: not left alone",
            case.what
        );
        let discarded = rig.count("job_history WHERE outcome = 3").await;
        let failed = rig.count("certificate WHERE status = 'failed'").await;
        assert_eq!((discarded, failed), (0, 0), "{}", case.what);
    }
}

/// A certificate of the strange profile is asked for, and an operation; nothing works yet.
async fn prepared() -> Rig {
    let rig = rig().await;
    sqlx::raw_sql(STRANGE)
        .execute(rig.db.owner())
        .await
        .unwrap();
    ask_for(&rig, "plain.example.com", None).await;
    ask_for(&rig, "strange.example.com", Some("strange")).await;
    let far = Lane {
        name: "far".into(),
        needs_key: false,
    };
    lane::declare(&mut rig.db.app().acquire().await.unwrap(), &far)
        .await
        .unwrap();
    rig.add_jobs(&[NewJob::new(TeamId(1), "far", "nothing", json!({}))])
        .await;
    let ask = BulkAsk {
        verb: JobVerb::Cancel,
        selector: Selector {
            queues: vec!["far".into()],
            ..Selector::default()
        },
        settings: JobSettings::default(),
        reason: None,
    };
    let caller = Caller::system("test");
    operations::start(&rig.context, &caller, ask, None)
        .await
        .unwrap();
    rig
}

async fn ask_for(rig: &Rig, name: &str, profile: Option<&str>) -> ItemOutcome {
    let ask = Ask {
        name: name.into(),
        sans: Vec::new(),
        profile: profile.map(str::to_owned),
        csr_pem: Some(csr_for(name)),
        auto_renew: true,
    };
    let caller = Caller::system("test");
    let asked = certificates::request(&rig.context, &caller, vec![ask], |_| "/".into(), None).await;
    asked.unwrap().value.remove(0)
}

/// Each list that people look at shows what is not of the newer build.
async fn lists_answer(rig: &Rig, what: &str) {
    let (context, caller) = (&rig.context, &Caller::system("test"));
    let certificates = certificates::list(context, caller, &Filter::default(), None, 10).await;
    let names: Vec<String> = certificates
        .unwrap()
        .into_iter()
        .map(|one| one.certificate.name)
        .collect();
    assert!(
        names.contains(&"plain.example.com".to_owned()),
        "{what}: {names:?}"
    );
    assert!(
        profiles::list(context, caller, None, 10)
            .await
            .unwrap()
            .len()
            >= 2,
        "{what}"
    );
    assert!(
        issuers::list(context, caller, None, 10)
            .await
            .unwrap()
            .len()
            >= 2,
        "{what}"
    );
    assert!(
        jobs::list(context, caller, JobFilter::default(), None, 10)
            .await
            .unwrap()
            .len()
            >= 4,
        "{what}"
    );
    operations::list(context, caller, &[], None, 10)
        .await
        .unwrap();
    keys::list(context, caller, &keys::Filter::default(), None, 10)
        .await
        .unwrap();
    assert!(
        lanes::list(context).await.unwrap().lanes.len() >= 3,
        "{what}"
    );
    cluster::read(context).await.unwrap();
}

/// Asks, claims and the sweep go on; what needs the strange value waits and says why.
async fn others_are_served(rig: &Rig, case: &Case) {
    let what = case.what;
    let accepted = ask_for(rig, "later.example.com", None).await;
    assert!(
        matches!(accepted, ItemOutcome::Accepted { .. }),
        "{what}: {accepted:?}"
    );
    if what == "profile.key_source" {
        let refused = ask_for(rig, "refused.example.com", Some("strange")).await;
        let words = format!("{refused:?}");
        assert!(
            words.contains("newer_build") && words.contains("hsm"),
            "{words}"
        );
    }
    let worker = rig.worker("a", true).await;
    let served = "certificate WHERE status = 'issued' AND name = 'later.example.com'";
    until(|| async { rig.count(served).await == 1 }).await;
    rig.run("UPDATE certificate SET renew_at = now(), sweep_at = now() WHERE status = 'issued'")
        .await;
    let sweep = rig
        .add_jobs(&[NewJob::new(TeamId(1), LANE, RENEWAL_SWEEP, json!({}))])
        .await[0];
    let row = rig.until_job(sweep, |row| row.state.is_final()).await;
    assert_eq!(row.state, JobState::Completed, "{what}");
    let renewed = "certificate WHERE generation = 2 AND name = 'later.example.com'";
    until(|| async { rig.count(renewed).await == 1 }).await;
    if case.waits {
        let waiting =
            format!("job WHERE waiting_code = '{NEWER_BUILD}' AND state = 0 AND attempt = 0");
        until(|| async { rig.count(&waiting).await > 0 }).await;
    }
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_revoked_for_an_unknown_reason_is_revoked_all_the_same() {
    let rig = rig().await;
    let id = rig.request("shop.example.com").await;
    let worker = rig.worker("a", true).await;
    rig.until_issued(id, 1).await;
    worker.stop().await;
    rig.run("UPDATE version SET revoked_at = now(), revocation_reason = 99")
        .await;

    let shown = rig.show(id).await.version.unwrap().revoked;
    assert_eq!(shown.unwrap().1, RevocationReason::Unspecified);
    let mut conn = rig.db.app().acquire().await.unwrap();
    let authority = sqlx::query_scalar("SELECT ca_key_id FROM version")
        .fetch_one(&mut *conn)
        .await
        .unwrap();
    let listed = revocation::entries(&mut conn, authority, None)
        .await
        .unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].reason, RevocationReason::Unspecified);
}
