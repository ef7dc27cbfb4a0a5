//! One API in this process, on a database of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use certmill_api::{Bound, ServeError, ServerOptions, serve};
use certmill_crypto::bootstrap_token::BootstrapToken;
use certmill_crypto::ca::{CaPlan, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::chain::certificate_pem;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::mac::MacRing;
use certmill_crypto::seal::{Kek, Keyring, LiveKeyring};
use certmill_crypto::token::ApiKey;
use certmill_crypto::{csr, random};
use certmill_domain::ids::TeamId;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_pg::ConnectOptions;
use certmill_queue::Hinter;
use certmill_service::{Context, Policy, Role, authorities, bootstrap};
use certmill_settings::{ApiLimits, LimitsBackend, TlsFiles};
use certmill_store::api_key::NewApiKey;
use certmill_tasks::{Shutdown, Tasks};
use certmill_telemetry::clock::now_utc;
use certmill_testkit::TestDb;
use http::{HeaderMap, Method};
use reqwest::{Client, RequestBuilder};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tempfile::TempDir;

/// What differs between tests.
pub struct Wish {
    pub limits: ApiLimits,
    pub own_certificate: bool,
    pub bootstrap_token: Option<&'static str>,
}

impl Default for Wish {
    fn default() -> Self {
        let limits = ApiLimits {
            rate_per_s: 10_000,
            burst: 10_000,
            address_rate_per_s: 50_000,
            address_burst: 50_000,
            body_limit_bytes: 1 << 20,
            request_timeout: Duration::from_secs(30),
            backend: LimitsBackend::Postgres,
        };
        Self {
            limits,
            own_certificate: false,
            bootstrap_token: None,
        }
    }
}

/// A running API.
pub struct Api {
    pub db: TestDb,
    pub dir: TempDir,
    pub bound: Bound,
    pub tasks: Tasks,
    pub context: Context,
    pub ca_keys: Keyring,
    pub root: SuppliedRoot,
    pub keys: [(Role, ApiKey); 3],
    pub http: Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The code of the problem that it is; checks what every problem has.
    pub fn code(&self) -> String {
        let json = self.json();
        assert_eq!(
            self.header("content-type"),
            "application/problem+json",
            "{self:?}"
        );
        assert_eq!(json["status"], self.status, "{self:?}");
        assert_eq!(json["request_id"], self.header("x-request-id"), "{self:?}");
        assert!(!json["title"].as_str().unwrap().is_empty());
        for inside in ["SELECT", "INSERT", "sqlx", "panicked", "src/", "SQLSTATE"] {
            assert!(!self.text.contains(inside), "{inside} in {self:?}");
        }
        json["code"].as_str().unwrap().to_owned()
    }

    pub fn is(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status, self.code().as_str()),
            (status, code),
            "{self:?}"
        );
    }
}

impl Api {
    pub async fn start() -> Self {
        Self::start_with(Wish::default()).await
    }

    pub async fn start_with(wish: Wish) -> Self {
        let db = TestDb::new().await;
        let ca_keys = ring(1);
        bootstrap::seed(db.owner(), &ca_keys, &ring(2))
            .await
            .unwrap();
        let context = Context {
            pool: db.app().clone(),
            hinter: Hinter::none(),
            app_keys: Some(Arc::new(LiveKeyring::new(ring(2)))),
            policy: Policy {
                process_lease: time::Duration::seconds(6),
                acknowledge_sealed_keys: true,
            },
        };
        let dir = TempDir::new().unwrap();
        let root = SuppliedRoot::new();
        root.write(dir.path());
        let tasks = Tasks::new(Shutdown::new());
        let mut options = options(&context, dir.path());
        options.limits = wish.limits;
        options.bootstrap_token = wish
            .bootstrap_token
            .map(|text| BootstrapToken::new(text).unwrap());
        let mut trust = root.pem();
        if wish.own_certificate {
            options.tls = None;
            trust = authorities::anchors_pem(db.app()).await.unwrap();
        }
        let bound = serve(options, &tasks).await.unwrap();
        let keys = keys(&context).await;
        let http = client(&trust);
        Self {
            db,
            dir,
            bound,
            tasks,
            context,
            ca_keys,
            root,
            keys,
            http,
        }
    }

    pub fn url(&self, path: &str) -> String {
        self.url_at(&self.bound, path)
    }

    pub fn url_at(&self, replica: &Bound, path: &str) -> String {
        format!("https://localhost:{}{path}", replica.local_addr.port())
    }

    /// Another replica on the same database, with a pool of its own.
    pub async fn replica(&self, bootstrap_token: Option<&str>) -> Bound {
        let limits = Wish::default().limits;
        self.another(bootstrap_token, limits).await
    }

    /// Another replica with these limits.
    pub async fn replica_with(&self, limits: ApiLimits) -> Bound {
        self.another(None, limits).await
    }

    async fn another(&self, bootstrap_token: Option<&str>, limits: ApiLimits) -> Bound {
        let pool = certmill_pg::connect(&self.db.app_url(), ConnectOptions::new("replica")).await;
        let context = Context {
            pool: pool.unwrap(),
            ..self.context.clone()
        };
        let mut options = options(&context, self.dir.path());
        options.bootstrap_token = bootstrap_token.map(|text| BootstrapToken::new(text).unwrap());
        options.limits = limits;
        serve(options, &self.tasks).await.unwrap()
    }

