//! The list of checks: one file and one line each.

mod clock_skew;
mod connections;
mod database;
mod disk_space;
mod durability;
mod issuing_ca;
mod key_files;
mod leftovers;
mod own_certificate;
mod pooler;
mod processes;
mod role_rights;
mod schema;
mod snapshots;

use crate::Check;

/// Every check, in the order of its findings.
pub const CHECKS: &[Check] = &[
    database::CHECK,
    schema::CHECK,
    role_rights::CHECK,
    durability::CHECK,
    pooler::CHECK,
    connections::CHECK,
    clock_skew::CHECK,
    snapshots::CHECK,
    processes::CHECK,
    key_files::CHECK,
    issuing_ca::CHECK,
    own_certificate::CHECK,
    leftovers::CHECK,
    disk_space::CHECK,
];
