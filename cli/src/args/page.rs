//! Which part of a list.
//!
//! Invariant: a limit is within the bounds of the API.

use certmill_wire::{MAX_LIMIT, Paging};
use clap::Args;

/// Which part of a list.
#[derive(Clone, Debug, Default, Args)]
pub struct PageArgs {
    /// Rows at most, 1..500 [default: 50].
    #[arg(long, value_name = "N", value_parser = limit, allow_hyphen_values = true)]
    pub limit: Option<u32>,
    /// Where the page begins, from the previous page.
    #[arg(long, value_name = "CURSOR")]
    pub cursor: Option<String>,
}

impl PageArgs {
    /// As the API takes it.
    pub fn paging(&self) -> Paging {
        Paging {
            limit: self.limit,
            cursor: self.cursor.clone(),
        }
    }
}

fn limit(text: &str) -> Result<u32, String> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=MAX_LIMIT).contains(limit))
        .ok_or_else(|| format!("--limit must be 1..{MAX_LIMIT}"))
}
