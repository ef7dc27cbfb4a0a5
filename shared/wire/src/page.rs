//! One page of a list.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Rows by keyset; the cursor is opaque and bound to the filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}

impl<T> Page<T> {
    /// A page; there is more exactly if there is a cursor.
    #[must_use]
    pub fn new(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self {
            data,
            has_more: next_cursor.is_some(),
            next_cursor,
        }
    }

    /// The same page with other rows.
    #[must_use]
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        let data = self.data.into_iter().map(f).collect();
        Page {
            data,
            next_cursor: self.next_cursor,
            has_more: self.has_more,
        }
    }
}
