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
    profiles: Kept<ProfileId, Profile>,
    issuers: Kept<IssuerId, Issuer>,
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
        let seen = found
            .iter()
            .map(|one| (one.certificate.profile_id, &one.profile_version));
        if let Some(unknown) = self.profiles.unknown(seen) {
            let rows = profile::by_ids(&mut conn, &unknown.ids()).await?;
            self.profiles.keep(&unknown, rows, |one| one.id);
        }
        let seen = found
            .iter()
            .map(|one| (one.certificate.issuer_id, &one.issuer_version));
        if let Some(unknown) = self.issuers.unknown(seen) {
            let rows = issuer::by_ids(&mut conn, &unknown.ids()).await?;
            self.issuers.keep(&unknown, rows, |one| one.id);
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
        let profile = self.profiles.get(certificate.profile_id)?;
        let issuer = self.issuers.get(certificate.issuer_id)?;
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
}

/// Rows that were read before, each with the version that it had then.
#[derive(Debug)]
struct Kept<K, V>(HashMap<K, (RowVersion, V)>);

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Copy + Eq + Hash, V> Kept<K, V> {
    fn get(&self, id: K) -> Option<&V> {
        self.0.get(&id).map(|(_, row)| row)
    }

    /// Those of the rows seen that are not kept in this version, if there are any.
    fn unknown<'a>(&self, seen: impl Iterator<Item = (K, &'a RowVersion)>) -> Option<Unknown<K>> {
        let unknown: HashMap<K, RowVersion> = seen
            .filter(|(id, version)| self.0.get(id).is_none_or(|(have, _)| have != *version))
            .map(|(id, version)| (id, version.clone()))
            .collect();
        (!unknown.is_empty()).then_some(Unknown(unknown))
    }

    /// Keeps rows under the version that was seen. One that changed again before it was read stands
    /// under the older version, and is read once more at the next look.
    fn keep(&mut self, unknown: &Unknown<K>, rows: Vec<V>, id_of: impl Fn(&V) -> K) {
        for row in rows {
            let id = id_of(&row);
            if let Some(version) = unknown.0.get(&id) {
                self.0.insert(id, (version.clone(), row));
            }
        }
    }
}

/// Rows to be read, with the versions in which they were seen.
struct Unknown<K>(HashMap<K, RowVersion>);

impl<K: Copy> Unknown<K> {
    fn ids(&self) -> Vec<K> {
        self.0.keys().copied().collect()
    }
}
