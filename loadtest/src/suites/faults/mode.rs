//! What a proxy does to what passes through it.
//!
//! Invariant: a mode says what happens to the network, never to the data that does arrive.

use std::time::Duration;

/// The state of one way to Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Everything arrives.
    Pass,
    /// Connections end, and new ones are closed at once.
    Cut,
    /// Connections end by RST, new ones too.
    Reset,
    /// What arrives in one go, arrives so much later.
    Delay(Duration),
    /// So many bytes a second pass in either direction.
    Narrow(u32),
    /// Requests arrive, answers do not; a connection that missed one ends when this is over.
    SwallowAnswers,
    /// Half-open: nothing arrives and nothing is closed.
    Silent,
    /// Notifications do not arrive; everything else does.
    DropHints,
    /// Of so many commits one is not sent: the connection ends instead.
    LoseCommits(u64),
    /// Of so many commits one is sent, and the connection ends before its answer arrives.
    LoseCommitAnswers(u64),
}

impl Mode {
    /// How much later so many bytes arrive, if they do.
    pub fn lateness(self, bytes: usize) -> Option<Duration> {
        match self {
            Self::Delay(late) => Some(late),
            Self::Narrow(bytes_per_s) => Some(Duration::from_secs_f64(
                bytes as f64 / f64::from(bytes_per_s),
            )),
            _ => None,
        }
    }
}
