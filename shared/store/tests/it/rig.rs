//! What the tests of the store share: a database with an issuer and a profile, and short ways to
//! say things.

pub use certmill_testkit::{PATIENCE, backend_pid as pid, until_blocked};

use certmill_domain::ids::{CertificateId, IssuerId, ProfileId, TeamId, VersionId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::order::{Order, OrderPlan};
use certmill_domain::profile::{KeySource, Profile};
use certmill_domain::renewal::RenewalRule;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_store::advance::{Advance, advance_all};
use certmill_store::certificate::{Certificate, NewCertificate};
use certmill_store::version::NewVersion;
use certmill_store::{certificate, clock, issuer, order, profile, version};
use certmill_testkit::TestDb;
use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

pub const TEAM: TeamId = TeamId::DEFAULT;
/// A team that owns nothing.
pub const STRANGERS: TeamId = TeamId(99);

pub struct Rig {
    pub db: TestDb,
    pub issuer: IssuerId,
    pub profile: ProfileId,
}

pub async fn rig() -> Rig {
    let db = TestDb::new().await;
    let issuer = add_issuer(&db, "first").await;
    let mut conn = db.app().acquire().await.unwrap();
    let profile = profile::insert(&mut conn, &new_profile("web", issuer))
        .await
        .unwrap();
    drop(conn);
    Rig {
        db,
        issuer,
        profile,
    }
}

/// An issuer with a lane of its own, `issue:<name>`.
pub async fn add_issuer(db: &TestDb, name: &str) -> IssuerId {
    let mut conn = db.app().acquire().await.unwrap();
    let lane = format!("issue:{name}");
    sqlx::query("INSERT INTO lane (name) VALUES ($1)")
        .bind(&lane)
        .execute(&mut *conn)
        .await
        .unwrap();
    let config = serde_json::json!({ "of": name });
    issuer::insert(&mut conn, TEAM, name, "fake", &config, None, &lane)
        .await
        .unwrap()
}

pub fn new_profile(name: &str, issuer_id: IssuerId) -> Profile {
    Profile {
        id: ProfileId(Uuid::nil()),
        team_id: TEAM,
        name: name.into(),
        issuer_id,
        lifetime: Duration::days(47),
        key_algorithms: vec![KeyAlgorithm::EcdsaP256, KeyAlgorithm::Ed25519],
        key_source: KeySource::Csr,
        renewal: RenewalRule::Fraction(0.5),
        allowed_names: vec!["*.example.com".into()],
    }
}

/// A serial that no other test row of the database has.
pub fn serial() -> Serial {
    Serial::from_random(*Uuid::new_v4().as_bytes())
}

/// Stores a version for the order and moves everything on to it; its life ends at once.
pub async fn issue(conn: &mut PgConnection, order: &Order) -> VersionId {
    let made = version::insert_all(conn, &[new_version(order)])
        .await
        .unwrap();
    let (version_id, now) = made[0];
    let advance = Advance {
        id: order.plan.certificate_id,
        generation: order.plan.generation,
        version_id,
        order_id: order.id,
        issuer_id: order.plan.issuer_id,
        not_after: now,
        renew_at: now,
    };
    advance_all(conn, &[advance]).await.unwrap();
    version_id
}

impl Rig {
    pub async fn conn(&self) -> certmill_pg::PoolConnection {
        self.db.app().acquire().await.unwrap()
    }

    pub fn new_certificate(&self, name: &str) -> NewCertificate {
        NewCertificate {
            id: None,
            team_id: TEAM,
            name: name.into(),
            names: Names::parse([name]).unwrap(),
            profile_id: self.profile,
            issuer_id: self.issuer,
            key_source: KeySource::Csr,
            csr_der: vec![0x30, 0x00],
            spki_sha256: vec![7; 32],
            sealed_key: None,
            auto_renew: true,
        }
    }

    pub async fn add(&self, name: &str) -> CertificateId {
        self.add_all(&[self.new_certificate(name)]).await[0]
    }

    pub async fn add_all(&self, new: &[NewCertificate]) -> Vec<CertificateId> {
        let ids = certificate::insert_all(&mut *self.conn().await, new)
            .await
            .unwrap();
        ids.into_iter().map(Option::unwrap).collect()
    }

    pub async fn read(&self, id: CertificateId) -> Certificate {
        certificate::by_id(&mut *self.conn().await, TEAM, id)
            .await
            .unwrap()
    }

    pub async fn now(&self) -> OffsetDateTime {
        clock::now(&mut *self.conn().await).await.unwrap()
    }

    pub async fn plan(&self, certificate_id: CertificateId, generation: i32) -> OrderPlan {
        let now = self.now().await;
        OrderPlan {
            team_id: TEAM,
            certificate_id,
            generation,
            issuer_id: self.issuer,
            serial: serial(),
            validity: Validity::plan(now, Duration::days(47), now + Duration::days(400)),
            ca_key_id: None,
        }
    }

    pub async fn order(&self, certificate_id: CertificateId, generation: i32) -> Order {
        let plan = self.plan(certificate_id, generation).await;
        let mut conn = self.conn().await;
        order::plan_all(&mut conn, &[plan]).await.unwrap();
        order::standing(&mut conn, certificate_id, generation)
            .await
            .unwrap()
            .unwrap()
    }

    /// As if these certificates were due since that many seconds.
    pub async fn due_since(&self, ids: &[CertificateId], seconds: i64) {
        sqlx::query(
            "UPDATE certificate SET sweep_at = now() - make_interval(secs => $2) WHERE id = ANY($1)",
        )
        .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
        .bind(seconds as f64)
        .execute(self.db.app())
        .await
        .unwrap();
    }
}

pub fn new_version(order: &Order) -> NewVersion {
    NewVersion {
        team_id: TEAM,
        certificate_id: order.plan.certificate_id,
        generation: order.plan.generation,
        order_id: order.id,
        issuer_id: order.plan.issuer_id,
        ca_key_id: None,
        serial: order.plan.serial,
        validity: order.plan.validity,
        fingerprint: vec![1; 32],
        spki_sha256: vec![7; 32],
        leaf_der: vec![0x30, 0x01],
        chain_der: vec![vec![0x30, 0x02], vec![0x30, 0x03]],
    }
}
