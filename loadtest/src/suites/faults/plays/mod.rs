//! What is done, by what it is done to.

pub mod clients;
pub mod controls;
pub mod failover;
pub mod network;
pub mod pooler;
pub mod postgres;
pub mod process;
pub mod resources;
pub mod time;
