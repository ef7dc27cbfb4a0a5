//! Where an envelope belongs: the authenticated context of a seal.
//!
//! Invariant: two different places never encode to the same bytes (each part is
//! preceded by its length).

use std::fmt;

/// The table, column and row of one sealed value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    table: &'a str,
    column: &'a str,
    row: &'a str,
}

impl<'a> Place<'a> {
    /// A place; `row` is the row's primary key as text (never the shown id, which
    /// may change its form).
    #[must_use]
    pub fn new(table: &'a str, column: &'a str, row: &'a str) -> Self {
        Self { table, column, row }
    }

    /// Appends the length-prefixed parts.
    pub(super) fn encode_into(&self, out: &mut Vec<u8>) {
        for part in [self.table, self.column, self.row] {
            out.extend_from_slice(&(part.len() as u64).to_be_bytes());
            out.extend_from_slice(part.as_bytes());
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} of row {}", self.table, self.column, self.row)
    }
}
