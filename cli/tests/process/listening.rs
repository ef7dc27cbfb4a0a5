//! What an api says at its start when it cannot have its address, or cannot show its certificate:
//! exact words, exit code 3, no secret.
#![allow(
    clippy::disallowed_methods,
    reason = "taking a right away is done by another program"
)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use certmill_crypto::ca::{CaPlan, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::chain::certificate_pem;
use certmill_crypto::keys::PrivateKey;
use certmill_crypto::random;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use certmill_telemetry::clock::now_utc;
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;

use crate::cluster::private_file;
use crate::house::House;
use crate::progress::say;

impl House {
    /// Starts an api without the right to ports below 1024, which must refuse; what it said.
    fn refuses(&self, args: &[&str]) -> String {
        let output = Command::new("timeout")
            .args(["40", "setpriv"])
            .args(["--pdeathsig", "KILL"])
            .args(["--bounding-set=-net_bind_service"])
            .args(["--inh-caps=-net_bind_service"])
            .args([env!("CARGO_BIN_EXE_certmill"), "api"])
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(!said.contains("panicked"), "{said}");
        let errors: Vec<&str> = said.lines().filter(|l| l.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{said}");
        errors[0].to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_had_is_told_with_the_systems_words() {
    let _one = crate::ONE_AT_A_TIME.lock().await;
    let house = House::build(None).await;
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let port = address.port();
    assert_eq!(
        house.refuses(&["--listen", &address.to_string()]),
        format!(
            "error: api (listen): cannot listen on {address}: Address already in use (os error \
             98); stop what uses it (`ss -ltnp 'sport = :{port}'` names it), or choose another \
             address with --listen"
        )
    );
    let plain = format!("plain_listen={address}");
    let words = house.refuses(&["--listen", "127.0.0.1:0", "--set", &plain]);
    assert!(
        words.starts_with(&format!(
            "error: api (plain_listen): cannot listen on {address}: Address already in use"
        )),
        "{words}"
    );
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_ok_and(|port| port.trim().parse::<u16>().is_ok_and(|port| port <= 443)) {
        say(format_args!(
            "left out: on this machine port 443 is open to everybody"
        ));
        return;
    }
    assert_eq!(
        house.refuses(&["--listen", "127.0.0.1:443"]),
        "error: api (listen): cannot listen on 127.0.0.1:443: Permission denied (os error 13); \
         ports below 1024 need a right: give it CAP_NET_BIND_SERVICE (systemd: \
         AmbientCapabilities=), or choose another port than 443 with --listen"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_pair_is_told_with_its_last_instant() {
    let _one = crate::ONE_AT_A_TIME.lock().await;
    let house = House::build(None).await;
    let (cert, key) = (
        house.dir.path().join("cert.pem"),
        house.dir.path().join("key.pem"),
    );
    let end = write_pair(&cert, &key, now_utc() - time::Duration::days(2));
    let set = [
        format!("tls.cert_file={}", cert.display()),
        format!("tls.key_file={}", key.display()),
    ];
    let args = [
        "--listen",
        "127.0.0.1:0",
        "--set",
        &set[0],
        "--set",
        &set[1],
    ];
    assert_eq!(
        house.refuses(&args),
        format!(
            "error: api (tls): TLS cannot be set up: the certificate in tls.cert_file {} ended at \
             notAfter {end}; renew it, or leave tls.cert_file and tls.key_file out, and this \
             server obtains its own",
            cert.display()
        )
    );
}

/// Writes a pair that was made then, for a day; answers its last instant.
fn write_pair(cert: &Path, key: &Path, made: OffsetDateTime) -> OffsetDateTime {
    let validity = Validity::plan(made, time::Duration::DAY, made + time::Duration::DAY);
    let serial = || Serial::from_random(random::bytes().unwrap());
    let root_key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let plan = CaPlan {
        common_name: "a root of long ago".to_owned(),
        organization: None,
        serial: serial(),
        validity,
        path_len: 0,
    };
    let root = create_root(&plan, &root_key).unwrap();
    let own = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let leaf = LeafPlan {
        serial: serial(),
        validity,
        names: Names::parse(["localhost"]).unwrap(),
        public_key: own.public_key().clone(),
        purposes: vec![Purpose::ServerAuth],
        status: None,
    };
    let der = SigningCa::new(&root, root_key)
        .unwrap()
        .sign_leaf(&leaf)
        .unwrap();
    fs::write(cert, certificate_pem(&der)).unwrap();
    private_file(key, own.to_pem().expose_secret());
    validity.not_after
}
