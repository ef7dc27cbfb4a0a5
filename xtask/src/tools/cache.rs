//! The cache of tools: one folder a key, made once, by one process at a time.
//! Invariant: a folder counts only once its mark stands, and the mark is written last. (A rename of
//! the finished folder would not do: the scripts of a Python environment name their own path.)

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::suites::stream;

/// How long one tool may take to download and build, and how long others wait for it.
const INSTALL_WITHIN: Duration = Duration::from_secs(15 * 60);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const MARK: &str = "complete";

/// A folder for tools.
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// `${XDG_CACHE_HOME:-~/.cache}/certmill-tools`.
    ///
    /// # Errors
    /// When neither variable is set.
    pub fn of_user() -> Result<Self> {
        let folder = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let base = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .context("no place for tools: neither XDG_CACHE_HOME nor HOME is set")?;
        Ok(Self::at(base.join("certmill-tools")))
    }

    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// A path in the cache.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The folder of this key where it was made before.
    pub fn present(&self, key: &str) -> Option<PathBuf> {
        let folder = self.folder.join(key);
        folder.join(MARK).is_file().then_some(folder)
    }

    /// The folder of this key; `make` fills it if nobody has. What a killed run left behind is
    /// removed first.
    ///
    /// # Errors
    /// When it cannot be made, with the words of `make`.
    pub fn entry(&self, key: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
        if let Some(folder) = self.present(key) {
            return Ok(folder);
        }
        let folder = self.folder.join(key);
        let mark = folder.join(MARK);
        fs::create_dir_all(&self.folder)
            .with_context(|| format!("cannot make {}", self.folder.display()))?;
        let _lock = lock(&self.folder.join(format!("{key}.lock")), key)?;
        if mark.is_file() {
            return Ok(folder);
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove the half-made {}", folder.display()))?;
        }
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        eprintln!("installing: {key} into {}", self.folder.display());
        let began = Instant::now();
        make(&folder).with_context(|| format!("cannot install {key}"))?;
        File::create(&mark).with_context(|| format!("cannot write {}", mark.display()))?;
        eprintln!("installed: {key} in {:.0} s", began.elapsed().as_secs_f64());
        Ok(folder)
    }
}

/// Held until dropped; the kernel lets go of it should this process be killed.
fn lock(path: &Path, key: &str) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let deadline = Instant::now() + INSTALL_WITHIN;
    let mut told = false;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(why)) => {
                return Err(why).with_context(|| format!("cannot lock {}", path.display()));
            }
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                bail!("another run has been installing {key} for too long: end it, then try again")
            }
            Err(TryLockError::WouldBlock) => {
                if !told {
                    eprintln!("waiting: another run is installing {key}");
                }
                told = true;
                std::thread::sleep(LOOK_EVERY);
            }
        }
    }
}

/// Runs one step of an installation, with a deadline; what it says goes to stderr.
///
/// # Errors
/// When it cannot be started, fails or takes too long.
pub fn install_step(command: &mut Command, what: &str) -> Result<()> {
    let deadline = Instant::now() + INSTALL_WITHIN;
    let ended = stream::run(command, deadline, &mut std::io::stderr())?;
    if ended.timed_out {
        bail!("{what} took longer than {} s", INSTALL_WITHIN.as_secs());
    }
    if !ended.success {
        bail!("{what} failed (see above)");
    }
    Ok(())
}

/// FNV-1a, 64 bits: names a folder; it protects nothing.
pub fn fnv1a(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A cache in the folder of the build, emptied first.
    fn fresh(name: &str) -> Cache {
        let folder = std::env::current_exe()
            .unwrap()
            .parent()
            .unwrap()
            .join(name);
        fs::remove_dir_all(&folder).ok();
        Cache::at(folder)
    }

    #[test]
    fn a_tool_is_made_once() {
        let cache = fresh("cache-once");
        let make = |folder: &Path| Ok(fs::write(folder.join("tool"), "1")?);
        let folder = cache.entry("tool-1", make).unwrap();
        let again = cache.entry("tool-1", |_| bail!("made twice")).unwrap();
        assert_eq!(folder, again);
        assert!(folder.join("tool").is_file());
    }

    #[test]
    fn what_was_half_made_is_made_anew() {
        let cache = fresh("cache-half");
        let broken = cache.entry("tool-1", |folder| {
            fs::write(folder.join("half"), "")?;
            bail!("no network")
        });
        assert!(format!("{:#}", broken.unwrap_err()).contains("no network"));
        let folder = cache.entry("tool-1", |_| Ok(())).unwrap();
        assert!(!folder.join("half").exists());
    }

    #[test]
    fn two_runs_make_it_one_after_the_other() {
        let cache = fresh("cache-two");
        let made = std::sync::atomic::AtomicUsize::new(0);
        let make = |_: &Path| {
            std::thread::sleep(Duration::from_millis(100));
            made.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            Ok(())
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| cache.entry("tool-1", make).unwrap());
            }
        });
        assert_eq!(made.into_inner(), 1);
    }
}
