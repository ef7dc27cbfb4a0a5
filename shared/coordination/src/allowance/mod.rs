//! Passes of rate limits, given by this replica without asking the database each time.
//!
//! Invariant: what all replicas together let pass of a key is bounded by its limit: burst +
//! w / emission interval in any window w. While the database is away that holds for each replica
//! alone. Time is measured by the monotonic clock; no wall clock enters.

mod buckets;
mod packs;
mod ruling;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use certmill_pg::Pool;

use self::buckets::Buckets;
use self::packs::{Look, Packs, Place, Said, Short, shortened};
use crate::limiter::{self, Taken, Wish};
use crate::{Error, Result};

pub use ruling::{Ask, Denial, Ruling};

/// How long a request waits for the shared limit before this replica decides alone.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a replica decides alone before it asks the database again.
const ALONE: Duration = Duration::from_secs(1);

/// The limits as one replica sees them.
pub struct Allowance {
    /// None: the limits are this process's alone.
    pool: Option<Pool>,
    packs: Mutex<Packs>,
    buckets: Mutex<Buckets>,
    alone_until: Mutex<Option<Instant>>,
}

impl Allowance {
    /// Limits that all replicas on this database share.
    #[must_use]
    pub fn shared(pool: Pool) -> Self {
        Self::over(Some(pool))
    }

    /// Limits of this process alone, for an installation with one replica.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::over(None)
    }

    fn over(pool: Option<Pool>) -> Self {
        Self {
            pool,
            packs: Mutex::default(),
            buckets: Mutex::default(),
            alone_until: Mutex::default(),
        }
    }

    /// Takes one pass of each ask, or none. While the database is away the limits hold for this
    /// replica alone. Keys must be distinct, and which of them is hotter should come first.
    pub async fn take<const N: usize>(&self, asks: [Ask<'_>; N]) -> Ruling<N> {
        let Some(pool) = self.pool.as_ref().filter(|_| !self.is_alone()) else {
            return self.take_here(&asks);
        };
        let asked = tokio::time::timeout(PATIENCE, self.take_there(pool, &asks)).await;
        let why = match asked {
            Ok(Ok(ruling)) => {
                self.meet_again();
                return ruling;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("no answer within {PATIENCE:?}"),
        };
        self.part(&why);
        self.take_here(&asks)
    }

    /// As [`Allowance::take`], and fails while the database is away: for what is better refused
    /// than let pass.
    ///
    /// # Errors
    /// The database's.
    pub async fn take_strictly<const N: usize>(&self, asks: [Ask<'_>; N]) -> Result<Ruling<N>> {
        match &self.pool {
            Some(pool) => self.take_there(pool, &asks).await,
            None => Ok(self.take_here(&asks)),
        }
    }

    fn take_here<const N: usize>(&self, asks: &[Ask<'_>; N]) -> Ruling<N> {
        lock(&self.buckets).take(asks, Instant::now())
    }

    async fn take_there<const N: usize>(
        &self,
        pool: &Pool,
        asks: &[Ask<'_>; N],
    ) -> Result<Ruling<N>> {
        let mut short = match self.look(asks) {
            Look::Ruled(ruling) => return Ok(ruling),
            Look::Short(short) => short,
        };
        let mut turn = None;
        if let Some(gate) = short.gate.take() {
            turn = gate.clone().try_lock_owned().ok();
            if turn.is_none() {
                lock(&self.packs).put_back(asks, &short);
                turn = Some(gate.lock_owned().await);
                if self.is_alone() {
                    let why = "another request was not answered".to_owned();
                    return Err(Error::Database(certmill_pg::Error::Unavailable(why)));
                }
                short = match self.look(asks) {
                    Look::Ruled(ruling) => return Ok(ruling),
                    Look::Short(short) => short,
                };
            }
        }
        let asked = Instant::now();
        let answer = fetch(pool, asks, &short).await;
        let mut packs = lock(&self.packs);
        drop(turn);
        match answer {
            Ok(said) => Ok(packs.settle(asks, &short, &said, asked, Instant::now())),
            Err(error) => {
                packs.put_back(asks, &short);
                Err(error)
            }
        }
    }

    fn look<const N: usize>(&self, asks: &[Ask<'_>; N]) -> Look<N> {
        lock(&self.packs).look(asks, Instant::now())
    }

    /// Whether to decide alone now. When that time is over, one request tries the database and the
    /// others go on alone meanwhile.
    fn is_alone(&self) -> bool {
        let (mut until, now) = (lock(&self.alone_until), Instant::now());
        match *until {
            None => false,
            Some(at) if now < at => true,
            Some(_) => {
                *until = Some(now + PATIENCE);
                false
            }
        }
    }

    fn part(&self, why: &str) {
        let before = lock(&self.alone_until).replace(Instant::now() + ALONE);
        if before.is_none() {
            tracing::warn!(
                event = "limits_alone",
                why,
                "rate limits hold for this replica alone until the database answers"
            );
        }
    }

    fn meet_again(&self) {
        if lock(&self.alone_until).take().is_some() {
            tracing::info!(
                event = "limits_shared",
                "rate limits hold over all replicas again"
            );
        }
    }
}

/// Takes the passes that are needed, in one statement; in a second one where fewer are left than
/// were asked for, but some.
async fn fetch<const N: usize>(
    pool: &Pool,
    asks: &[Ask<'_>; N],
    short: &Short<N>,
) -> Result<[Option<Said>; N]> {
    let sizes = short.places.map(|place| match place {
        Place::SetAside { .. } => None,
        Place::Needs(n) => Some(n),
    });
    let said = fetch_once(pool, asks, sizes).await?;
    match fewer(&said) {
        Some(sizes) => fetch_once(pool, asks, sizes).await,
        None => Ok(said),
    }
}

async fn fetch_once<const N: usize>(
    pool: &Pool,
    asks: &[Ask<'_>; N],
    sizes: [Option<u32>; N],
) -> Result<[Option<Said>; N]> {
    let wishes: Vec<Wish<'_>> = asks
        .iter()
        .zip(sizes)
        .filter_map(|(ask, size)| {
            let (key, limit) = (ask.key, shortened(ask.limit));
            size.map(|n| Wish { key, limit, n })
        })
        .collect();
    let mut taken = limiter::take(pool, &wishes).await?.into_iter();
    Ok(sizes.map(|size| {
        let (n, taken) = (size?, taken.next()?);
        Some(Said { n, taken })
    }))
}

/// What to ask for instead, where whatever was denied has something left.
fn fewer<const N: usize>(said: &[Option<Said>; N]) -> Option<[Option<u32>; N]> {
    let is_denied = |taken: &Taken| taken.retry_after.is_some();
    let denied = || said.iter().flatten().filter(|said| is_denied(&said.taken));
    if denied().count() == 0 || denied().any(|said| said.taken.left == 0) {
        return None;
    }
    Some(said.map(|said| {
        let Said { n, taken } = said?;
        Some(if is_denied(&taken) {
            n.min(taken.left)
        } else {
            n
        })
    }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
