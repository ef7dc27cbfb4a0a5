//! What a process used, as the kernel counts it.
//!
//! Invariant: counters only rise, so a difference is what was used in between: the server's
//! counter includes backends that have ended meanwhile.

use std::fs;

use anyhow::{Context as _, Result};

/// Ticks a second of the counters in `/proc` (USER_HZ, 100 on every Linux that we build for).
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time in seconds, up to now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpu(pub f64);

impl Cpu {
    /// Of one process.
    ///
    /// # Errors
    /// The process is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} is gone"))?;
        let times = Times::parse(&text).context("/proc/<pid>/stat has another form")?;
        Ok(Self(times.own as f64 / TICKS_PER_SECOND))
    }

    /// Of this process.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn own() -> Result<Self> {
        Self::of(std::process::id())
    }

    /// Of all children of this process that have ended and were waited for.
    ///
    /// # Errors
    /// The kernel does not tell.
    pub fn ended_children() -> Result<Self> {
        let text = fs::read_to_string("/proc/self/stat")?;
        let times = Times::parse(&text).context("/proc/self/stat has another form")?;
        Ok(Self(times.of_ended_children as f64 / TICKS_PER_SECOND))
    }

    /// Of a server with all its children, those that have ended too.
    ///
    /// # Errors
    /// The process is gone.
    pub fn of_server(pid: u32) -> Result<Self> {
        let mut ticks = 0;
        for entry in fs::read_dir("/proc")?.flatten() {
            // A backend may end between listing and reading; its parent has its time then.
            let Ok(text) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            let Some(times) = Times::parse(&text) else {
                continue;
            };
            if times.pid == pid {
                ticks += times.own + times.of_ended_children;
            } else if times.parent == pid {
                ticks += times.own;
            }
        }
        Ok(Self(ticks as f64 / TICKS_PER_SECOND))
    }

    /// What was used since an earlier look, in microseconds for each of `n`.
    pub fn us_each(self, earlier: Self, n: usize) -> f64 {
        (self.0 - earlier.0) * 1e6 / n.max(1) as f64
    }
}

struct Times {
    pid: u32,
    parent: u32,
    own: u64,
    of_ended_children: u64,
}

impl Times {
    /// Reads proc(5) `stat`; the name in brackets may hold anything, so it is split off first.
    fn parse(text: &str) -> Option<Self> {
        let (head, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        Some(Self {
            pid: head.split_once(' ')?.0.parse().ok()?,
            parent: u32::try_from(number(1)?).ok()?,
            own: number(11)? + number(12)?,
            of_ended_children: number(13)? + number(14)?,
        })
    }
}

/// The most memory that a process ever had resident, in MB (10^6 bytes).
///
/// # Errors
/// The process is gone.
pub fn peak_rss_mb(pid: u32) -> Result<f64> {
    memory_mb(pid, "VmHWM:")
}

/// The memory that a process has resident now, in MB.
///
/// # Errors
/// The process is gone.
pub fn rss_mb(pid: u32) -> Result<f64> {
    memory_mb(pid, "VmRSS:")
}

fn memory_mb(pid: u32, line: &str) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    let rest = text.lines().find_map(|text| text.strip_prefix(line));
    let kib = rest.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.with_context(|| format!("the kernel does not tell {line}"))? * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_strange_name_does_not_shift_the_fields() {
        let text = "42 (a) b) S 7 1 1 0 -1 4194304 10 0 0 0 30 12 5 3 20 0";
        let times = Times::parse(text).unwrap();
        assert_eq!((times.pid, times.parent), (42, 7));
        assert_eq!((times.own, times.of_ended_children), (42, 8));
        assert!(Times::parse("nonsense").is_none());
    }

    #[test]
    fn this_process_is_counted() {
        assert!(Cpu::own().unwrap().0 >= 0.0);
        assert!(peak_rss_mb(std::process::id()).unwrap() > 1.0);
        assert_eq!(Cpu(2.5).us_each(Cpu(0.5), 1000), 2000.0);
    }
}