    pub fn key(&self, role: Role) -> &str {
        self.keys
            .iter()
            .find(|(known, _)| *known == role)
            .unwrap()
            .1
            .expose()
    }

    pub fn call(&self, method: Method, path: &str, role: Role) -> RequestBuilder {
        self.http
            .request(method, self.url(path))
            .bearer_auth(self.key(role))
    }

    pub async fn get(&self, path: &str) -> Answer {
        send(self.call(Method::GET, path, Role::Viewer)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        send(self.call(Method::POST, path, Role::Admin).json(body)).await
    }

    pub async fn post_text(&self, path: &str, body: impl Into<String>) -> Answer {
        let request = self.call(Method::POST, path, Role::Admin);
        send(
            request
                .header("content-type", "application/json")
                .body(body.into()),
        )
        .await
    }
}

pub async fn send(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer {
        status,
        headers,
        text: response.text().await.unwrap(),
    }
}

pub fn options(context: &Context, dir: &Path) -> ServerOptions {
    let app_keys = context.app_keys.clone().unwrap();
    ServerOptions {
        listen: "127.0.0.1:0".parse().unwrap(),
        context: context.clone(),
        cursor_key: MacRing::new(app_keys, "cursor"),
        bootstrap_token: None,
        data_dir: dir.to_owned(),
        host_name: "test-host".to_owned(),
        public_names: vec!["api.example.com".to_owned()],
        tls: Some(TlsFiles {
            cert_file: dir.join("cert.pem"),
            key_file: dir.join("key.pem"),
        }),
        tls_poll: Duration::from_millis(100),
        limits: Wish::default().limits,
        grace: Duration::from_secs(5),
    }
}

pub fn client(trust_pem: &str) -> Client {
    let root = reqwest::Certificate::from_pem(trust_pem.as_bytes()).unwrap();
    Client::builder().tls_certs_only([root]).build().unwrap()
}

fn ring(byte: u8) -> Keyring {
    Keyring::new(Kek::from_bytes([byte; 32]), Vec::new())
}

async fn keys(context: &Context) -> [(Role, ApiKey); 3] {
    let of = async |role: Role| (role, add_key(context, role.as_str(), role).await);
    [
        of(Role::Viewer).await,
        of(Role::Operator).await,
        of(Role::Admin).await,
    ]
}

/// A new key of that name.
pub async fn add_key(context: &Context, name: &str, role: Role) -> ApiKey {
    let key = ApiKey::generate().unwrap();
    let row = NewApiKey {
        team_id: TeamId::DEFAULT,
        name,
        role: role.as_str(),
        prefix: key.id(),
        secret_sha256: &key.hash(),
        life: None,
        created_by: "test",
        replaces: None,
    };
    let mut tx = context.begin().await.unwrap();
    certmill_store::api_key::insert(&mut tx, &row)
        .await
        .unwrap();
    tx.commit().await.unwrap();
    key
}

/// An authority of the operator's, outside certmill.
pub struct SuppliedRoot(SigningCa, String);

impl SuppliedRoot {
    pub fn new() -> Self {
        let now = now_utc();
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let plan = CaPlan {
            common_name: "test root".to_owned(),
            organization: None,
            serial: Serial::from_random(random::bytes().unwrap()),
            validity: Validity::plan(now, time::Duration::DAY, now + time::Duration::DAY),
            path_len: 0,
        };
        let der = create_root(&plan, &key).unwrap();
        Self(SigningCa::new(&der, key).unwrap(), certificate_pem(&der))
    }

    pub fn pem(&self) -> String {
        self.1.clone()
    }

    /// Writes a new pair into the folder.
    pub fn write(&self, dir: &Path) {
        let now = now_utc();
        let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
        let leaf = LeafPlan {
            serial: Serial::from_random(random::bytes().unwrap()),
            validity: Validity::plan(now, time::Duration::HOUR, now + time::Duration::DAY),
            names: Names::parse(["localhost", "127.0.0.1"]).unwrap(),
            public_key: key.public_key().clone(),
            purposes: vec![Purpose::ServerAuth],
            status: None,
        };
        let der = self.0.sign_leaf(&leaf).unwrap();
        std::fs::write(dir.join("cert.pem"), certificate_pem(&der)).unwrap();
        write_private(&dir.join("key.pem"), key.to_pem().expose_secret());
    }
}

pub fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A CSR in PEM for the name, with a key of its own.
pub fn csr_for(name: &str) -> String {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    csr::to_pem(&csr::create(&key, &Names::parse([name]).unwrap()).unwrap())
}

/// Waits for what the closure finds, 15 s at most.
pub async fn until<F: AsyncFnMut() -> bool>(what: &str, mut look: F) {
    let wait = async {
        while !look().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(15), wait)
            .await
            .is_ok(),
        "{what} never came"
    );
}

pub async fn fails_to_serve(options: ServerOptions) -> ServeError {
    let tasks = Tasks::new(Shutdown::new());
    serve(options, &tasks).await.err().unwrap()
}
