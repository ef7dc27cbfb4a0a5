//! Real `certmill` processes on one real Postgres, killed and paused while they work; afterwards
//! SQL tells whether the invariants held.
//!
//! Invariant: the tests of this binary run one after the other, so that one cluster has the machine.
#![allow(clippy::unwrap_used, clippy::panic)]

mod beside;
mod beside_up;
mod canary;
mod checkers;
mod child;
mod cluster;
mod control;
mod demo;
mod drain;
mod far;
mod faults;
mod first_admin;
mod from_zero;
mod hand_over;
mod haystack;
mod house;
mod invariants;
mod killed;
mod limits;
mod listening;
mod many_jobs;
mod members;
mod needle;
mod pooler;
mod progress;
mod public;
mod refusals;
mod revocation;
mod rotation;
mod seed;
mod workload;

/// Held by a test for as long as its cluster runs.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
