//! Certificates of many shapes as others judge them: OpenSSL's strict verification, and pkilint's
//! validators of RFC 5280 for each of them.
//!
//! Invariant: the shapes follow from a number, so that a finding names one that can be made again.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use certmill_crypto::ca::{
    CaIdentity, CaPlan, CrlPlan, LeafPlan, Purpose, ResponderPlan, RevokedSerial, SigningCa,
    StatusUrls, create_root,
};
use certmill_crypto::chain::certificate_pem;
use certmill_crypto::keys::{PrivateKey, PublicKey};
use certmill_crypto::random;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::revocation::RevocationReason;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use time::{Duration, OffsetDateTime};

use crate::lint::{openssl, pkilint};

/// Steps through all shapes before one comes again: coprime to how many there are.
const STRIDE: usize = 1_009;

fn names(shape: usize) -> Names {
    let label = "a-label-of-sixty-three-octets-as-long-as-the-dns-allows-for-one";
    let long = format!("{label}.example.com");
    let many: Vec<String> = (0..100).map(|n| format!("n{n}.example.com")).collect();
    let texts: Vec<&str> = match shape {
        0 => vec!["shop.example.com"],
        1 => vec!["*.example.com", "example.com"],
        2 => vec!["192.0.2.7"],
        3 => vec!["2001:db8::7", "v6.example.com"],
        4 => vec!["xn--bcher-kva.example.com"],
        5 => vec![&long],
        6 => many.iter().map(String::as_str).collect(),
        _ => vec![
            "a.example.com",
            "192.0.2.7",
            "2001:db8::7",
            "*.b.example.com",
        ],
    };
    Names::parse(&texts).unwrap()
}

fn serial() -> Serial {
    Serial::from_random(random::bytes().unwrap())
}

/// OpenSSL judges dates by the machine's clock.
#[allow(clippy::disallowed_methods, reason = "OpenSSL does so as well")]
fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc().replace_nanosecond(0).unwrap()
}

fn lasting(life: Duration) -> Validity {
    let now = now();
    Validity::plan(now, life, now + Duration::days(9_999))
}

/// A root and an issuing CA with keys of one kind, the keys of all leaves, and their folder.
struct Maker {
    folder: PathBuf,
    signing: SigningCa,
    identity: CaIdentity,
    leaf_keys: Vec<PublicKey>,
}

impl Maker {
    fn new(folder: &Path, algorithm: KeyAlgorithm, leaf_keys: &[PublicKey]) -> Self {
        let folder = folder.join(algorithm.as_str());
        fs::create_dir_all(folder.join("leaves")).unwrap();
        let plan = |name: &str, days, path_len| CaPlan {
            common_name: name.into(),
            organization: Some("Example".into()),
            serial: serial(),
            validity: lasting(Duration::days(days)),
            path_len,
        };
        let root_key = PrivateKey::generate(algorithm).unwrap();
        let root = create_root(&plan("Example Root", 3_650, 1), &root_key).unwrap();
        let root_ca = SigningCa::new(&root, root_key).unwrap();
        let key = PrivateKey::generate(algorithm).unwrap();
        let sub_plan = plan("Example Issuing", 1_825, 0);
        let sub = root_ca.sign_ca(&sub_plan, key.public_key()).unwrap();
        fs::write(folder.join("root.pem"), certificate_pem(&root)).unwrap();
        fs::write(folder.join("sub.pem"), certificate_pem(&sub)).unwrap();
        Self {
            signing: SigningCa::below(&sub, &[root], key).unwrap(),
            identity: CaIdentity::of(&sub).unwrap(),
            leaf_keys: leaf_keys.to_vec(),
            folder,
        }
    }

    /// Makes the leaf of that number.
    fn leaf(&self, number: usize) {
        let mut rest = number * STRIDE;
        let mut next = |count: usize| {
            let shape = rest % count;
            rest /= count;
            shape
        };
        let names = names(next(8));
        let public_key = self.leaf_keys[next(self.leaf_keys.len())].clone();
        let life = [
            Duration::minutes(10),
            Duration::hours(1),
            Duration::days(90),
            Duration::days(398),
        ][next(4)];
        let purposes = match next(2) {
            0 => vec![Purpose::ServerAuth],
            _ => vec![Purpose::ServerAuth, Purpose::ClientAuth],
        };
        let urls = StatusUrls::below("http://pki.example.com", &self.identity);
        let status = [None, Some(urls)][next(2)].clone();
        let plan = LeafPlan {
            serial: serial(),
            validity: lasting(life),
            names,
            public_key,
            purposes,
            status,
        };
        self.keep(
            &format!("leaf-{number:04}"),
            &self.signing.sign_leaf(&plan).unwrap(),
        );
    }

