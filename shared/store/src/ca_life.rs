//! How long the authorities live that issuers sign with, and what their leaves need.

use crate::Error;
use sqlx::PgConnection;
use time::OffsetDateTime;

/// An authority in the chain of some issuer.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct CaLife {
    /// Its name.
    pub name: String,
    /// End of its certificate.
    pub not_after: OffsetDateTime,
    /// The longest lifetime in seconds that a profile of its issuers asks for.
    pub longest_leaf_s: i64,
}

/// The authorities that issuers use now and those above them, the first to end first.
///
/// # Errors
/// [`Error::Unavailable`].
pub async fn in_use(conn: &mut PgConnection) -> Result<Vec<CaLife>, Error> {
    Ok(sqlx::query_as(
        "WITH RECURSIVE used (id, parent_id, name, not_after, longest_leaf_s) AS (
             SELECT k.id, k.parent_id, k.name, k.not_after,
                    coalesce((SELECT max(p.lifetime_s) FROM profile p WHERE p.issuer_id = i.id), 0)
             FROM issuer i JOIN ca_key k ON k.id = i.ca_key_id
             UNION
             SELECT k.id, k.parent_id, k.name, k.not_after, u.longest_leaf_s
             FROM used u JOIN ca_key k ON k.id = u.parent_id)
         SELECT name, not_after, max(longest_leaf_s) AS longest_leaf_s
         FROM used GROUP BY id, name, not_after ORDER BY not_after",
    )
    .fetch_all(conn)
    .await?)
}
