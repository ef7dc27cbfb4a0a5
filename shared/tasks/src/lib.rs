//! How work runs beside other work: supervised tasks and processes, shutdown, in-process tickers, backoff.
//!
//! Invariant: this crate alone spawns tasks and builds tickers, so no task ends unseen, every
//! task hears of the shutdown, and no two replicas beat in step.

pub mod backoff;
mod carry_through;
mod jitter;
mod process;
mod shutdown;
mod tasks;
mod ticker;

pub use backoff::Backoff;
pub use carry_through::carry_through;
pub use jitter::JitterPercent;
pub use process::Process;
pub use shutdown::Shutdown;
pub use tasks::{TaskHandle, Tasks, catch, watch};
pub use ticker::{JitteredTicker, TickerStop};
