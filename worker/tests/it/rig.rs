//! What the tests of the worker share: a seeded database, workers, requests.

pub use certmill_testkit::{PATIENCE, until};
use std::sync::Arc;
use std::time::Duration;

use certmill_crypto::csr;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::seal::{Kek, Keyring, LiveKeyring};
use certmill_domain::ids::{CertificateId, JobId};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::order::Order;
use certmill_queue::read::{self, JobRow};
use certmill_queue::{Hinter, NewJob, Wake, enqueue_all};
use certmill_service::certificates::{self, Ask, Detail, ItemOutcome};
use certmill_service::{Caller, Context, Policy, bootstrap};
use certmill_store::order;
use certmill_tasks::{Shutdown, Tasks};
use certmill_testkit::TestDb;
use certmill_worker::{Failpoints, Options, Retention};

pub struct Rig {
    pub db: TestDb,
    pub context: Context,
}

pub async fn rig() -> Rig {
    let db = TestDb::new().await;
    bootstrap::seed(db.owner(), &ring(1), &ring(2))
        .await
        .unwrap();
    let context = Context {
        pool: db.app().clone(),
        hinter: Hinter::none(),
        app_keys: Some(Arc::new(LiveKeyring::new(ring(2)))),
        policy: Policy {
            process_lease: time::Duration::seconds(2),
            acknowledge_sealed_keys: false,
        },
    };
    Rig { db, context }
}

pub fn ring(byte: u8) -> Keyring {
    Keyring::new(Kek::from_bytes([byte; 32]), Vec::new())
}

/// A running worker.
pub struct Worker {
    tasks: Tasks,
    shutdown: Shutdown,
}

impl Worker {
    /// Drains and waits until nothing of it runs any more.
    pub async fn stop(self) {
        self.shutdown.request();
        let tasks = self.tasks.clone();
        until(|| {
            let ended = tasks.running() == 0;
            async move { ended }
        })
        .await;
    }
}

impl Rig {
    /// Starts a worker; `with_key` gives it the ca.kek.
    pub async fn worker(&self, label: &str, with_key: bool) -> Worker {
        self.start(self.options(label, with_key)).await
    }

    /// Starts a worker with these options.
    pub async fn start(&self, options: Options) -> Worker {
        let shutdown = Shutdown::new();
        let tasks = Tasks::new(shutdown.clone());
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let own = tasks.clone();
        tasks.spawn("worker", async move {
            certmill_worker::run(options, &own, || ready.send(()).unwrap())
                .await
                .unwrap();
        });
        tokio::time::timeout(PATIENCE, is_ready)
            .await
            .expect("it registers in time")
            .unwrap();
        Worker { tasks, shutdown }
    }

    pub fn options(&self, label: &str, with_key: bool) -> Options {
        Options {
            pool: self.db.app().clone(),
            label: label.into(),
            version: "0".into(),
            queues: Vec::new(),
            until_empty: false,
            concurrency: 8,
            lease: Duration::from_secs(2),
            beat: Duration::from_millis(500),
            rescue: Duration::from_millis(200),
            deadline: Duration::from_secs(20),
            stop_patience: Duration::from_secs(2),
            grace: Duration::from_secs(5),
            poll: Duration::from_millis(50),
            wake: Wake::polling_only(),
            hinter: Hinter::none(),
            ca_keys: with_key.then(|| Arc::new(LiveKeyring::new(ring(1)))),
            retention: Retention::default(),
            failpoints: Failpoints::default(),
        }
    }

    /// Asks for certificates, each with a CSR of the same key.
    pub async fn request_all(&self, names: &[String]) -> Vec<CertificateId> {
        self.ask_all(None, names).await
    }

    /// The same, of this profile.
    pub async fn request_of(&self, profile: &str, names: &[String]) -> Vec<CertificateId> {
        self.ask_all(Some(profile.to_owned()), names).await
    }

    async fn ask_all(&self, profile: Option<String>, names: &[String]) -> Vec<CertificateId> {
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let asks = names
            .iter()
            .map(|name| Ask {
                name: name.clone(),
                sans: Vec::new(),
                profile: profile.clone(),
                csr_pem: Some(csr::to_pem(
                    &csr::create(&key, &Names::parse([name]).unwrap()).unwrap(),
                )),
                auto_renew: true,
            })
            .collect();
        let caller = Caller::system("test");
        let pointer = |n: usize| format!("/{n}");
        certificates::request(&self.context, &caller, asks, pointer, None)
            .await
            .unwrap()
            .value
            .into_iter()
            .map(|outcome| match outcome {
                ItemOutcome::Accepted { certificate, .. } => certificate,
                other => panic!("{other:?}"),
            })
            .collect()
    }

    pub async fn request(&self, name: &str) -> CertificateId {
        self.request_all(&[name.to_owned()]).await[0]
    }

    pub async fn show(&self, id: CertificateId) -> Detail {
        certificates::by_id(&self.context, &Caller::system("test"), id)
            .await
            .unwrap()
    }

    pub async fn chain(&self, id: CertificateId) -> String {
        certificates::chain_pem(&self.context, &Caller::system("test"), id)
            .await
            .unwrap()
    }

    pub async fn order(&self, id: CertificateId, generation: i32) -> Order {
        let mut conn = self.db.app().acquire().await.unwrap();
        order::standing(&mut conn, id, generation)
            .await
            .unwrap()
            .unwrap()
    }

    pub async fn until_issued(&self, id: CertificateId, generation: i32) {
        until(|| async move { self.show(id).await.certificate.generation >= generation }).await;
    }

    pub async fn add_jobs(&self, jobs: &[NewJob]) -> Vec<JobId> {
        let mut conn = self.db.app().acquire().await.unwrap();
        let answers = enqueue_all(&mut conn, jobs).await.unwrap();
        answers.into_iter().map(|one| one.id()).collect()
    }

    pub async fn job(&self, id: JobId) -> JobRow {
        let mut conn = self.db.app().acquire().await.unwrap();
        read::by_id(&mut conn, id).await.unwrap().unwrap()
    }

    pub async fn until_job(&self, id: JobId, holds: impl Fn(&JobRow) -> bool) -> JobRow {
        until(|| async { holds(&self.job(id).await) }).await;
        self.job(id).await
    }

    pub async fn count(&self, from: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {from}")))
            .fetch_one(self.db.app())
            .await
            .unwrap()
    }

    /// Runs statements that stand for what time or somebody else does.
    pub async fn run(&self, statements: &str) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statements.to_owned()))
            .execute(self.db.app())
            .await
            .unwrap();
    }
}

/// A CSR for this name, with a key of its own.
pub fn csr_for(name: &str) -> String {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    csr::to_pem(&csr::create(&key, &Names::parse([name]).unwrap()).unwrap())
}
