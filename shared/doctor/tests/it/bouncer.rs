//! A real PgBouncer in transaction mode is seen for what it is. Passed over, with a word, where
//! this machine has none.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use certmill_doctor::{Level, Patient};
use certmill_pg::{ConnectOptions, connect};
use certmill_settings::{Role, Secret};
use certmill_testkit::TestDb;
use secrecy::ExposeSecret as _;

use crate::rig::*;

struct Bouncer {
    process: Child,
    url: Secret,
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Starts one in front of the database; `None` where it is not installed.
async fn start(db: &TestDb, folder: &Path, mode: &str) -> Option<Bouncer> {
    let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"]
        .into_iter()
        .find(|path| Path::new(path).exists())?;
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = db.app_url();
    let (_, rest) = url.expose_secret().split_once("certmill_app:").unwrap();
    let (password, place) = rest.split_once('@').unwrap();
    let (_, query) = place.split_once("?host=").unwrap_or((place, ""));
    let name: String = sqlx::query_scalar("SELECT current_database()")
        .fetch_one(db.app())
        .await
        .unwrap();
    let (users, config) = (folder.join("users"), folder.join("config"));
    fs::write(&users, format!("\"certmill_app\" \"{password}\"\n")).unwrap();
    let text = format!(
        "[databases]\n{name} = host={query} port=5432 dbname={name}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
         pool_mode = {mode}\n",
        users.display()
    );
    fs::write(&config, text).unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if rustix::process::geteuid().is_root() {
        // It refuses to run as root.
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    let process = command
        .arg(program)
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log")).unwrap())
        .spawn()
        .unwrap();
    let bouncer = Bouncer {
        process,
        url: Secret::from(format!(
            "postgres://certmill_app:{password}@127.0.0.1:{port}/{name}?sslmode=disable"
        )),
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert!(
            Instant::now() < deadline,
            "the pooler does not listen: {log}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Some(bouncer)
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_seen_and_can_be_worked_with() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let Some(bouncer) = start(&db, folder.path(), "transaction").await else {
        eprintln!("passed over: no pgbouncer here (package pgbouncer)");
        return;
    };
    let unaware = Patient::admit(settings(Role::Api, &bouncer.url, folder.path())).await;
    let (level, words) = worst(&unaware, "pooler").await;
    assert_eq!(level, Level::Fail);
    assert!(words.contains("transaction mode"), "{words}");
    let mut aware = settings(Role::Api, &bouncer.url, folder.path());
    aware.database.pooler = certmill_settings::Pooler::Transaction;
    let aware = Patient::admit(aware).await;
    // Older ones do not carry prepared statements; then it must be that which is told.
    let (level, words) = worst(&aware, "pooler").await;
    if level == Level::Ok {
        assert_eq!(worst(&aware, "schema").await.0, Level::Ok);
    } else {
        assert!(words.contains("max_prepared_statements"), "{words}");
    }

    let pool = connect(&bouncer.url, ConnectOptions::new("api"))
        .await
        .unwrap();
    let refused = certmill_pg::Error::from(pool.acquire().await.unwrap_err());
    assert_eq!(refused.sqlstate(), Some("08P01"), "{refused}");
    assert!(refused.to_string().contains("database.pooler"), "{refused}");
}

#[tokio::test]
async fn a_pooler_that_keeps_sessions_is_a_warning() {
    let (db, folder) = (TestDb::new().await, tempfile::tempdir().unwrap());
    let Some(bouncer) = start(&db, folder.path(), "session").await else {
        eprintln!("passed over: no pgbouncer here (package pgbouncer)");
        return;
    };
    let patient = Patient::admit(settings(Role::Api, &bouncer.url, folder.path())).await;
    let (level, words) = worst(&patient, "pooler").await;
    assert_eq!(level, Level::Warn, "{words}");
}
