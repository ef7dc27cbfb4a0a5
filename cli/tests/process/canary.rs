//! Secrets stay where they belong: keys of the installation, of the authorities, of certificates and
//! of callers are nowhere in clear but in their own files.
//!
//! Invariant: the search finds what is planted in a log and in a table, before it is believed.
#![allow(clippy::disallowed_methods, reason = "tests ask the database directly")]

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use certmill_crypto::keys::PrivateKey;
use certmill_crypto::seal::{Kek, Keyring, Place};
use certmill_domain::key::KeyAlgorithm;
use certmill_wire::client::Client;
use certmill_wire::{CertificateRequest, KeyRequest, ProfileRequest, RotateRequest};
use secrecy::ExposeSecret as _;

use crate::ONE_AT_A_TIME;
use crate::cluster::Cluster;
use crate::haystack::{Search, ask, server_folder};
use crate::needle::{Needles, Secret};
use crate::progress::say;
use crate::workload::Workload;

/// Files that hold a secret because that is what they are for. `key.pem`: the api's own TLS key.
const SECRET_FILES: [&str; 8] = [
    "ca.kek",
    "app.kek",
    "admin.key",
    "database.url",
    "migrate.url",
    "wrong.kek",
    "wrong.url",
    "key.pem",
];
const PROFILE: &str = "sealed";
const ISSUED_WITHIN: Duration = Duration::from_secs(30);
const BOOTSTRAP_TOKEN: &str = "7d1e0a94c2b8563f1e9d4a70b6c35821";
const WRONG_PASSWORD: &str = "wrong-password-of-the-canary";

#[tokio::test]
async fn no_secret_is_in_clear_outside_its_file() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let mut token = tempfile::NamedTempFile::new().unwrap();
    token.write_all(BOOTSTRAP_TOKEN.as_bytes()).unwrap();
    let token = token.path().display().to_string();
    let settings = [
        ("log.filter", "trace"),
        ("acknowledge_sealed_keys", "true"),
        ("bootstrap_token_file", &token),
    ];
    let cluster = Cluster::start(&settings).await;
    let client = cluster.client().await;
    let mut secrets = installation(&cluster);
    secrets.extend(api_keys(&client).await);
    let (id, key) = sealed_certificate(&client).await;
    secrets.push(key);
    Workload::begin(client, 7).await.bulk(10).await;
    let sent = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    secrets.push(Secret::of_key(
        "the key that a client sent",
        sent.pkcs8_der(),
    ));
    let answers = provoke(&cluster, &id, sent.to_pem().expose_secret());
    refusals(&cluster).await;
    secrets.extend(sealed_rows(&cluster).await);
    let needles = Needles::of(&secrets);

    let mut search = Search::default();
    for (what, answer) in &answers {
        search.look(&needles, what, answer);
    }
    search.tables(&needles, cluster.owner()).await;
    let server = server_folder(&cluster.database().superuser_url()).await;
    search.folder(&needles, &server, &[]);
    search.folder(&needles, cluster.folder(), &SECRET_FILES);
    for (name, process) in cluster.processes() {
        search.process(&needles, name, process);
    }
    let traced = fs::read_to_string(cluster.folder().join("worker-1.log")).unwrap();
    assert!(traced.contains("\"TRACE\""), "the logs are not at TRACE");
    let cores = memory(&mut search, &cluster, &secrets);
    // Last, since what is planted stays in the files of the database.
    control(&cluster, &needles, &secrets).await;
    assert!(search.leaks.is_empty(), "{:#?}", search.leaks);
    say(format_args!(
        "looked for {} secrets in {} places, {} MB, {cores} of them memory: none found",
        secrets.len(),
        search.places,
        search.bytes >> 20
    ));
}

/// What was there before the first request.
fn installation(cluster: &Cluster) -> Vec<Secret> {
    let keys = cluster.folder().join("keys");
    let read = |file: &str| fs::read(keys.join(file)).unwrap();
    let admin = String::from_utf8(read("admin.key")).unwrap();
    let mut secrets = vec![
        Secret::new("ca.kek", read("ca.kek")),
        Secret::new("app.kek", read("app.kek")),
        api_key("admin.key", &admin),
        Secret::new("the bootstrap token", BOOTSTRAP_TOKEN),
        Secret::new("a wrong password", WRONG_PASSWORD),
    ];
    let own = fs::read_to_string(cluster.folder().join("api-1/api-tls/key.pem")).unwrap();
    let own = PrivateKey::from_pem(&own).unwrap();
    secrets.push(Secret::of_key("the TLS key of the api", own.pkcs8_der()));
    for (name, url) in [
        ("password of the app", cluster.database().app_url()),
        ("password of the owner", cluster.database().owner_url()),
    ] {
        let (_, rest) = url.expose_secret().split_once("://").unwrap();
        let (login, _) = rest.split_once('@').unwrap();
        let (_, password) = login.split_once(':').unwrap();
        secrets.push(Secret::new(name, password));
    }
    secrets
}

