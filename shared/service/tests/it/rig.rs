//! What the tests of the service share: a seeded database, a caller, and a worker's hands.

use std::sync::Arc;
use std::time::Duration as Span;

use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::seal::{Kek, Keyring, LiveKeyring};
use certmill_domain::ids::{CertificateId, JobId, TeamId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::order::Order;
use certmill_pg::Pool;
use certmill_queue::claim::{ClaimRequest, claim};
use certmill_queue::process::{self, NewProcess};
use certmill_queue::{ClaimedJob, Failure, FailureClass, Hinter, ProcessId};
use certmill_service::bootstrap::{self, LOCAL_LANE};
use certmill_service::certificates::{Ask, Detail, ItemOutcome};
use certmill_service::effects::issue::Effect;
use certmill_service::issuing::Fault;
use certmill_service::{Caller, Context, Error, FieldFault, Policy, Role, certificates};
use certmill_store::{clock, order};
pub use certmill_testkit::PATIENCE;
use certmill_testkit::{TestDb, until};
use time::{Duration, OffsetDateTime};

pub struct Rig {
    pub db: TestDb,
    pub context: Context,
}

pub fn ring(byte: u8) -> Keyring {
    Keyring::new(Kek::from_bytes([byte; 32]), Vec::new())
}

pub async fn rig() -> Rig {
    let db = TestDb::new().await;
    bootstrap::seed(db.owner(), &ring(1), &ring(2))
        .await
        .unwrap();
    let context = Context {
        pool: db.app().clone(),
        hinter: Hinter::none(),
        app_keys: Some(Arc::new(LiveKeyring::new(ring(2)))),
        policy: Policy {
            process_lease: Duration::seconds(5),
            acknowledge_sealed_keys: true,
        },
    };
    Rig { db, context }
}

pub fn caller() -> Caller {
    Caller {
        team_id: TeamId::DEFAULT,
        actor: "key_test".into(),
        role: Role::Operator,
        request_id: Some("req_1".into()),
        trace_id: Some("trace_1".into()),
    }
}

/// Somebody of a team that owns nothing.
pub fn stranger() -> Caller {
    Caller {
        team_id: TeamId(99),
        ..caller()
    }
}

pub fn csr_pem(names: &[&str]) -> String {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    csr::to_pem(&csr::create(&key, &Names::parse(names).unwrap()).unwrap())
}

/// An ask for one name, with a CSR for just that name.
pub fn ask(name: &str) -> Ask {
    Ask {
        name: name.into(),
        sans: Vec::new(),
        profile: None,
        csr_pem: Some(csr_pem(&[name])),
        auto_renew: true,
    }
}

pub fn pointer(n: usize) -> String {
    format!("/items/{n}")
}

pub async fn outcomes(rig: &Rig, asks: Vec<Ask>) -> Vec<ItemOutcome> {
    certificates::request(&rig.context, &caller(), asks, pointer, None)
        .await
        .unwrap()
        .value
}

pub async fn request(rig: &Rig, name: &str) -> (CertificateId, JobId) {
    match outcomes(rig, vec![ask(name)]).await.remove(0) {
        ItemOutcome::Accepted {
            certificate, job, ..
        } => (certificate, job),
        other => panic!("{other:?}"),
    }
}

pub fn faults(outcome: &ItemOutcome) -> Vec<(&str, &str)> {
    match outcome {
        ItemOutcome::Refused { faults } => shown(faults),
        other => panic!("{other:?}"),
    }
}

pub fn shown(faults: &[FieldFault]) -> Vec<(&str, &str)> {
    faults
        .iter()
        .map(|fault| (fault.pointer.as_str(), fault.code.as_str()))
        .collect()
}

/// The stable code of a conflict.
pub fn conflict<T: std::fmt::Debug>(answer: Result<T, Error>) -> &'static str {
    match answer {
        Err(Error::Conflict { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

pub async fn show(rig: &Rig, id: CertificateId) -> Detail {
    certificates::by_id(&rig.context, &caller(), id)
        .await
        .unwrap()
}

pub async fn standing(rig: &Rig, id: CertificateId, generation: i32) -> Option<Order> {
    let mut conn = rig.db.app().acquire().await.unwrap();
    order::standing(&mut conn, id, generation).await.unwrap()
}

pub async fn now(rig: &Rig) -> OffsetDateTime {
    let mut conn = rig.db.app().acquire().await.unwrap();
    clock::now(&mut conn).await.unwrap()
}

pub async fn process(rig: &Rig) -> ProcessId {
    let new = NewProcess {
        role: "worker".into(),
        label: "test".into(),
        version: "0".into(),
        queues: Vec::new(),
        kinds: Vec::new(),
        capacity: None,
        limits: None,
        lease: Span::from_secs(30),
    };
    let mut conn = rig.db.app().acquire().await.unwrap();
    process::register(&mut conn, &new).await.unwrap()
}

pub async fn claim_from(rig: &Rig, me: ProcessId, queue: &str, limit: u16) -> Vec<ClaimedJob> {
    let request = ClaimRequest {
        queue,
        process_id: me,
        limit,
        deadline: Span::from_secs(60),
        kinds: None,
        token: None,
    };
    claim(rig.db.app(), &request).await.unwrap()
}

/// Claims the one job that is due in the local issuer's lane.
pub async fn claim_one(rig: &Rig) -> ClaimedJob {
    let me = process(rig).await;
    let mut jobs = claim_from(rig, me, LOCAL_LANE, 10).await;
    assert_eq!(jobs.len(), 1, "one job is due");
    jobs.remove(0)
}

pub fn failure(permanent: bool) -> Failure {
    Failure {
        class: FailureClass::Rejected,
        error: serde_json::json!({ "code": "weak_key", "detail": "the issuer said no" }),
        backoff: Span::from_secs(60),
        permanent,
        waiting_code: Some("retry".into()),
        log: None,
    }
}

pub fn fault() -> Fault {
    Fault {
        code: "weak_key".into(),
        detail: "the issuer said no".into(),
    }
}

/// What a worker would hand in for this order. The chain is not a real one: nothing of the
/// service reads it.
pub fn effect(order: &Order) -> Effect {
    Effect {
        team_id: order.plan.team_id,
        certificate_id: order.plan.certificate_id,
        generation: order.plan.generation,
        order_id: order.id,
        issuer_id: order.plan.issuer_id,
        ca_key_id: None,
        serial: *order.plan.serial.as_bytes(),
        not_before: order.plan.validity.not_before,
        not_after: order.plan.validity.not_after,
        fingerprint: [1; 32],
        spki_sha256: [2; 32],
        chain: vec!["MAE=".into(), "MAI=".into()],
        renew_fraction: Some(0.5),
        renew_before_s: None,
    }
}

/// As if a worker had issued the standing order of that generation and finished its job.
pub async fn issue(rig: &Rig, id: CertificateId, generation: i32) {
    let order = standing(rig, id, generation).await.unwrap();
    let mut tx = certmill_pg::begin(rig.db.app()).await.unwrap();
    certmill_service::effects::issue::apply(vec![effect(&order)], &mut tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    run(
        rig.db.app(),
        &format!("DELETE FROM job WHERE object = '{id}'"),
    )
    .await;
}

/// Runs statements that stand for what time or somebody else does.
pub async fn run(pool: &Pool, statements: &str) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
        .execute(pool)
        .await
        .unwrap();
}

pub async fn count(rig: &Rig, from: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {from}")))
        .fetch_one(rig.db.app())
        .await
        .unwrap()
}

/// Waits until some session of this database waits for a lock.
pub async fn until_somebody_is_blocked(rig: &Rig) {
    let waiting =
        "pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until(|| async { count(rig, waiting).await > 0 }).await;
}
