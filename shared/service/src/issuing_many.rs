//! Loads the tasks of many jobs at once: one statement for all of them instead of seven for each.
//!
//! Invariant: only reads, and nothing older than the look: a profile or an issuer that was read before
//! is used again only while its row is the same one. Whatever needs a write or a refusal first, such
//! as a missing or an aged order, is left to [`crate::issuing::load`], which holds the job's lease.

use crate::Error;
use crate::effects::issue::IssueArgs;
use crate::issuing::{Task, is_usable};
use certmill_domain::ids::{IssuerId, ProfileId, TeamId};
use certmill_domain::order::OrderState;
use certmill_domain::profile::Profile;
use certmill_pg::Pool;
use certmill_store::issuer::Issuer;
use certmill_store::standing::{RowVersion, Standing, standing_all};
use certmill_store::{issuer, profile};
use std::collections::HashMap;
use std::hash::Hash;

/// Reads tasks, and keeps what they have in common.
#[derive(Debug, Default)]
pub struct TaskReader {
    profiles: HashMap<ProfileId, (RowVersion, Profile)>,
    issuers: HashMap<IssuerId, (RowVersion, Issuer)>,
}

impl TaskReader {
    /// The tasks of these jobs, in their order; `None` where the job has to be loaded by itself.
    ///
    /// # Errors
    /// Failures of the database.
    pub async fn load_all(
        &mut self,
        pool: &Pool,
        wanted: &[(TeamId, IssueArgs)],
    ) -> Result<Vec<Option<Task>>, Error> {
        let pairs: Vec<_> = wanted
            .iter()
            .map(|(_, args)| (args.certificate_id, args.generation))
            .collect();
        let mut conn = pool
            .acquire()
            .await
            .map_err(|error| Error::Store(error.into()))?;
        let found = standing_all(&mut conn, &pairs).await?;
        let unknown = self.unknown_profiles(&found);
        if !unknown.is_empty() {
            for one in profile::by_ids(&mut conn, &ids(&unknown)).await? {
                if let Some(version) = unknown.get(&one.id) {
                    self.profiles.insert(one.id, (version.clone(), one));
                }
            }
        }
        let unknown = self.unknown_issuers(&found);
        if !unknown.is_empty() {
            for one in issuer::by_ids(&mut conn, &ids(&unknown)).await? {
                if let Some(version) = unknown.get(&one.id) {
                    self.issuers.insert(one.id, (version.clone(), one));
                }
            }
        }
        drop(conn);
        let mut found: HashMap<_, _> = found
            .into_iter()
            .map(|one| ((one.certificate.id, one.order.plan.generation), one))
            .collect();
        let task = |(team, args): &(TeamId, IssueArgs)| {
            let standing = found.remove(&(args.certificate_id, args.generation))?;
            self.task(standing, *team, args.generation)
        };
        Ok(wanted.iter().map(task).collect())
    }

    fn task(&self, standing: Standing, team: TeamId, generation: i32) -> Option<Task> {
        let Standing {
            certificate,
            order,
            now,
            ..
        } = standing;
        let (_, profile) = self.profiles.get(&certificate.profile_id)?;
        let (_, issuer) = self.issuers.get(&certificate.issuer_id)?;
        let wanted = certificate.team_id == team && certificate.generation < generation;
        let open = order.state != OrderState::Issued && is_usable(&order, issuer, now);
        (wanted && open && !certificate.key_compromised).then_some(())?;
        Some(Task {
            profile: profile.clone(),
            issuer: issuer.clone(),
            certificate,
            order,
        })
    }

    fn unknown_profiles(&self, found: &[Standing]) -> HashMap<ProfileId, RowVersion> {
        let pairs = found
            .iter()
            .map(|one| (one.certificate.profile_id, &one.profile_version));
        changed(&self.profiles, pairs)
    }

    fn unknown_issuers(&self, found: &[Standing]) -> HashMap<IssuerId, RowVersion> {
        let pairs = found
            .iter()
            .map(|one| (one.certificate.issuer_id, &one.issuer_version));
        changed(&self.issuers, pairs)
    }
}

/// The rows that are not known in this version. A row that changes again before it is read is kept
/// under the older version, and read once more at the next look.
fn changed<'a, K: Copy + Eq + Hash, V>(
    known: &HashMap<K, (RowVersion, V)>,
    seen: impl Iterator<Item = (K, &'a RowVersion)>,
) -> HashMap<K, RowVersion> {
    seen.filter(|(id, version)| known.get(id).is_none_or(|(have, _)| have != *version))
        .map(|(id, version)| (id, version.clone()))
        .collect()
}

fn ids<K: Copy>(rows: &HashMap<K, RowVersion>) -> Vec<K> {
    rows.keys().copied().collect()
}
