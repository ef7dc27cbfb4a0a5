//! The kind `issue`: a version was obtained for (certificate, generation).

use crate::effects::revoke::RevokeArgs;
use crate::{Caller, Error};
use certmill_domain::ids::{CertificateId, IssuerId, OrderId, TeamId};
use certmill_domain::renewal::{RenewalRule, renew_at};
use certmill_domain::revocation::RevocationReason;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_pg::Tx;
use certmill_queue::enqueue::enqueue;
use certmill_store::advance::{Advance, advance_all};
use certmill_store::audit::NewAudit;
use certmill_store::event::NewEvent;
use certmill_store::version::NewVersion;
use certmill_store::{issuer, journal, version};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// The kind's name.
pub const KIND: &str = "issue";

/// Arguments of the kind: which generation of which certificate.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct IssueArgs {
    /// The certificate.
    pub certificate_id: CertificateId,
    /// The generation to obtain.
    pub generation: i32,
}

impl IssueArgs {
    /// The arguments as the job row holds them.
    #[must_use]
    pub fn to_value(self) -> serde_json::Value {
        serde_json::json!({ "certificate_id": self.certificate_id, "generation": self.generation })
    }
}

/// A verified version, ready to be stored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Effect {
    /// The team of the certificate.
    pub team_id: TeamId,
    /// The certificate.
    pub certificate_id: CertificateId,
    /// The generation that was obtained.
    pub generation: i32,
    /// The order it came from.
    pub order_id: OrderId,
    /// Who signed it.
    pub issuer_id: IssuerId,
    /// The authority of ours whose key signed it, if one did.
    #[serde(default)]
    pub ca_key_id: Option<Uuid>,
    /// Serial number as signed.
    pub serial: [u8; 16],
    /// First instant of validity as signed.
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    /// Last instant of validity as signed.
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
    /// SHA-256 of the leaf.
    pub fingerprint: [u8; 32],
    /// SHA-256 of the leaf's SubjectPublicKeyInfo.
    pub spki_sha256: [u8; 32],
    /// Leaf first, then what stands above it without the root; standard base 64.
    pub chain: Vec<String>,
    /// The profile's rule: a share of life, or seconds before the end.
    pub renew_fraction: Option<f64>,
    /// Seconds before the end, where the rule is absolute.
    pub renew_before_s: Option<i64>,
}

impl Effect {
    fn rule(&self) -> RenewalRule {
        match (self.renew_fraction, self.renew_before_s) {
            (_, Some(seconds)) => RenewalRule::Before(Duration::seconds(seconds)),
            (Some(share), None) => RenewalRule::Fraction(share),
            (None, None) => RenewalRule::default(),
        }
    }

    fn validity(&self) -> Validity {
        Validity {
            not_before: self.not_before,
            not_after: self.not_after,
        }
    }
}

/// Stores versions and moves their certificates on, set-wise and in the order of their ids, so that
/// two batches never wait for each other in a circle.
///
/// # Errors
/// [`Error::Store`]; a chain that is not base 64 is [`Error::Crypto`].
pub async fn apply(mut effects: Vec<Effect>, tx: &mut Tx) -> Result<(), Error> {
    if effects.is_empty() {
        return Ok(());
    }
    effects.sort_by_key(|effect| effect.certificate_id);
    let versions: Vec<NewVersion> = effects.iter().map(new_version).collect::<Result<_, _>>()?;
    let stored = version::insert_all(&mut *tx, &versions).await?;
    let advances: Vec<Advance> = effects
        .iter()
        .zip(stored)
        .map(|(effect, (version_id, now))| Advance {
            id: effect.certificate_id,
            generation: effect.generation,
            version_id,
            order_id: effect.order_id,
            issuer_id: effect.issuer_id,
            not_after: effect.not_after,
            renew_at: renew_at(
                effect.rule(),
                effect.validity(),
                now,
                effect.certificate_id,
                Serial::from_random(effect.serial),
            ),
        })
        .collect();
    let stopped = advance_all(&mut *tx, &advances).await?;
    revoke_stopped(tx, &advances, &stopped, &effects).await?;
    let audits: Vec<NewAudit> = effects.iter().map(issued_audit).collect();
    let events: Vec<NewEvent> = effects.iter().map(issued_event).collect();
    journal::append(&mut *tx, &audits, &events).await?;
    Ok(())
}

/// Revokes what was signed while its end was asked for, or its key was reported as compromised.
async fn revoke_stopped(
    tx: &mut Tx,
    advances: &[Advance],
    stopped: &[(CertificateId, RevocationReason)],
    effects: &[Effect],
) -> Result<(), Error> {
    for (advance, effect) in advances.iter().zip(effects) {
        let Some((_, reason)) = stopped.iter().find(|one| one.0 == advance.id) else {
            continue;
        };
        let args = RevokeArgs {
            certificate_id: advance.id,
            version_id: advance.version_id,
            reason: reason.to_string(),
        };
        let issuer = issuer::by_id(&mut *tx, effect.issuer_id).await?;
        enqueue(&mut *tx, &args.job(effect.team_id, &issuer.lane)).await?;
    }
    Ok(())
}

fn new_version(effect: &Effect) -> Result<NewVersion, Error> {
    let ders: Result<Vec<Vec<u8>>, _> = effect
        .chain
        .iter()
        .map(|link| data_encoding::BASE64.decode(link.as_bytes()))
        .collect();
    let mut ders = ders
        .map_err(|why| Error::Crypto(why.to_string()))?
        .into_iter();
    Ok(NewVersion {
        team_id: effect.team_id,
        certificate_id: effect.certificate_id,
        generation: effect.generation,
        order_id: effect.order_id,
        issuer_id: effect.issuer_id,
        ca_key_id: effect.ca_key_id,
        serial: Serial::from_random(effect.serial),
        validity: effect.validity(),
        fingerprint: effect.fingerprint.to_vec(),
        spki_sha256: effect.spki_sha256.to_vec(),
        leaf_der: ders.next().unwrap_or_default(),
        chain_der: ders.collect(),
    })
}

fn issued_event(effect: &Effect) -> NewEvent {
    NewEvent {
        team_id: effect.team_id,
        topic: "certificate",
        object: effect.certificate_id.to_string(),
        code: "issued",
        detail: serde_json::json!({
            "generation": effect.generation,
            "serial": Serial::from_random(effect.serial).to_string(),
        }),
    }
}

fn issued_audit(effect: &Effect) -> NewAudit {
    let detail = serde_json::json!({
        "generation": effect.generation,
        "serial": Serial::from_random(effect.serial).to_string(),
        "order": effect.order_id.to_string(),
    });
    Caller::system_for("worker", effect.team_id).audit(
        "certificate.issue",
        effect.certificate_id,
        detail,
    )
}
