//! Workers in this process on a real Postgres, with the local CA: from a request to a chain.
#![allow(clippy::unwrap_used, missing_docs)]
#![allow(
    clippy::disallowed_methods,
    reason = "tests look at the tables themselves and ask openssl"
)]

mod budgets;
mod bulk;
mod issue;
mod kinds;
mod lint;
mod newer;
mod no_lists;
mod openssl;
mod plain;
mod revocation;
mod rig;
mod rollover;
mod stops;
mod varied;