    fn keep(&self, name: &str, der: &[u8]) {
        let path = self.folder.join("leaves").join(format!("{name}.pem"));
        fs::write(path, certificate_pem(der)).unwrap();
    }

    fn responder(&self) {
        let plan = ResponderPlan {
            common_name: "Example OCSP responder".into(),
            serial: serial(),
            validity: lasting(Duration::days(7)),
            public_key: self.leaf_keys[0].clone(),
        };
        self.keep("responder", &self.signing.sign_responder(&plan).unwrap());
    }

    /// A list with each reason once.
    fn list(&self) {
        let revoked = RevocationReason::ALL.map(|reason| RevokedSerial {
            serial: serial(),
            revoked_at: now(),
            reason,
        });
        let plan = CrlPlan {
            number: 7,
            this_update: now(),
            next_update: now() + Duration::hours(72),
            revoked: revoked.to_vec(),
        };
        let path = self.folder.join("list.crl");
        fs::write(&path, self.signing.sign_crl(&plan).unwrap()).unwrap();
        pkilint("lint_crl", &["-t", "CRL", "-p", "PKIX"], &path);
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (list, sub) = (text(path), text(self.folder.join("sub.pem")));
        let said = openssl(&[
            "crl", "-in", &list, "-inform", "DER", "-CAfile", &sub, "-noout",
        ]);
        assert!(said.contains("verify OK"), "{said}");
    }

    /// OpenSSL verifies all leaves and the issuing CA; answers how many.
    fn verify(&self) -> usize {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        let (root, sub) = (
            text(self.folder.join("root.pem")),
            text(self.folder.join("sub.pem")),
        );
        let mut args = vec![
            "verify",
            "-x509_strict",
            "-CAfile",
            &root,
            "-untrusted",
            &sub,
            &sub,
        ];
        let leaves: Vec<String> = fs::read_dir(self.folder.join("leaves"))
            .unwrap()
            .map(|entry| text(entry.unwrap().path()))
            .collect();
        args.extend(leaves.iter().map(String::as_str));
        let said = openssl(&args);
        let good = said.lines().filter(|line| line.ends_with(": OK")).count();
        assert_eq!(good, leaves.len() + 1, "{said}");
        good
    }
}

/// Findings of the severity ERROR and above, for each certificate of the folder; how many it read.
fn lint(folder: &Path) -> Option<usize> {
    let python = certmill_testkit::tool("python")?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/lint_folder.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{words}");
    let read = said.trim().strip_prefix("read ");
    let read = read.unwrap_or_else(|| panic!("{}: {said}", folder.display()));
    Some(read.parse().unwrap())
}

/// 20 certificates, or 1,000 with `CERTMILL_TEST_FULL=1`.
#[allow(
    clippy::disallowed_methods,
    reason = "tests have no settings to read this from"
)]
fn how_many() -> usize {
    match std::env::var("CERTMILL_TEST_FULL") {
        Ok(full) if full == "1" => 1_000,
        _ => 20,
    }
}

#[test]
fn pkilint_finds_no_error_and_openssl_is_strict() {
    let folder = tempfile::tempdir().unwrap();
    let leaf_keys: Vec<PublicKey> = KeyAlgorithm::ALL
        .into_iter()
        .map(|kind| PrivateKey::generate(kind).unwrap().public_key().clone())
        .collect();
    let makers: Vec<Maker> = [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::EcdsaP384,
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::Ed25519,
    ]
    .into_iter()
    .map(|kind| Maker::new(folder.path(), kind, &leaf_keys))
    .collect();
    let many = how_many();
    for number in 0..many {
        // Not in step with the shapes of names.
        makers[(number + number / 8) % makers.len()].leaf(number);
    }
    let (mut verified, mut linted) = (0, 0);
    for maker in &makers {
        maker.responder();
        maker.list();
        verified += maker.verify();
        // The linter reads the authorities as well.
        for name in ["root.pem", "sub.pem"] {
            let place = maker.folder.join("leaves").join(format!("ca-{name}"));
            fs::copy(maker.folder.join(name), place).unwrap();
        }
        if let Some(read) = lint(&maker.folder.join("leaves")) {
            linted += read;
        }
    }
    assert_eq!(verified, many + 2 * makers.len());
    let left_out = linted == 0;
    assert!(left_out || linted == many + 3 * makers.len(), "{linted}");
}
