//! The asks of one transaction: admitted by their profiles, then written in a handful of statements.
//!
//! Invariant: each ask is written in the name of whoever asked it, and gets an outcome of its own.

use super::new_key;
use super::prepare::Prepared;
use super::request::{DEFAULT_PROFILE, ItemOutcome};
use crate::effects::issue::{IssueArgs, KIND};
use crate::issuing::plan;
use crate::{Caller, Context, Error, FieldFault};
use certmill_domain::ids::{CertificateId, TeamId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::order::{OrderPlan, issue_key};
use certmill_domain::profile::{KeySource, Profile};
use certmill_pg::Tx;
use certmill_queue::enqueue::{NewJob, enqueue_all};
use certmill_store::audit::NewAudit;
use certmill_store::certificate::NewCertificate;
use certmill_store::event::NewEvent;
use certmill_store::issuer::Issuer;
use certmill_store::{certificate, clock, issuer, journal, order, profile, revocation};
use std::collections::HashMap;
use time::OffsetDateTime;

/// An ask on its way into a transaction.
pub(super) struct Asked<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The ask, or its own faults.
    pub prepared: Result<Prepared, Vec<FieldFault>>,
    /// JSON pointer of the ask, for further faults.
    pub at: String,
}

/// What was written.
pub(super) struct Written {
    /// An outcome for each ask, in order.
    pub outcomes: Vec<ItemOutcome>,
    /// Lanes that have new work once the transaction is committed.
    pub lanes: Vec<String>,
}

/// Writes all asks that are admitted; the others leave no trace.
///
/// # Errors
/// Failures of the database, where nothing may be committed.
pub(super) async fn write(
    context: &Context,
    tx: &mut Tx,
    asks: Vec<Asked<'_>>,
) -> Result<Written, Error> {
    let mut batch = Batch::new(context, clock::now(&mut *tx).await?);
    let known_to_others = known_to_others(tx, &asks).await?;
    let mut outcomes: Vec<Option<ItemOutcome>> = Vec::with_capacity(asks.len());
    for (place, ask) in asks.into_iter().enumerate() {
        let admitted = match ask.prepared {
            Ok(prepared) if is_among(&known_to_others, &prepared) => {
                Err(vec![compromised(&ask.at)])
            }
            Ok(prepared) => {
                batch
                    .admit(tx, ask.caller, prepared, place, &ask.at)
                    .await?
            }
            Err(faults) => Err(faults),
        };
        outcomes.push(admitted.err().map(|faults| ItemOutcome::Refused { faults }));
    }
    for (place, outcome) in batch.write(tx).await? {
        outcomes[place] = Some(outcome);
    }
    Ok(Written {
        outcomes: outcomes.into_iter().flatten().collect(),
        lanes: batch.lanes(),
    })
}

/// Keys of the asks that were reported as compromised.
async fn known_to_others(tx: &mut Tx, asks: &[Asked<'_>]) -> Result<Vec<Vec<u8>>, Error> {
    let prepared = asks.iter().flat_map(|ask| &ask.prepared);
    let keys: Vec<[u8; 32]> = prepared
        .filter_map(|one| one.csr.as_ref())
        .map(|csr| csr.public_key.spki_sha256())
        .collect();
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<&[u8]> = keys.iter().map(<[u8; 32]>::as_slice).collect();
    Ok(revocation::compromised_among(&mut *tx, &keys).await?)
}

fn is_among(keys: &[Vec<u8>], ask: &Prepared) -> bool {
    let key = ask.csr.as_ref().map(|csr| csr.public_key.spki_sha256());
    key.is_some_and(|key| keys.iter().any(|known| known[..] == key[..]))
}

fn compromised(at: &str) -> FieldFault {
    let why = "this key was reported as known to others; make another one";
    FieldFault::new(format!("{at}/csr"), "key_compromised", why)
}

/// The asks of one transaction that were admitted, with the rows they need.
struct Batch<'a> {
    context: &'a Context,
    now: OffsetDateTime,
    profiles: HashMap<ProfileKey, Found>,
    admitted: Vec<Admitted<'a>>,
}

