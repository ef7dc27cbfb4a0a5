//! Examines an installation from its settings: machine, database and files, without a server.
//!
//! Invariant: an examination changes nothing; what is wrong is told with why it matters and what
//! to do, and a check that could not look stays silent about what it did not see.

mod check;
mod checks;
mod finding;
mod patient;
mod report;

pub use check::{Check, Looking};
pub use checks::CHECKS;
pub use finding::{Finding, Level};
pub use patient::{Database, Patient};
pub use report::{Report, examine};
