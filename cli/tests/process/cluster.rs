//! A cluster of real processes: one api, two workers, two schedulers on one database.
//!
//! Invariant: no password stands in an argument; each process has its own data folder, and all share
//! the key files that `migrate --init` made.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use certmill_loadtest::checks::{self, Violation};
use certmill_loadtest::history::History;
use certmill_pg::Pool;
use certmill_settings::read_key_file;
use certmill_testkit::{Bouncer, Release, TestDb, free_address};
use certmill_wire::client::{Client, ClientConfig};
use rustix::process::Signal;
use secrecy::ExposeSecret as _;
use sqlx::AssertSqlSafe;

use crate::child::{self, Child};
use crate::members::{MEMBERS, Member};
use crate::progress::say;

/// How long a process may take to be ready; the api needs a worker for its own certificate.
const READY_WITHIN: Duration = Duration::from_secs(40);

const SETTINGS: [(&str, &str); 9] = [
    // So few that both workers get a share of a bulk request.
    ("worker.concurrency", "8"),
    ("process.lease_ms", "5000"),
    ("process.beat_ms", "1200"),
    ("process.rescue_ms", "1000"),
    ("leader.lease_ms", "3000"),
    ("schedule.renewal_slot_ms", "2000"),
    ("poll_ms", "500"),
    ("shutdown_grace_ms", "10000"),
    ("migrate_at_boot", "false"),
];

/// The running cluster.
pub struct Cluster {
    // Dropped first: processes end before their database and folders go.
    members: BTreeMap<&'static str, Child>,
    db: TestDb,
    folder: PathBuf,
    listens: BTreeMap<&'static str, String>,
    settings: Vec<(String, String)>,
    all: &'static [Member],
    /// The program of another build, which migrates first and runs what is called `-1`.
    older: Option<PathBuf>,
}

impl Cluster {
    /// Migrates a fresh database, installs the event log, starts all processes and waits until
    /// they are ready. `more` are further settings.
    pub async fn start(more: &[(&str, &str)]) -> Self {
        Self::start_with(MEMBERS, more).await
    }

    /// The same, with these processes.
    pub async fn start_with(all: &'static [Member], more: &[(&str, &str)]) -> Self {
        let mut cluster = Self::migrated(more, None).await;
        cluster.all = all;
        cluster.launch_all().await;
        cluster
    }

    /// A database that the program `older` migrated; nothing runs yet. Processes whose names end in
    /// `-1` run that program, the others this build.
    pub async fn of_builds(older: PathBuf, all: &'static [Member]) -> Self {
        let mut cluster = Self::migrated(&[], Some(older)).await;
        cluster.all = all;
        cluster
    }

