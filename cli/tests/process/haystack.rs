//! The places where a secret could have got to: tables, files of the database, logs, answers,
//! environment, arguments and memory of processes.
#![allow(
    clippy::disallowed_methods,
    reason = "asks the database and the debugger directly"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use certmill_pg::Pool;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::needle::Needles;
use secrecy::ExposeSecret as _;

/// A file of more than this is no haystack of ours.
const FILE_LEN_MAX: u64 = 512 << 20;

/// What was searched, and what was found there.
#[derive(Default)]
pub struct Search {
    /// Bytes that were looked at.
    pub bytes: usize,
    /// Places that were looked at.
    pub places: usize,
    /// `place: secret (form)`.
    pub leaks: Vec<String>,
}

impl Search {
    /// Looks at one place.
    pub fn look(&mut self, needles: &Needles, place: &str, hay: &[u8]) {
        self.bytes += hay.len();
        self.places += 1;
        let found = needles.found_in(hay);
        self.leaks
            .extend(found.into_iter().map(|what| format!("{place}: {what}")));
    }

    /// Looks at every file below a folder but those of these names.
    pub fn folder(&mut self, needles: &Needles, folder: &Path, except: &[&str]) {
        for path in files(folder) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if except.contains(&name.as_ref()) {
                continue;
            }
            // A file may go while we look: logs and WAL are written and recycled.
            if let Ok(hay) = fs::read(&path) {
                self.look(needles, &path.display().to_string(), &hay);
            }
        }
    }

    /// Looks at every row of every table as text.
    pub async fn tables(&mut self, needles: &Needles, pool: &Pool) {
        let names: Vec<String> = sqlx::query_scalar(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables \
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1",
        )
        .fetch_all(pool)
        .await
        .unwrap();
        assert!(names.len() > 10, "{names:?}");
        for name in names {
            let sql = format!("SELECT coalesce(string_agg(t::text, E'\\n'), '') FROM {name} t");
            let text: String = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_one(pool)
                .await
                .unwrap();
            self.look(needles, &format!("table {name}"), text.as_bytes());
        }
    }

    /// Looks at what a process shows of itself to others.
    pub fn process(&mut self, needles: &Needles, name: &str, id: u32) {
        for part in ["environ", "cmdline"] {
            let path = format!("/proc/{id}/{part}");
            // Without the right to read it there is nothing to be read by others either.
            if let Ok(hay) = fs::read(&path) {
                self.look(needles, &format!("{part} of {name}"), &hay);
            }
        }
    }

    /// Looks at the memory of a process; false where there is no debugger to take it.
    pub fn memory(&mut self, needles: &Needles, name: &str, id: u32, folder: &Path) -> bool {
        let stem = folder.join("core");
        let taken = Command::new("gcore")
            .arg("-o")
            .arg(&stem)
            .arg(id.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let core = PathBuf::from(format!("{}.{id}", stem.display()));
        if !taken.is_ok_and(|status| status.success()) || !core.is_file() {
            return false;
        }
        let hay = fs::read(&core).unwrap();
        fs::remove_file(&core).unwrap();
        assert!(hay.len() > 1 << 20, "the core of {name} is empty");
        self.look(needles, &format!("memory of {name}"), &hay);
        true
    }
}

/// The folder of the database server, after everything in it was written to its files.
pub async fn server_folder(superuser_url: &secrecy::SecretString) -> PathBuf {
    let mut conn = PgConnection::connect(superuser_url.expose_secret())
        .await
        .unwrap();
    sqlx::query("CHECKPOINT").execute(&mut conn).await.unwrap();
    let folder: String = sqlx::query_scalar("SHOW data_directory")
        .fetch_one(&mut conn)
        .await
        .unwrap();
    conn.close().await.unwrap();
    PathBuf::from(folder)
}

/// One request over TLS, byte for byte as given; the whole answer as it came.
pub fn ask(listen: &str, request: &str) -> Vec<u8> {
    let mut client = Command::new("timeout")
        .arg(Duration::from_secs(20).as_secs().to_string())
        .args(["openssl", "s_client", "-quiet", "-connect", listen])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    stdin.write_all(request.as_bytes()).unwrap();
    stdin.flush().unwrap();
    // With its input still open, it waits for the answer to end.
    let answer = client.wait_with_output().unwrap();
    drop(stdin);
    let shown = String::from_utf8_lossy(&answer.stdout).into_owned();
    assert!(shown.starts_with("HTTP/1.1 "), "no answer: {shown}");
    answer.stdout
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return files;
    };
    for entry in entries.flatten() {
        let Ok(meta) = entry.metadata() else { continue };
        if meta.is_dir() {
            files.extend(self::files(&entry.path()));
        } else if meta.is_file() && meta.len() <= FILE_LEN_MAX {
            files.push(entry.path());
        }
    }
    files
}
