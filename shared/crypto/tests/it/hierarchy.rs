//! Authorities from elsewhere, made by OpenSSL as an organisation would, checked and then used.

use certmill_crypto::ca::{Hierarchy, HierarchyError, SigningCa};
use certmill_crypto::chain::certificate_pem;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use time::Duration;

use crate::fixture::{leaf_plan, now};
use crate::openssl::OpenSsl;

const CA: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n";
const IDS: &str = "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n";

/// An organisation with a root, a policy CA below it and our sub-CA below that.
struct Enterprise(OpenSsl);

impl Enterprise {
    fn new(root: &str, policy: &str, sub: &str) -> Self {
        let enterprise = Self(OpenSsl::new());
        enterprise.make("root", None, root, "-days 3650");
        enterprise.make("policy", Some("root"), policy, "-days 3000");
        enterprise.make("sub", Some("policy"), sub, "-days 1000");
        enterprise
    }

    fn usual() -> Self {
        Self::new(CA, CA, CA)
    }

    fn make(&self, name: &str, above: Option<&str>, extensions: &str, life: &str) {
        let openssl = &self.0;
        openssl.run(&format!(
            "ecparam -name prime256v1 -genkey -noout -out {name}.key"
        ));
        openssl.write(&format!("{name}.ext"), format!("{extensions}{IDS}"));
        let subject = format!("/O=Example/CN={name}");
        openssl.run(&format!(
            "req -new -key {name}.key -subj {subject} -out {name}.csr -config /dev/null"
        ));
        let signer = match above {
            Some(above) => format!("-CA {above}.pem -CAkey {above}.key -CAcreateserial"),
            None => format!("-signkey {name}.key"),
        };
        openssl.run(&format!(
            "x509 -req -in {name}.csr {signer} {life} -extfile {name}.ext -out {name}.pem"
        ));
    }

    fn der(&self, name: &str) -> Vec<u8> {
        let text = String::from_utf8(self.0.read(&format!("{name}.pem"))).unwrap();
        Hierarchy::read_bundle(&text).unwrap().remove(0)
    }

    fn key(&self, name: &str) -> PrivateKey {
        let text = String::from_utf8(self.0.read(&format!("{name}.key"))).unwrap();
        PrivateKey::from_pem(&text).unwrap()
    }

    fn check(&self, names: &[&str]) -> Result<Hierarchy, HierarchyError> {
        let ders = names.iter().map(|name| self.der(name)).collect();
        Hierarchy::check(ders, &self.key("sub"), now())
    }

    fn code(&self, names: &[&str]) -> &'static str {
        self.check(names).unwrap_err().code()
    }
}

#[test]
fn a_sub_ca_in_any_order_signs_what_openssl_verifies_up_to_the_root() {
    let enterprise = Enterprise::usual();
    for order in [["sub", "policy", "root"], ["root", "sub", "policy"]] {
        let hierarchy = enterprise.check(&order).unwrap();
        assert_eq!(hierarchy.issuing_der(), enterprise.der("sub"));
        assert_eq!(
            hierarchy.above(),
            [enterprise.der("policy"), enterprise.der("root")]
        );
        assert!(hierarchy.signs_crls());
        assert!(hierarchy.not_after() < now() + Duration::days(1001));
        let ca = SigningCa::below(
            hierarchy.issuing_der(),
            hierarchy.above(),
            enterprise.key("sub"),
        );
        let leaf = ca
            .unwrap()
            .sign_leaf(&leaf_plan(KeyAlgorithm::EcdsaP256, &["shop.example.com"]))
            .unwrap();
        let served = [&leaf, hierarchy.issuing_der(), &hierarchy.above()[0]];
        let pem: String = served.iter().map(|der| certificate_pem(der)).collect();
        enterprise.0.write("chain.pem", pem);
        enterprise.0.run(
            "verify -x509_strict -purpose sslserver -verify_hostname shop.example.com \
             -CAfile root.pem -untrusted chain.pem chain.pem",
        );
    }
}

#[test]
fn what_is_missing_strange_or_not_above_is_refused() {
    let enterprise = Enterprise::usual();
    assert_eq!(enterprise.code(&["sub", "policy"]), "ca_root_missing");
    assert_eq!(enterprise.code(&["sub", "root"]), "ca_root_missing");
    assert_eq!(enterprise.code(&["policy", "root"]), "ca_key_mismatch");
    enterprise.make("other", None, CA, "-days 9");
    assert_eq!(
        enterprise.code(&["sub", "policy", "root", "other"]),
        "ca_stray"
    );
    let mismatch = enterprise
        .check(&["policy", "root"])
        .unwrap_err()
        .to_string();
    let hash = hex::encode(enterprise.key("sub").public_key().spki_sha256());
    assert!(
        mismatch.contains(&hash) && mismatch.contains("CN=policy"),
        "{mismatch}"
    );
    // Another root of the same name: its key did not sign.
    let before = enterprise.der("policy");
    enterprise.make("root", None, CA, "-days 3650");
    let ders = vec![enterprise.der("sub"), before, enterprise.der("root")];
    let refused = Hierarchy::check(ders, &enterprise.key("sub"), now()).unwrap_err();
    assert_eq!(refused.code(), "ca_chain_broken");
}

