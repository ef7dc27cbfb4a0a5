//! Loads the tasks of many jobs at once: five statements for all of them instead of seven for each.
//!
//! Invariant: only reads. Whatever needs a write or a refusal first, such as a missing or an aged
//! order, is left to [`crate::issuing::load`], which holds the job's lease.

use crate::Error;
use crate::effects::issue::IssueArgs;
use crate::issuing::{Task, is_usable};
use certmill_domain::ids::TeamId;
use certmill_domain::order::OrderState;
use certmill_pg::Pool;
use certmill_store::{certificate, clock, issuer, order, profile};
use std::collections::HashMap;
use std::hash::Hash;

/// The tasks of these jobs, in their order; `None` where the job has to be loaded by itself.
///
/// # Errors
/// Failures of the database.
pub async fn load_all(
    pool: &Pool,
    wanted: &[(TeamId, IssueArgs)],
) -> Result<Vec<Option<Task>>, Error> {
    let mut conn = pool
        .acquire()
        .await
        .map_err(|error| Error::Store(error.into()))?;
    let ids: Vec<_> = wanted.iter().map(|(_, args)| args.certificate_id).collect();
    let pairs: Vec<_> = wanted
        .iter()
        .map(|(_, args)| (args.certificate_id, args.generation))
        .collect();
    let now = clock::now(&mut conn).await?;
    let rows = certificate::by_ids(&mut conn, &ids).await?;
    let orders = order::standing_all(&mut conn, &pairs).await?;
    let ids = distinct(rows.iter().map(|row| row.profile_id));
    let profiles = by_key(profile::by_ids(&mut conn, &ids).await?, |one| one.id);
    let ids = distinct(rows.iter().map(|row| row.issuer_id));
    let issuers = by_key(issuer::by_ids(&mut conn, &ids).await?, |one| one.id);
    drop(conn);
    let rows = by_key(rows, |row| row.id);
    let mut orders = by_key(orders, |order| {
        (order.plan.certificate_id, order.plan.generation)
    });
    let task = |(team, args): &(TeamId, IssueArgs)| {
        let row = rows.get(&args.certificate_id)?;
        let order = orders.remove(&(args.certificate_id, args.generation))?;
        let issuer = issuers.get(&row.issuer_id)?;
        let wanted = row.team_id == *team && row.generation < args.generation;
        let open = order.state != OrderState::Issued && is_usable(&order, issuer, now);
        (wanted && open && !row.key_compromised).then_some(())?;
        Some(Task {
            profile: profiles.get(&row.profile_id)?.clone(),
            issuer: issuer.clone(),
            certificate: row.clone(),
            order,
        })
    };
    Ok(wanted.iter().map(task).collect())
}

fn distinct<T: Eq + Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let set: std::collections::HashSet<T> = values.collect();
    set.into_iter().collect()
}

fn by_key<K: Eq + Hash, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, V> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}
