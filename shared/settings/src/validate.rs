//! The checks that concern more than one value, or the world outside.
//!
//! Invariant: every refusal shows the values that disagree and never those of a secret.

use secrecy::ExposeSecret as _;

use crate::reader::Reader;
use crate::{DatabaseAddress, DatabaseTls, Role, Secret, Settings, secret_file};

pub(crate) fn check(settings: &Settings, reader: &mut Reader) {
    check_leases(settings, reader);
    check_names(settings, reader);
    if settings.role != Role::Up
        && settings.database.url.is_none()
        && !reader.is_given("database_url")
    {
        let hint = "set CERTMILL_DATABASE_URL_FILE; only `certmill up` brings its own database";
        reader.refuse(
            "database_url",
            format!("role {} needs it", settings.role.as_str()),
            hint,
        );
    }
    if let Some(tls) = &settings.tls
        && let Err(problem) = secret_file::check_key_mode("`tls.key_file`", &tls.key_file)
    {
        reader.problems.push(problem);
    }
}

fn check_leases(settings: &Settings, reader: &mut Reader) {
    let process = settings.process;
    let (lease, beat) = (process.lease.as_millis(), process.beat.as_millis());
    if lease <= 3 * beat {
        let why = format!(
            "the lease ({lease} ms) must be more than 3 x the heartbeat `process.beat_ms` ({beat} ms)"
        );
        let hint = format!(
            "raise the lease above {} ms or lower the heartbeat",
            3 * beat
        );
        reader.refuse("process.lease_ms", why, hint);
    }
    if process.rescue > process.lease {
        let why = format!(
            "{} ms is longer than the lease ({lease} ms)",
            process.rescue.as_millis()
        );
        reader.refuse(
            "process.rescue_ms",
            why,
            "a third of the lease is the default",
        );
    }
}

fn check_names(settings: &Settings, reader: &mut Reader) {
    let name = &settings.worker.name;
    if name.is_empty() || name.len() > 64 || !name.chars().all(may_name) {
        reader.refuse("worker.name", "must be 1..64 of letters, digits, . _ -", "");
    }
    let is_lane = |lane: &String| lane.chars().all(|c| may_name(c) || matches!(c, '*' | ':'));
    if settings.worker.queues.is_empty() || !settings.worker.queues.iter().all(is_lane) {
        let hint = "write lanes or globs, e.g. renewal,issue:*";
        reader.refuse(
            "worker.queues",
            "must be a list of letters, digits, . _ - : *",
            hint,
        );
    }
}

/// Characters of process names.
pub(crate) fn may_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Checks the form of the URLs and settles how strict TLS is: as set; else by the URL's own
/// `sslmode`; else full on a network and none on a local address.
pub(crate) fn resolve_tls(
    given: Option<DatabaseTls>,
    urls: [&Option<Secret>; 2],
    reader: &mut Reader,
) -> DatabaseTls {
    let mut resolved = None;
    for (key, url) in ["database_url", "migrate_url"].into_iter().zip(urls) {
        // Without a login of its own, migrate_url repeats database_url.
        let Some(url) = url.as_ref().filter(|_| reader.is_given(key)) else {
            continue;
        };
        match DatabaseAddress::parse(url.expose_secret()) {
            Ok(address) => {
                let tls = given.unwrap_or_else(|| of_address(key, &address, reader));
                // One setting serves both logins, so the stricter demand wins.
                resolved = Some(resolved.map_or(tls, |before: DatabaseTls| before.max(tls)));
            }
            Err((why, hint)) => reader.refuse(key, why, hint),
        }
    }
    resolved.or(given).unwrap_or(DatabaseTls::VerifyFull)
}

fn of_address(key: &str, address: &DatabaseAddress, reader: &mut Reader) -> DatabaseTls {
    match address.sslmode.as_deref() {
        Some("verify-full") => DatabaseTls::VerifyFull,
        Some("require") if address.is_local() => DatabaseTls::Require,
        None if !address.is_local() => DatabaseTls::VerifyFull,
        _ if address.is_local() => DatabaseTls::Disable,
        Some(mode) => {
            let mode = crate::problem::shown(mode);
            let why = format!("sslmode={mode} to a host on the network does not prove who answers");
            let hint = "use sslmode=verify-full, or lower it on purpose with \
                        database.tls = \"require\" or \"disable\"";
            reader.refuse(key, why, hint);
            DatabaseTls::VerifyFull
        }
        None => DatabaseTls::VerifyFull,
    }
}