#[test]
fn who_may_not_sign_here_is_refused() {
    let all = ["sub", "policy", "root"];
    let none = "basicConstraints=critical,CA:FALSE\n";
    let no_sign = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,cRLSign\n";
    let len = |n: u8| CA.replace("CA:TRUE", &format!("CA:TRUE,pathlen:{n}"));
    let client = format!("{CA}extendedKeyUsage=clientAuth\n");
    let odd = format!("{CA}1.2.3.4.5=critical,ASN1:NULL\n");
    for (root, policy, sub, code) in [
        (CA, CA, none, "ca_not_a_ca"),
        (CA, no_sign, CA, "ca_not_a_ca"),
        (CA, len(0).as_str(), CA, "ca_path_length"),
        (len(1).as_str(), CA, CA, "ca_path_length"),
        (CA, CA, client.as_str(), "ca_purpose"),
        (CA, CA, odd.as_str(), "ca_critical_extension"),
    ] {
        assert_eq!(Enterprise::new(root, policy, sub).code(&all), code, "{sub}");
    }
    let fits = Enterprise::new(&len(2), &len(1), &len(0));
    fits.check(&all).unwrap();
}

#[test]
fn dates_of_every_certificate_count() {
    let enterprise = Enterprise::usual();
    let ders = || {
        ["sub", "policy", "root"]
            .map(|name| enterprise.der(name))
            .to_vec()
    };
    let at = |days| Hierarchy::check(ders(), &enterprise.key("sub"), now() + Duration::days(days));
    assert_eq!(at(1100).unwrap_err().code(), "ca_expired");
    assert_eq!(at(-1).unwrap_err().code(), "ca_not_yet_valid");
    let short = Enterprise::usual();
    short.make("policy", Some("root"), CA, "-days 30");
    short.make("sub", Some("policy"), CA, "-days 1000");
    let hierarchy = short.check(&["sub", "policy", "root"]).unwrap();
    assert!(hierarchy.not_after() < now() + Duration::days(31));
    let ca =
        SigningCa::below(hierarchy.issuing_der(), hierarchy.above(), short.key("sub")).unwrap();
    let plan = leaf_plan(KeyAlgorithm::EcdsaP256, &["a.example.com"]);
    assert_eq!(ca.sign_leaf(&plan).unwrap_err().code(), "outlives_issuer");
}

#[test]
fn name_constraints_above_count_before_signing() {
    let policy = format!(
        "{CA}nameConstraints=critical,permitted;DNS:example.com,excluded;DNS:secret.example.com\n"
    );
    let enterprise = Enterprise::new(CA, &policy, CA);
    let hierarchy = enterprise.check(&["sub", "policy", "root"]).unwrap();
    let ca = SigningCa::below(
        hierarchy.issuing_der(),
        hierarchy.above(),
        enterprise.key("sub"),
    )
    .unwrap();
    assert!(ca.is_constrained());
    let sign = |name: &str| ca.sign_leaf(&leaf_plan(KeyAlgorithm::EcdsaP256, &[name]));
    let leaf = sign("a.example.com").unwrap();
    for name in ["a.example.org", "x.secret.example.com"] {
        assert_eq!(sign(name).unwrap_err().code(), "name_constraint", "{name}");
    }
    let served = [&leaf, hierarchy.issuing_der(), &hierarchy.above()[0]];
    let pem: String = served.iter().map(|der| certificate_pem(der)).collect();
    enterprise.0.write("chain.pem", pem);
    enterprise.0.run(
        "verify -x509_strict -purpose sslserver -CAfile root.pem -untrusted chain.pem chain.pem",
    );
}

#[test]
fn files_of_the_wrong_kind_are_told_apart() {
    let enterprise = Enterprise::usual();
    let read = |name: &str| String::from_utf8(enterprise.0.read(name)).unwrap();
    let code = |text: &str| Hierarchy::read_bundle(text).unwrap_err().code();
    assert_eq!(code(""), "ca_no_pem");
    assert_eq!(code(&read("sub.key")), "ca_key_in_chain");
    assert_eq!(
        code(&format!("{}{}", read("sub.pem"), read("sub.key"))),
        "ca_key_in_chain"
    );
    assert_eq!(code(&read("sub.csr")), "ca_other_block");
    assert_eq!(
        code(&read("sub.pem").replace("-----END", "-----E")),
        "ca_broken_pem"
    );
    enterprise
        .0
        .run("pkcs8 -topk8 -in sub.key -passout pass:x -out sealed.key");
    enterprise
        .0
        .run("ec -in sub.key -aes128 -passout pass:x -out old.key");
    for sealed in ["sealed.key", "old.key"] {
        let refused = PrivateKey::from_pem(&read(sealed)).err().unwrap();
        assert_eq!(refused.code(), "encrypted_key", "{sealed}");
    }
    let garbage = vec![b"garbage".to_vec()];
    let refused = Hierarchy::check(garbage, &enterprise.key("sub"), now()).unwrap_err();
    assert_eq!(refused.code(), "ca_malformed");
}

#[test]
fn a_short_rsa_key_above_is_refused() {
    let enterprise = Enterprise::usual();
    let openssl = &enterprise.0;
    openssl.run("genrsa -out root.key 1024");
    openssl.run("req -new -x509 -key root.key -subj /O=Example/CN=root -days 99 -out root.pem -config /dev/null -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign -addext subjectKeyIdentifier=hash");
    openssl.run("x509 -req -in policy.csr -CA root.pem -CAkey root.key -CAcreateserial -days 90 -extfile policy.ext -out policy.pem");
    openssl.run("x509 -req -in sub.csr -CA policy.pem -CAkey policy.key -CAcreateserial -days 80 -extfile sub.ext -out sub.pem");
    let refused = enterprise.check(&["sub", "policy", "root"]).unwrap_err();
    assert!(
        ["ca_weak_key", "ca_chain_broken"].contains(&refused.code()),
        "{refused}"
    );
}