/// `cm_`, eight characters that everybody may see, `_`, then the secret.
fn api_key(name: &str, text: &str) -> Secret {
    Secret::new(name, text.trim().get(12..).unwrap())
}

/// A key that an admin made, and the one that replaced it.
async fn api_keys(client: &Client) -> Vec<Secret> {
    let request = KeyRequest {
        name: "canary".to_owned(),
        role: "viewer".to_owned(),
        expires_in_s: None,
    };
    let made = client.add_key(&request).await.unwrap();
    let again = RotateRequest::default();
    let replaced = client.rotate_key(&made.key.id, &again).await.unwrap();
    let secret = |name: &str, view: certmill_wire::NewKeyView| {
        api_key(name, view.secret.unwrap().expose_secret())
    };
    vec![
        secret("a made API key", made),
        secret("a rotated API key", replaced),
    ]
}

/// The private keys that the database keeps sealed, opened as a role would.
async fn sealed_rows(cluster: &Cluster) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for (table, file) in [("ca_key", "ca.kek"), ("ocsp_responder", "app.kek")] {
        let kek = Kek::load(&cluster.folder().join("keys").join(file)).unwrap();
        let ring = Keyring::new(kek, Vec::new());
        let sql = format!("SELECT id::text, key_sealed FROM {table}");
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_all(cluster.owner())
            .await
            .unwrap();
        assert!(table != "ca_key" || rows.len() >= 2, "root and issuing");
        for (id, sealed) in rows {
            let place = Place::new(table, "key_sealed", &id);
            let der = ring.open(place, &sealed).unwrap();
            secrets.push(Secret::of_key(&format!("key of {table} {id}"), &der));
        }
    }
    secrets
}

