//! What a process knows of the history of its database: where it has worked, and what it was told
//! to be committed there lately.
//!
//! Invariant: what is remembered is read for one thing only, to find out what a failover has lost;
//! no answer to anybody depends on it. It is kept for pools that were opened for it, so that two
//! databases of one process never mix.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::types::time::OffsetDateTime;
use sqlx::{ConnectOptions as _, PgConnection};
use tokio::sync::Notify;

use crate::place::{Arrival, Place};
use crate::{Error, Pool, Result, demand, login};

/// How many acknowledged changes are remembered. At 1,000 changes a second this is half a minute,
/// far more than a standby may lag behind before it must not be promoted.
const REMEMBERED_MAX: usize = 32_768;

/// A transaction that was open when the process moved may be acknowledged by the old server so much
/// later; until then a look at the new one is not the last.
const STRAGGLERS: Duration = Duration::from_secs(60);

/// A change that somebody was told to be committed: its audit row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The number of the row. After a failover numbers may be given anew.
    pub id: i64,
    /// When the row was written, which together with its number is unique.
    pub at: OffsetDateTime,
    /// The team of the object.
    pub team_id: i32,
    /// Who.
    pub actor: String,
    /// What.
    pub action: &'static str,
    /// To which object.
    pub object: String,
}

/// Where a process has moved to, and what it remembers of before.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Where it worked when the last look was taken; the same place for one that is repeated.
    pub from: Place,
    /// Where it works now.
    pub to: Place,
    /// What it was told to be committed, the oldest first.
    pub remembered: Vec<Acknowledged>,
}

/// What a process knows of one database.
#[derive(Debug, Default)]
pub struct History {
    known: Mutex<Known>,
    moved: Notify,
}

#[derive(Debug, Default)]
struct Known {
    /// Where it works now.
    place: Option<Place>,
    /// Where it worked when it was last sure that nothing is lost.
    looked_at: Option<Place>,
    moved_at: Option<Instant>,
    remembered: VecDeque<Acknowledged>,
}

impl History {
    /// Looks at where a new connection leads to.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where it must not be worked on, with words.
    pub(crate) async fn arrive(&self, conn: &mut PgConnection) -> Result<()> {
        let place = Place::ask(conn).await?;
        let mut known = self.lock();
        match place.after(known.place.as_ref()) {
            Arrival::Refused(why) => {
                login::turn_away(self.address(), &why);
                return Err(Error::Unavailable(why));
            }
            Arrival::Same => {}
            Arrival::Moved => {
                known.moved_at = Some(Instant::now());
                self.moved.notify_one();
            }
        }
        known.place = Some(place);
        known.looked_at.get_or_insert(place);
        login::let_in(self.address());
        Ok(())
    }

    /// Whether a connection of this age was opened before the last move: it may lead to a server that
    /// is not the one to work on any more.
    pub(crate) fn outlived_by(&self, age: Duration) -> bool {
        self.lock().moved_at.is_some_and(|at| at.elapsed() <= age)
    }

    /// Asks once more where the pool's connections lead to: a pooler in between may have moved on
    /// without any of them ending. One that leads astray is closed.
    ///
    /// # Errors
    /// The database's; [`Error::Unavailable`] where one leads astray.
    pub async fn look_again(&self, pool: &Pool) -> Result<()> {
        let mut conn = pool.acquire().await?;
        let arrived = self.arrive(&mut conn).await;
        if arrived.is_err() {
            conn.close_on_drop();
        }
        arrived
    }

    /// Waits until there was a restart or a promotion.
    pub async fn moved(&self) {
        self.moved.notified().await;
    }

    /// Where it works now, and what it remembers; nothing before the first connection.
    #[must_use]
    pub fn known(&self) -> Option<(Place, Vec<Acknowledged>)> {
        let known = self.lock();
        Some((known.place?, known.remembered.iter().cloned().collect()))
    }

    /// What is to be compared now, if anything is: a move that nobody has looked into yet, or one so
    /// recent that the old server may still have acknowledged something.
    #[must_use]
    pub fn to_look_into(&self) -> Option<Moved> {
        let known = self.lock();
        let (from, to) = (known.looked_at?, known.place?);
        let recent = known.moved_at.is_some_and(|at| at.elapsed() < STRAGGLERS);
        (from != to || recent).then(|| Moved {
            from,
            to,
            remembered: known.remembered.iter().cloned().collect(),
        })
    }

    /// It was looked into; what is lost is reported, and is forgotten here.
    pub fn looked_into(&self, moved: &Moved, lost: &[Acknowledged]) {
        let mut known = self.lock();
        known.looked_at = Some(moved.to);
        if !lost.is_empty() {
            let gone: HashSet<_> = lost.iter().map(|one| (one.id, one.at)).collect();
            known
                .remembered
                .retain(|one| !gone.contains(&(one.id, one.at)));
        }
    }

    /// A commit was acknowledged.
    pub(crate) fn remember(&self, changes: Vec<Acknowledged>) {
        let mut known = self.lock();
        known.remembered.extend(changes);
        let over = known.remembered.len().saturating_sub(REMEMBERED_MAX);
        known.remembered.drain(..over);
    }

    /// Tells histories of one process apart.
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection beside the pool, to where the pool's lead, under the name that [`demand::announcing`]
/// gives it.
///
/// # Errors
/// The database's; [`Error::Unavailable`] where it must not be worked on.
pub async fn connect_beside(pool: &Pool) -> Result<PgConnection> {
    let mut conn = demand::announcing(pool).connect().await?;
    if let Some(history) = pool.history() {
        history.arrive(&mut conn).await?;
    }
    Ok(conn)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn change(id: i64) -> Acknowledged {
        Acknowledged {
            id,
            at: OffsetDateTime::UNIX_EPOCH,
            team_id: 1,
            actor: "key_1".to_owned(),
            action: "certificate.request",
            object: format!("crt_{id}"),
        }
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let history = History::default();
        let many = i64::try_from(REMEMBERED_MAX).unwrap();
        history.remember((0..many).map(change).collect());
        history.remember((many..many + 3).map(change).collect());
        let known = history.lock();
        assert_eq!(known.remembered.len(), REMEMBERED_MAX);
        assert_eq!(known.remembered.front().unwrap().id, 3);
        assert_eq!(known.remembered.back().unwrap().id, many + 2);
    }

    fn place(started_s: i64) -> Place {
        Place {
            system: Some(1),
            timeline: Some(1),
            started_at: OffsetDateTime::from_unix_timestamp(started_s).unwrap(),
            read_only: false,
        }
    }

    #[test]
    fn what_a_move_has_lost_is_told_once() {
        let history = History::default();
        *history.lock() = Known {
            place: Some(place(2)),
            looked_at: Some(place(1)),
            remembered: [change(1), change(2)].into(),
            moved_at: None,
        };
        let moved = history.to_look_into().unwrap();
        assert_eq!((moved.from, moved.to), (place(1), place(2)));
        history.looked_into(&moved, &[change(2)]);
        assert!(history.to_look_into().is_none());
        assert_eq!(history.lock().remembered, [change(1)]);
    }

    #[test]
    fn a_recent_move_is_looked_into_again_and_ends_older_connections() {
        let history = History::default();
        *history.lock() = Known {
            place: Some(place(2)),
            looked_at: Some(place(2)),
            moved_at: Some(Instant::now()),
            ..Known::default()
        };
        assert!(history.to_look_into().is_some());
        assert!(history.outlived_by(Duration::from_secs(5)));
        assert!(!history.outlived_by(Duration::ZERO));
    }
}
