//! Issues as a worker would, so that tests of the API need none.

use certmill_crypto::ca::{LeafPlan, Purpose, SigningCa};
use certmill_crypto::csr::Csr;
use certmill_crypto::digest::sha256;
use certmill_domain::ids::{CertificateId, OrderId, TeamId};
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_service::bootstrap::open_ca_key;
use certmill_store::advance::{Advance, advance_all};
use certmill_store::certificate;
use certmill_store::version::{self, NewVersion};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fixture::Api;

/// Issues the newest order of the certificate and ends its job.
pub async fn issue(api: &Api, id: &str, renew_in: time::Duration) {
    let id: CertificateId = id.parse().unwrap();
    let mut tx = api.context.begin().await.unwrap();
    let row = certificate::by_id(&mut tx, TeamId::DEFAULT, id)
        .await
        .unwrap();
    let (order, generation, serial, not_before, not_after): (
        Uuid,
        i32,
        Vec<u8>,
        OffsetDateTime,
        OffsetDateTime,
    ) = sqlx::query_as(
        "SELECT id, generation, serial, not_before, not_after FROM cert_order
             WHERE certificate_id = $1 ORDER BY generation DESC LIMIT 1",
    )
    .bind(id.0)
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    let (serial, validity) = (
        Serial::from_bytes(&serial).unwrap(),
        Validity {
            not_before,
            not_after,
        },
    );
    let (ca_id, ca_der): (Uuid, Vec<u8>) =
        sqlx::query_as("SELECT id, certificate_der FROM ca_key WHERE name = 'issuing'")
            .fetch_one(&mut *tx)
            .await
            .unwrap();
    let ca_key = open_ca_key(api.db.owner(), &api.ca_keys, ca_id)
        .await
        .unwrap();
    let leaf = LeafPlan {
        serial,
        validity,
        names: row.names.clone(),
        public_key: Csr::parse(&row.csr_der).unwrap().public_key,
        purposes: vec![Purpose::ServerAuth],
        status: None,
    };
    let leaf_der = SigningCa::new(&ca_der, ca_key)
        .unwrap()
        .sign_leaf(&leaf)
        .unwrap();
    let made = NewVersion {
        team_id: TeamId::DEFAULT,
        certificate_id: id,
        generation,
        order_id: OrderId(order),
        issuer_id: row.issuer_id,
        ca_key_id: None,
        serial,
        validity,
        fingerprint: sha256(&leaf_der).to_vec(),
        spki_sha256: row.spki_sha256,
        leaf_der,
        chain_der: vec![ca_der],
    };
    let (version_id, now) = version::insert_all(&mut tx, &[made]).await.unwrap()[0];
    let advance = Advance {
        id,
        generation,
        version_id,
        order_id: OrderId(order),
        issuer_id: row.issuer_id,
        not_after,
        renew_at: now + renew_in,
    };
    advance_all(&mut tx, &[advance]).await.unwrap();
    sqlx::query("DELETE FROM job WHERE object = $1")
        .bind(id.to_string())
        .execute(&mut *tx)
        .await
        .unwrap();
    tx.commit().await.unwrap();
}