/// A profile with its issuer, or why it cannot be asked for: code and words.
type Found = Result<(Profile, Issuer), (&'static str, String)>;

/// A profile's name is its team's.
type ProfileKey = (TeamId, String);

struct Admitted<'a> {
    caller: &'a Caller,
    place: usize,
    new: NewCertificate,
    profile: ProfileKey,
}

impl<'a> Batch<'a> {
    fn new(context: &'a Context, now: OffsetDateTime) -> Self {
        Self {
            context,
            now,
            profiles: HashMap::new(),
            admitted: Vec::new(),
        }
    }

    fn lanes(&self) -> Vec<String> {
        let issuers = self.profiles.values().flatten();
        issuers.map(|(_, issuer)| issuer.lane.to_string()).collect()
    }

    /// Checks an ask against its profile and takes it into the batch.
    async fn admit(
        &mut self,
        tx: &mut Tx,
        caller: &'a Caller,
        prepared: Prepared,
        place: usize,
        at: &str,
    ) -> Result<Result<(), Vec<FieldFault>>, Error> {
        let name = prepared.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        let key = (caller.team_id, name.to_owned());
        if !self.profiles.contains_key(&key) {
            let found = load(tx, &key).await?;
            self.profiles.insert(key.clone(), found);
        }
        let (profile, issuer) = match self.profiles.get(&key) {
            Some(Ok(found)) => found,
            Some(Err((code, why))) => {
                let at = format!("{at}/profile");
                return Ok(Err(vec![FieldFault::new(at, code, why.as_str())]));
            }
            None => return Err(Error::NotFound("profile")),
        };
        let algorithm = prepared.csr.as_ref().map(|csr| csr.public_key.algorithm());
        if let Some(faults) = refuse(profile, &prepared, algorithm, at) {
            return Ok(Err(faults));
        }
        if prepared.csr.is_none() && !self.context.policy.acknowledge_sealed_keys {
            let why = "this server does not make private keys: set acknowledge_sealed_keys = true, \
                       or use a csr profile";
            let at = format!("{at}/profile");
            return Ok(Err(vec![FieldFault::new(
                at,
                "sealed_keys_not_acknowledged",
                why,
            )]));
        }
        let (profile, issuer) = (profile.clone(), issuer.clone());
        let team = caller.team_id;
        let new = self.complete(tx, team, prepared, &profile, &issuer).await?;
        self.admitted.push(Admitted {
            caller,
            place,
            new,
            profile: key,
        });
        Ok(Ok(()))
    }

    /// Adds what the profile decides: the issuer, and a key where the server makes it.
    async fn complete(
        &self,
        tx: &mut Tx,
        team_id: TeamId,
        prepared: Prepared,
        profile: &Profile,
        issuer: &Issuer,
    ) -> Result<NewCertificate, Error> {
        let mut new = NewCertificate {
            id: None,
            team_id,
            name: prepared.name,
            names: prepared.names,
            profile_id: profile.id,
            issuer_id: issuer.id,
            key_source: profile.key_source,
            csr_der: Vec::new(),
            spki_sha256: Vec::new(),
            sealed_key: None,
            auto_renew: prepared.auto_renew,
        };
        match prepared.csr {
            Some(csr) => {
                new.spki_sha256 = csr.public_key.spki_sha256().to_vec();
                new.csr_der = csr.der;
            }
            None => {
                let id = certificate::draw_id(&mut *tx).await?;
                let made = new_key::make_sealed(self.context, id, &new.names, profile)?;
                new.id = Some(id);
                new.sealed_key = Some(made.sealed);
                new.spki_sha256 = made.spki_sha256;
                new.csr_der = made.csr_der;
            }
        }
        Ok(new)
    }