    /// Name and role of every process that it has.
    pub fn all(&self) -> &'static [Member] {
        self.all
    }

    async fn migrated(more: &[(&str, &str)], older: Option<PathBuf>) -> Self {
        let db = TestDb::empty().await;
        let prefix = format!("certmill-test-{}-process-", std::process::id());
        let folder = tempfile::Builder::new()
            .prefix(&prefix)
            .tempdir()
            .unwrap()
            .keep();
        let own = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let cluster = Self {
            members: BTreeMap::new(),
            db,
            folder,
            listens: BTreeMap::new(),
            all: MEMBERS,
            older,
            settings: SETTINGS.iter().chain(more).map(own).collect(),
        };
        cluster.migrate().await;
        cluster
    }

    async fn launch_all(&mut self) {
        for (name, _) in self.all {
            self.launch(name);
        }
        for (name, _) in self.all {
            self.ready(name).await;
        }
    }

    /// As [`Cluster::start`], with a pooler in transaction mode between all processes and Postgres;
    /// its files go into `place`. `None` where such a pooler cannot be had.
    pub async fn start_behind(more: &[(&str, &str)], place: &Path) -> Option<(Self, Bouncer)> {
        let mut cluster = Self::migrated(more, None).await;
        let bouncer = Bouncer::start(
            &cluster.db,
            place,
            Release::Recent,
            "transaction",
            crate::pooler::CARRIES,
        )
        .await?;
        crate::pooler::set_limits(&cluster.db).await;
        let url = bouncer.url().expose_secret();
        private_file(&cluster.folder.join("database.url"), url);
        cluster.launch_all().await;
        Some((cluster, bouncer))
    }

    async fn migrate(&self) {
        for (file, url) in [
            ("database.url", self.db.app_url()),
            ("migrate.url", self.db.owner_url()),
        ] {
            private_file(&self.folder.join(file), url.expose_secret());
        }
        let mut env = self.env();
        let owner = self.folder.join("migrate.url").display().to_string();
        env.push(("CERTMILL_MIGRATE_URL_FILE".to_owned(), owner));
        let mut args = vec!["migrate".to_owned(), "--init".to_owned()];
        // With a token it would leave the first key to that, and the workload needs one at once.
        let own = self.args("keys");
        let token = |pair: &&[String]| pair[1].starts_with("bootstrap_token_file=");
        let pairs = own.chunks(2).filter(|pair| !token(pair));
        args.extend(pairs.flatten().cloned());
        let build = self.build("migrate-1");
        let mut child = Child::start_build(&build, "migrate", &args, &env, &self.log("migrate"));
        let status = child.exit(Duration::from_secs(60)).await;
        assert!(status.success(), "migrate: {status}\n{}", child.tail());
        sqlx::raw_sql(AssertSqlSafe(checks::read("harness.sql").unwrap()))
            .execute(self.owner())
            .await
            .unwrap();
    }

    /// Starts a process under this name.
    pub fn launch(&mut self, name: &'static str) {
        let role = self.all.iter().find(|member| member.0 == name).unwrap().1;
        let mut args = vec![role.to_owned(), "--name".to_owned(), name.to_owned()];
        args.extend(self.args(name));
        if role == "api" {
            let listen = self.listens.entry(name);
            let listen = listen.or_insert_with(|| free_address().to_string());
            args.extend(["--listen".to_owned(), listen.clone()]);
        }
        let build = self.build(name);
        let child = Child::start_build(&build, name, &args, &self.env(), &self.log(name));
        self.members.insert(name, child);
    }

    /// The program that runs under this name.
    fn build(&self, name: &str) -> PathBuf {
        let older = self.older.clone().filter(|_| name.ends_with("-1"));
        older.unwrap_or_else(|| env!("CARGO_BIN_EXE_certmill").into())
    }

    /// Starts an api beside the members, at an address of its own.
    pub fn launch_api(
        &mut self,
        name: &'static str,
        settings: &[(&str, &str)],
        env: &[(String, String)],
    ) {
        let mut args: Vec<String> = ["api", "--name", name, "--listen", "127.0.0.1:0"]
            .map(str::to_owned)
            .into();
        args.extend(self.args(name));
        for (key, value) in settings {
            args.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        let env = [&self.env(), env].concat();
        let child = Child::start(name, &args, &env, &self.log(name));
        self.members.insert(name, child);
    }

    /// Waits for the ready line.
    pub async fn ready(&mut self, name: &'static str) {
        self.member(name).logged("ready", READY_WITHIN).await;
    }

    /// Kills a process and starts its successor.
    pub fn replace(&mut self, name: &'static str) {
        self.member(name).kill();
        self.launch(name);
    }

    /// Sends a signal to a process.
    pub fn signal(&mut self, name: &'static str, signal: Signal) {
        self.member(name).signal(signal);
    }

    /// Waits for the good end of a process that was asked to.
    pub async fn end(&mut self, name: &'static str, within: Duration) -> ExitStatus {
        let mut child = self.members.remove(name).unwrap();
        let status = child.exit(within).await;
        assert_eq!(status.code(), Some(0), "{name}: {status}\n{}", child.tail());
        status
    }

    /// Runs an operator's command to its end: exit code, and what it printed to both outputs.
    pub async fn operate(&self, command: &[&str]) -> (Option<i32>, String) {
        let mut child = self.begin_operation(command);
        let status = child.exit(Duration::from_secs(60)).await;
        let printed = fs::read_to_string(self.log("operator")).unwrap_or_default();
        (status.code(), printed)
    }

    /// Starts an operator's command.
    pub fn begin_operation(&self, command: &[&str]) -> Child {
        let mut env = self.env();
        let owner = self.folder.join("migrate.url").display().to_string();
        env.push(("CERTMILL_MIGRATE_URL_FILE".to_owned(), owner));
        let mut args: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
        let form = |word: &String| word == "--log-format" || word == "json";
        args.extend(self.args("keys").into_iter().filter(|word| !form(word)));
        let log = self.log("operator");
        fs::remove_file(&log).ok();
        Child::start("operator", &args, &env, &log)
    }

    /// Waits for the end of a process that must refuse to start, with that code; what it printed.
    pub async fn refused(&mut self, name: &'static str, code: i32) -> String {
        let mut child = self.members.remove(name).unwrap();
        let status = child.exit(READY_WITHIN).await;
        assert_eq!(
            status.code(),
            Some(code),
            "{name}: {status}\n{}",
            child.tail()
        );
        child.tail()
    }

    /// What the checkers find, after the client's log was written and loaded.
    pub async fn violations(&self, history: &History) -> Vec<Violation> {
        let file = self.folder().join("history.ndjson");
        history.load(&file, self.owner()).await.unwrap();
        checks::violations(self.owner()).await.unwrap()
    }

    /// How many rows there are.
    pub async fn count(&self, from: &str) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {from}")))
            .fetch_one(self.owner())
            .await
            .unwrap()
    }

    /// Whether a process is up, or paused.
    pub fn is_up(&self, name: &str) -> bool {
        self.members.contains_key(name)
    }

    /// A process by name.
    pub fn member(&mut self, name: &'static str) -> &mut Child {
        self.members.get_mut(name).unwrap()
    }

    /// A client with the first admin's key, once the api serves under its own certificate.
    pub async fn client(&self) -> Client {
        self.client_of("api-1").await
    }

    /// As [`Cluster::client`], of an api that was started beside the members and is ready.
    pub async fn client_beside(&self, name: &str) -> Client {
        let url = fs::read_to_string(self.folder.join(name).join("url")).unwrap();
        self.client_at(url.trim().to_owned()).await
    }

    /// As [`Cluster::client`], for the api of that name.
    pub async fn client_of(&self, name: &str) -> Client {
        self.client_at(format!("https://{}", self.listens[name]))
            .await
    }

    async fn client_at(&self, url: String) -> Client {
        let root: Vec<u8> =
            sqlx::query_scalar("SELECT certificate_der FROM ca_key WHERE name = 'root'")
                .fetch_one(self.owner())
                .await
                .unwrap();
        let key = read_key_file("admin key", &self.folder.join("keys/admin.key")).unwrap();
        let config = ClientConfig::new(url)
            .with_api_key(key)
            .with_ca_pem(certmill_crypto::chain::certificate_pem(&root));
        let client = Client::new(config).unwrap();
        let deadline = Instant::now() + READY_WITHIN;
        while let Err(why) = client.ready().await {
            assert!(Instant::now() < deadline, "the api is not ready: {why}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        client
    }

    /// Starts a role that cannot work under these settings, and waits until it has refused.
    pub async fn refuses(&self, name: &str, role: &str, settings: &[(&str, &str)]) {
        let mut args = vec![role.to_owned(), "--name".to_owned(), name.to_owned()];
        let replaced = |word: &String| {
            let key = word.split('=').next();
            settings.iter().any(|(other, _)| Some(*other) == key)
        };
        let own = self.args(name);
        let (fixed, set) = own.split_at(4);
        args.extend(fixed.iter().cloned());
        for pair in set.chunks(2).filter(|pair| !replaced(&pair[1])) {
            args.extend(pair.iter().cloned());
        }
        let mut env = self.env();
        for (key, value) in settings {
            match *key {
                "database_url_file" => env[0].1 = (*value).to_owned(),
                _ => args.extend(["--set".to_owned(), format!("{key}={value}")]),
            }
        }
        let mut child = Child::start(name, &args, &env, &self.log(name));
        let status = child.exit(READY_WITHIN).await;
        assert!(!status.success(), "{name} did not refuse");
    }

    /// Names and ids of the processes that are up.
    pub fn processes(&self) -> Vec<(&'static str, u32)> {
        let members = self.members.iter();
        members.map(|(name, child)| (*name, child.id())).collect()
    }

    /// Where the first api listens.
    pub fn listen(&self) -> &str {
        &self.listens["api-1"]
    }

    /// The database that all share.
    pub fn database(&self) -> &TestDb {
        &self.db
    }

    /// Pool as the owner, who may read everything.
    pub fn owner(&self) -> &Pool {
        self.db.owner()
    }

    /// The folder of logs, keys and histories.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The name of the process that leads now.
    pub async fn leader(&self) -> Option<&'static str> {
        let label: Option<String> = sqlx::query_scalar(
            "SELECT label FROM leader WHERE holder IS NOT NULL AND expires_at > clock_timestamp()",
        )
        .fetch_optional(self.owner())
        .await
        .unwrap();
        self.all
            .iter()
            .map(|member| member.0)
            .find(|name| Some(*name) == label.as_deref())
    }

    /// How often the processes logged this event.
    pub fn logged(&self, event: &str) -> usize {
        let count = |(name, _): (&str, &str)| {
            child::lines(&self.log(name), 0)
                .filter(|line| line["event"] == event)
                .count()
        };
        self.all.iter().copied().map(count).sum()
    }

    fn log(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.log"))
    }

    fn env(&self) -> Vec<(String, String)> {
        let url = self.folder.join("database.url").display().to_string();
        vec![("CERTMILL_DATABASE_URL_FILE".to_owned(), url)]
    }

    fn args(&self, name: &str) -> Vec<String> {
        let path = |file: &str| self.folder.join(file).display().to_string();
        let mut args = vec![
            "--data-dir".to_owned(),
            path(name),
            "--log-format".to_owned(),
            "json".to_owned(),
        ];
        for (key, value) in &self.settings {
            args.extend(["--set".to_owned(), format!("{key}={value}")]);
        }
        for (key, file) in [
            ("ca_kek_file", "keys/ca.kek"),
            ("app_kek_file", "keys/app.kek"),
        ] {
            args.extend(["--set".to_owned(), format!("{key}={}", path(file))]);
        }
        args
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.members.clear();
        if std::thread::panicking() {
            // Under its first name the next run would sweep it away.
            let name = self
                .folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy();
            let kept = name.replace("certmill-test-", "certmill-failed-");
            let kept = self.folder.with_file_name(kept);
            fs::rename(&self.folder, &kept).ok();
            say(format_args!("logs are kept in {}", kept.display()));
        } else {
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// Writes a file that nobody else can read.
pub fn private_file(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}
