//! The columns that hold something sealed, one line each: what a key rotation seals anew and counts.
//!
//! Invariant: every table with a sealed column stands here (a test asks the database), with the
//! columns `id uuid`, `kek_id` and `key_sealed`.

use crate::Error;
use sqlx::PgConnection;
use uuid::Uuid;

/// One sealed column and its statements.
#[derive(Debug, Clone, Copy)]
pub struct SealedColumn {
    /// The table; part of the seal's associated data.
    pub table: &'static str,
    /// The column; part of the seal's associated data.
    pub column: &'static str,
    /// Whose key seals it: `ca` or `app`.
    pub purpose: &'static str,
    count: &'static str,
    take: &'static str,
    put: &'static str,
}

/// The statements of one table. Rows are locked in the order of their ids, as everywhere.
macro_rules! sealed {
    ($table:literal, $purpose:literal) => {
        SealedColumn {
            table: $table,
            column: "key_sealed",
            purpose: $purpose,
            count: concat!(
                "SELECT kek_id, count(*) FROM ",
                $table,
                " WHERE kek_id IS NOT NULL GROUP BY kek_id"
            ),
            take: concat!(
                "SELECT id, key_sealed FROM ",
                $table,
                " WHERE ($1::uuid IS NULL OR id > $1) AND kek_id <> $2",
                " ORDER BY id LIMIT $3 FOR NO KEY UPDATE"
            ),
            put: concat!(
                "UPDATE ",
                $table,
                " t SET key_sealed = n.key_sealed, kek_id = $1",
                " FROM unnest($2::uuid[], $3::bytea[]) AS n (id, key_sealed) WHERE t.id = n.id"
            ),
        }
    };
}

/// All sealed columns.
pub const SEALED: &[SealedColumn] = &[
    sealed!("ca_key", "ca"),
    sealed!("certificate", "app"),
    sealed!("ocsp_responder", "app"),
];

impl SealedColumn {
    /// How many rows are sealed under each key.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn count(&self, conn: &mut PgConnection) -> Result<Vec<(String, i64)>, Error> {
        Ok(sqlx::query_as(self.count).fetch_all(conn).await?)
    }

    /// Locks the next rows after `after` that are sealed under another key than `kek_id`, at most
    /// `limit`, in the order of their ids.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn take(
        &self,
        conn: &mut PgConnection,
        after: Option<Uuid>,
        kek_id: &str,
        limit: i64,
    ) -> Result<Vec<(Uuid, Vec<u8>)>, Error> {
        Ok(sqlx::query_as(self.take)
            .bind(after)
            .bind(kek_id)
            .bind(limit)
            .fetch_all(conn)
            .await?)
    }

    /// Stores rows that were sealed anew under `kek_id`, in the transaction that took them.
    ///
    /// # Errors
    /// [`Error::Conflict`] on the foreign key if that id is not registered.
    pub async fn put(
        &self,
        conn: &mut PgConnection,
        kek_id: &str,
        rows: &[(Uuid, Vec<u8>)],
    ) -> Result<(), Error> {
        sqlx::query(self.put)
            .bind(kek_id)
            .bind(rows.iter().map(|(id, _)| *id).collect::<Vec<_>>())
            .bind(
                rows.iter()
                    .map(|(_, sealed)| sealed.as_slice())
                    .collect::<Vec<_>>(),
            )
            .execute(conn)
            .await?;
        Ok(())
    }
}