    /// Writes everything; outcomes by place.
    async fn write(&mut self, tx: &mut Tx) -> Result<Vec<(usize, ItemOutcome)>, Error> {
        let news: Vec<NewCertificate> = self.admitted.iter().map(|one| one.new.clone()).collect();
        let ids = certificate::insert_all(&mut *tx, &news).await?;
        let mut rows = Rows::default();
        let mut outcomes = Vec::with_capacity(ids.len());
        for (admitted, id) in self.admitted.iter().zip(&ids) {
            let name = admitted.new.name.clone();
            match (id, self.profiles.get(&admitted.profile)) {
                (Some(id), Some(Ok((profile, issuer)))) => {
                    rows.add(*id, admitted, profile, issuer, self.now)?;
                }
                _ => outcomes.push((admitted.place, ItemOutcome::Exists { name })),
            }
        }
        order::plan_all(&mut *tx, &rows.orders).await?;
        let jobs = enqueue_all(&mut *tx, &rows.jobs).await?;
        journal::append(&mut *tx, &rows.audits, &rows.events).await?;
        let accepted = rows.accepted.into_iter().zip(jobs);
        outcomes.extend(accepted.map(|((place, certificate, name), job)| {
            (
                place,
                ItemOutcome::Accepted {
                    certificate,
                    job: job.id(),
                    name,
                },
            )
        }));
        Ok(outcomes)
    }
}

/// A profile that cannot be read is a refusal of those who asked for it: the others go on.
async fn load(tx: &mut Tx, key: &ProfileKey) -> Result<Found, Error> {
    let profile = match profile::by_name(&mut *tx, key.0, &key.1).await {
        Err(certmill_store::Error::NotFound) => {
            let why = "no profile of that name; `certmill profiles list` shows them";
            return Ok(Err(("profile_unknown", why.to_owned())));
        }
        Err(newer @ certmill_store::Error::Newer { .. }) => {
            return Ok(Err(("newer_build", newer.to_string())));
        }
        found => found?,
    };
    let issuer = issuer::by_id(&mut *tx, profile.issuer_id).await?;
    Ok(Ok((profile, issuer)))
}

/// The profile's refusals of an ask, or `None`.
fn refuse(
    profile: &Profile,
    prepared: &Prepared,
    algorithm: Option<KeyAlgorithm>,
    at: &str,
) -> Option<Vec<FieldFault>> {
    match (profile.key_source, algorithm) {
        (KeySource::Csr, None) => {
            let why = "the profile wants a CSR: the private key stays with the requester";
            return Some(vec![FieldFault::new(
                format!("{at}/csr"),
                "csr_missing",
                why,
            )]);
        }
        (KeySource::Sealed, Some(_)) => {
            let why =
                "the profile's keys are made by the server; use a csr profile to bring your own";
            return Some(vec![FieldFault::new(
                format!("{at}/csr"),
                "csr_not_wanted",
                why,
            )]);
        }
        _ => {}
    }
    let key = algorithm.or_else(|| profile.key_algorithms.first().copied())?;
    let why = profile.admit(key, &prepared.names).err()?;
    Some(vec![FieldFault::new(at.to_owned(), why.code(), why)])
}

/// The rows beside the certificates, in one order.
#[derive(Default)]
struct Rows {
    orders: Vec<OrderPlan>,
    jobs: Vec<NewJob>,
    audits: Vec<NewAudit>,
    events: Vec<NewEvent>,
    accepted: Vec<(usize, CertificateId, String)>,
}

impl Rows {
    fn add(
        &mut self,
        id: CertificateId,
        admitted: &Admitted<'_>,
        profile: &Profile,
        issuer: &Issuer,
        now: OffsetDateTime,
    ) -> Result<(), Error> {
        let (caller, team_id) = (admitted.caller, admitted.caller.team_id);
        self.orders.push(plan(
            team_id,
            id,
            1,
            issuer.id,
            profile.lifetime,
            issuer.authority(),
            now,
        )?);
        let args = IssueArgs {
            certificate_id: id,
            generation: 1,
        };
        let mut job = NewJob::new(team_id, issuer.lane.as_str(), KIND, args.to_value());
        job.unique_key = Some(issue_key(id, 1));
        job.object = Some(id.to_string());
        job.trace_id.clone_from(&caller.trace_id);
        self.jobs.push(job);
        let detail = serde_json::json!({
            "name": admitted.new.name,
            "names": admitted.new.names.to_texts(),
            "profile": profile.name,
        });
        self.audits
            .push(caller.audit("certificate.request", id, detail));
        self.events.push(NewEvent {
            team_id,
            topic: "certificate",
            object: id.to_string(),
            code: "requested",
            detail: serde_json::json!({ "name": admitted.new.name }),
        });
        self.accepted
            .push((admitted.place, id, admitted.new.name.clone()));
        Ok(())
    }
}
