//! What can go wrong between a statement and its caller.

/// A statement's failure, classified where it is born.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No row with that key, or none that the caller may see.
    #[error("no such row")]
    NotFound,
    /// A named constraint of the schema refused the write.
    #[error("the constraint {0} refused the write")]
    Conflict(String),
    /// A row holds a word that this build does not know: it is left alone.
    #[error("{what} holds {word:?}, which this build does not know; a newer certmill wrote it")]
    Newer {
        /// Table and column.
        what: &'static str,
        /// The word.
        word: String,
    },
    /// A row holds what this build cannot read.
    #[error("the row cannot be read: {0}")]
    Corrupt(String),
    /// The database could not be asked, or broke off.
    #[error("the database is unavailable: {0}")]
    Unavailable(#[source] sqlx::Error),
}

impl Error {
    /// Whether Postgres broke a deadlock by rolling this transaction back (SQLSTATE 40P01).
    #[must_use]
    pub fn is_deadlock(&self) -> bool {
        matches!(self, Self::Unavailable(sqlx::Error::Database(refusal))
            if refusal.code().as_deref() == Some("40P01"))
    }

    /// Whether the named constraint refused the write.
    #[must_use]
    pub fn is_conflict_on(&self, constraint: &str) -> bool {
        matches!(self, Self::Conflict(name) if name == constraint)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::RowNotFound => Self::NotFound,
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            sqlx::Error::Database(refusal) => match refusal.constraint() {
                Some(name) => Self::Conflict(name.to_owned()),
                None => Self::Unavailable(error),
            },
            _ => Self::Unavailable(error),
        }
    }
}

/// Marks a stored word as one of a newer build; `what` is its table and column.
#[must_use]
pub fn newer(what: &'static str, word: &str) -> Error {
    let word = word.to_owned();
    Error::Newer { what, word }
}

/// That a write found its row.
pub(crate) fn one_row(changed: &sqlx::postgres::PgQueryResult) -> Result<(), Error> {
    match changed.rows_affected() {
        1 => Ok(()),
        _ => Err(Error::NotFound),
    }
}

/// What this build can read of rows that were asked for together: one of a newer build must not
/// take the others with it, and is left alone with a word in the log.
pub(crate) fn readable<R, T: TryFrom<R, Error = Error>>(rows: Vec<R>) -> Result<Vec<T>, Error> {
    let mut read = Vec::with_capacity(rows.len());
    for row in rows {
        match T::try_from(row) {
            Ok(one) => read.push(one),
            Err(why @ Error::Newer { .. }) => {
                tracing::warn!(event = "row_of_a_newer_build", %why, "left alone");
            }
            Err(other) => return Err(other),
        }
    }
    Ok(read)
}

/// Marks a stored value as unreadable.
pub(crate) fn corrupt(what: &str, why: impl std::fmt::Display) -> Error {
    Error::Corrupt(format!("{what}: {why}"))
}