/// A certificate whose key the server made and keeps, with that key.
async fn sealed_certificate(client: &Client) -> (String, Secret) {
    let profile = ProfileRequest {
        name: PROFILE.to_owned(),
        lifetime_s: 86_400,
        key_source: Some("sealed".to_owned()),
        ..ProfileRequest::default()
    };
    client.add_profile(&profile).await.unwrap();
    let request = CertificateRequest {
        name: "sealed.process.test".to_owned(),
        profile: Some(PROFILE.to_owned()),
        ..CertificateRequest::default()
    };
    let id = client.request_certificate(&request).await.unwrap();
    let id = id.certificate.id;
    let deadline = Instant::now() + ISSUED_WITHIN;
    let pem = loop {
        match client.certificate_key(&id).await {
            Ok(pem) => break pem,
            Err(why) => assert!(Instant::now() < deadline, "no key: {why}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let key = PrivateKey::from_pem(pem.expose_secret()).unwrap();
    (id, Secret::of_key("a sealed key", key.pkcs8_der()))
}

/// Asks for everything that can be read, and for much that must be refused; the answers.
fn provoke(cluster: &Cluster, id: &str, sent_key: &str) -> Vec<(String, Vec<u8>)> {
    let admin = fs::read_to_string(cluster.folder().join("keys/admin.key")).unwrap();
    let admin = admin.trim();
    let one = format!("/api/v1/certificates/{id}");
    let (versions, chain) = (format!("{one}/versions"), format!("{one}/chain"));
    let reads = [
        "/ready",
        "/api/v1/certificates",
        &one,
        &versions,
        &chain,
        "/api/v1/keys",
        "/api/v1/profiles",
        "/api/v1/issuers",
        "/api/v1/jobs",
        "/api/v1/cluster",
        "/api/v1/version",
        "/api/v1/openapi.json",
        "/api/v1/nothing",
        "/api/v1/jobs?cursor=AAAA",
    ];
    let listen = cluster.listen();
    let head = |method: &str, path: &str, key: &str| {
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\
             Authorization: Bearer {key}\r\n"
        )
    };
    let mut answers = Vec::new();
    for path in reads {
        let request = head("GET", path, admin) + "\r\n";
        answers.push((format!("GET {path}"), ask(listen, &request)));
    }
    let mistyped = format!("{}x", &admin[..admin.len() - 1]);
    for (what, key) in [
        ("mistyped", mistyped.as_str()),
        ("doubled", &admin.repeat(2)),
    ] {
        let request = head("GET", "/api/v1/jobs", key) + "\r\n";
        answers.push((format!("a {what} key"), ask(listen, &request)));
    }
    let escaped = sent_key.replace('\n', "\\n");
    let bodies = [
        format!("{{\"name\":\"a.process.test\",\"csr\":\"{escaped}\"}}"),
        format!("{{\"name\":\"{escaped}\"}}"),
        format!("{{\"name\":1,\"{admin}\":2,\"csr\":\"{escaped}"),
        format!(
            "{{\"name\":\"a.process.test\",\"profile\":\"{}\"}}",
            &escaped[40..120]
        ),
    ];
    let token = format!("{{\"token\":\"{BOOTSTRAP_TOKEN}\"}}");
    let posts = bodies.map(|body| ("/api/v1/certificates", body));
    for (path, body) in posts.into_iter().chain([("/api/v1/bootstrap", token)]) {
        let request = head("POST", path, admin)
            + &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        let answer = ask(listen, &request);
        let refused = answer.starts_with(b"HTTP/1.1 4");
        assert!(refused, "{}", String::from_utf8_lossy(&answer));
        answers.push((format!("a refused POST {path}"), answer));
    }
    answers
}

/// Roles that refuse to start: with the key of somebody else, and with a wrong password.
async fn refusals(cluster: &Cluster) {
    let folder = cluster.folder();
    Kek::generate_into(&folder.join("wrong.kek")).unwrap();
    let kek = folder.join("wrong.kek").display().to_string();
    cluster
        .refuses("worker-wrong", "worker", &[("ca_kek_file", &kek)])
        .await;
    let url = cluster.database().app_url();
    let (scheme, rest) = url.expose_secret().split_once("://").unwrap();
    let (login, place) = rest.split_once('@').unwrap();
    let (user, _) = login.split_once(':').unwrap();
    let file = folder.join("wrong.url");
    let text = format!("{scheme}://{user}:{WRONG_PASSWORD}@{place}");
    crate::cluster::private_file(&file, &text);
    let file = file.display().to_string();
    cluster
        .refuses(
            "worker-locked-out",
            "worker",
            &[("database_url_file", &file)],
        )
        .await;
}

/// Plants a secret in a log and in a table, and finds it in both.
async fn control(cluster: &Cluster, needles: &Needles, secrets: &[Secret]) {
    let log = cluster.folder().join("planted.log");
    let line = [b"event=", secrets[0].shown(1).as_slice(), b"\n"].concat();
    fs::write(&log, line).unwrap();
    sqlx::query("CREATE TABLE planted AS SELECT $1::bytea AS oops")
        .bind(secrets[1].shown(0))
        .execute(cluster.owner())
        .await
        .unwrap();
    let mut search = Search::default();
    search.folder(needles, cluster.folder(), &SECRET_FILES);
    search.tables(needles, cluster.owner()).await;
    fs::remove_file(&log).unwrap();
    let found = search.leaks.join("\n");
    for wanted in ["planted.log: ca.kek (hex)", "public.planted: app.kek (hex)"] {
        assert!(found.contains(wanted), "not found: {wanted}\n{found}");
    }
}

/// The memory of processes that have no use for a secret; how many could be looked at. That of a
/// worker, which signs, is the control.
fn memory(search: &mut Search, cluster: &Cluster, secrets: &[Secret]) -> usize {
    let signing =
        |secret: &&Secret| secret.name == "ca.kek" || secret.name.starts_with("key of ca_key");
    let kept = |secret: &&Secret| secret.name.ends_with(".kek") || signing(secret);
    let mut looked = 0;
    for (name, process) in cluster.processes() {
        let needles = match name {
            "api-1" => Needles::of(secrets.iter().filter(signing)),
            "scheduler-1" => Needles::of(secrets.iter().filter(kept)),
            "worker-1" => Needles::of(secrets.iter().take(1)),
            _ => continue,
        };
        if name == "worker-1" {
            let mut control = Search::default();
            let taken = control.memory(&needles, name, process, cluster.folder());
            assert!(!taken || !control.leaks.is_empty(), "no ca.kek in a signer");
            continue;
        }
        if search.memory(&needles, name, process, cluster.folder()) {
            looked += 1;
        } else {
            say(format_args!(
                "left out: memory of {name}: gcore cannot take it"
            ));
        }
    }
    looked
}
