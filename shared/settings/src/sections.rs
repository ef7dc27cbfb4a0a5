//! Sections of the settings, each read from the layers.
//!
//! Invariant: whatever is wrong is noted at the reader, and a default stands in for it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::reader::Reader;
use crate::settings::{
    ApiLimits, Database, DatabaseTls, LimitsBackend, Log, LogFormat, Pooler, TlsFiles, Worker,
};
use crate::validate;
use crate::{Env, Role, default_cache_dir};

/// The bounds in the list of keys keep these well below the limit.
pub(crate) fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A number of days; the bounds in the list of keys keep it well below the limit.
pub(crate) fn days(reader: &mut Reader, key: &str, default: u64) -> u16 {
    u16::try_from(reader.whole(key, default)).unwrap_or(u16::MAX)
}

/// The place of a second key, unless it is named.
pub(crate) fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".next");
    name.into()
}

pub(crate) fn read_database(reader: &mut Reader, env: &Env) -> Database {
    let url = reader.secret("database_url");
    let migrate_url = reader.secret("migrate_url").or_else(|| url.clone());
    let given = match reader.word("database.tls") {
        Some("verify-full") => Some(DatabaseTls::VerifyFull),
        Some("require") => Some(DatabaseTls::Require),
        Some("disable") => Some(DatabaseTls::Disable),
        _ => None,
    };
    Database {
        tls: validate::resolve_tls(given, [&url, &migrate_url], reader),
        url,
        url_file: reader.secret_file("database_url"),
        migrate_url,
        max_connections: reader.given_whole("database.max_connections").map(narrow),
        pooler: match reader.word("database.pooler") {
            Some("transaction") => Pooler::Transaction,
            _ => Pooler::None,
        },
        bin_dir: reader.path("postgres_bin_dir"),
        cache_dir: reader
            .path("cache_dir")
            .unwrap_or_else(|| default_cache_dir(env)),
    }
}

pub(crate) fn read_address(reader: &mut Reader, key: &str) -> Option<SocketAddr> {
    let text = reader.text(key)?;
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let why = format!(
        "`{}` is not an address and a port",
        crate::problem::shown(&text)
    );
    let port = if key == "listen" { 8443 } else { 8080 };
    let hint = format!("write 127.0.0.1:{port}, 0.0.0.0:{port} or [::]:{port}");
    reader.refuse(key, why, hint);
    None
}

/// A base of plain HTTP: who verifies a certificate must not need another certificate for it.
pub(crate) fn read_plain_url(reader: &mut Reader) -> Option<String> {
    let text = reader.text("plain_url")?;
    let base = text.trim_end_matches('/');
    let rest = base.strip_prefix("http://").unwrap_or_default();
    let host = rest.split('/').next().unwrap_or_default();
    let is_plain =
        |c: char| c.is_ascii_graphic() && !matches!(c, '?' | '#' | '@' | '"' | '<' | '>');
    if !host.is_empty() && base.len() <= 200 && base.chars().all(is_plain) {
        return Some(base.to_owned());
    }
    let why = format!(
        "`{}` is not an http:// address of 200 characters at most",
        crate::problem::shown(&text)
    );
    reader.refuse(
        "plain_url",
        why,
        "write http://pki.example.com, without query; https:// would need what it tells about",
    );
    None
}

pub(crate) fn read_tls(reader: &mut Reader) -> Option<TlsFiles> {
    match (reader.path("tls.cert_file"), reader.path("tls.key_file")) {
        (Some(cert_file), Some(key_file)) => Some(TlsFiles {
            cert_file,
            key_file,
        }),
        (None, None) => None,
        (Some(_), None) => {
            reader.refuse(
                "tls.cert_file",
                "given without `tls.key_file`",
                "give both or none",
            );
            None
        }
        (None, Some(_)) => {
            reader.refuse(
                "tls.key_file",
                "given without `tls.cert_file`",
                "give both or none",
            );
            None
        }
    }
}

pub(crate) fn read_log(role: Role, reader: &mut Reader, env: &Env) -> Log {
    let format = match reader.word("log.format") {
        Some("json") => LogFormat::Json,
        Some(_) => LogFormat::Text,
        None if role == Role::Up && env.is_terminal => LogFormat::Text,
        None => LogFormat::Json,
    };
    Log {
        format,
        filter: reader
            .text("log.filter")
            .unwrap_or_else(|| "info".to_owned()),
    }
}

/// An address may send what five keys may.
pub(crate) fn read_api(reader: &mut Reader) -> ApiLimits {
    const KEYS_AN_ADDRESS: u64 = 5;
    const MOST: u64 = 1_000_000;
    let (rate, burst) = (
        reader.whole("api.rate_per_s", 1_000),
        reader.whole("api.burst", 2_000),
    );
    let several = |one: u64| (KEYS_AN_ADDRESS * one).min(MOST);
    let body_limit_bytes = reader.whole("api.body_limit_bytes", 1 << 20);
    ApiLimits {
        rate_per_s: narrow(rate),
        burst: narrow(burst),
        address_rate_per_s: narrow(several(rate)),
        address_burst: narrow(several(burst)),
        body_limit_bytes: usize::try_from(body_limit_bytes).unwrap_or(usize::MAX),
        request_timeout: Duration::from_millis(reader.whole("api.request_timeout_ms", 30_000)),
        backend: match reader.word("limits.backend") {
            Some("memory") => LimitsBackend::Memory,
            _ => LimitsBackend::Postgres,
        },
    }
}

pub(crate) fn read_worker(reader: &mut Reader, env: &Env) -> Worker {
    let host: String = env
        .host_name
        .chars()
        .filter(|c| validate::may_name(*c))
        .take(40)
        .collect();
    let host = if host.is_empty() {
        "host".to_owned()
    } else {
        host
    };
    Worker {
        name: reader
            .text("worker.name")
            .unwrap_or_else(|| format!("{host}-{}", env.pid)),
        queues: reader
            .list("worker.queues")
            .unwrap_or_else(|| vec!["*".to_owned()]),
        concurrency: narrow(reader.whole("worker.concurrency", 50)),
        drain_and_exit: reader.flag("worker.drain_and_exit", false),
    }
}
