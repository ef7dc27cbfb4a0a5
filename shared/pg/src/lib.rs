//! The way to Postgres: pool, transactions, migrations, and the embedded server.
//!
//! Invariant: a connection that leaves the pool is outside any transaction, carries its
//! role's name and time limits, and no error of this crate shows a password.

mod acceptance;
mod address;
mod connect;
mod demand;
pub mod embedded;
mod error;
mod history;
mod horizon;
mod keeper;
mod locks;
mod login;
mod migrator;
mod place;
mod pool;
mod pooling;
mod schema_state;
mod server;
mod tx;
pub mod vitals;
mod warm;

pub use acceptance::RunningBuild;
pub use address::{TlsRule, user_of};
pub use connect::{ConnectOptions, PLANNING, connect, connect_one};
pub use demand::Demand;
pub use error::{Error, Result};
pub use history::{Acknowledged, History, Moved, connect_beside};
pub use horizon::{Horizon, HorizonLimits, SnapshotHolder};
pub use keeper::{LoginKeeper, UrlSource};
pub use locks::{MigrationPlan, PlannedLock, PlannedMigration, migration_plan};
pub use login::Refusal;
pub use migrator::{known_range, migrate, newest_migration};
pub use place::Place;
pub use pool::{Connection, Pool, PoolConnection};
pub use pooling::{Pooling, pooling, require_fit};
pub use schema_state::{SchemaState, schema_state};
pub use server::{MINIMUM_MAJOR, TESTED_MAJOR};
pub use tx::{Tx, begin};
