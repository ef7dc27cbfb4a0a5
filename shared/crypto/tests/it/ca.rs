//! The local CA, judged by OpenSSL.

use certmill_crypto::ca::{CaError, LeafPlan, Purpose, SigningCa, create_root};
use certmill_crypto::chain::{Chain, Expected, Leaf, certificate_pem, verify_issued};
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use certmill_domain::serial::Serial;
use certmill_domain::validity::Validity;
use proptest::prelude::*;
use rcgen::{CertificateParams, GeneralSubtree, IsCa, KeyUsagePurpose, NameConstraints};
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::fixture::{authority, ca_plan, leaf_plan, now, validity};
use crate::openssl::OpenSsl;

fn tbs(der: &[u8]) -> Vec<u8> {
    X509Certificate::from_der(der)
        .unwrap()
        .1
        .tbs_certificate
        .as_ref()
        .to_vec()
}

#[test]
fn openssl_accepts_every_pair_of_ca_and_leaf_key_strictly() {
    let openssl = OpenSsl::new();
    for ca_key in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384] {
        let authority = authority(ca_key);
        openssl.write("root.pem", certificate_pem(&authority.root_der));
        openssl.run("verify -x509_strict -check_ss_sig -CAfile root.pem root.pem");
        for leaf_key in KeyAlgorithm::ALL {
            let plan = leaf_plan(
                leaf_key,
                &["shop.example.com", "*.example.com", "192.0.2.7"],
            );
            let leaf = authority.signing.sign_leaf(&plan).unwrap();
            let chain = Chain::from_ders(vec![authority.issuing_der.clone(), leaf]).unwrap();
            openssl.write("chain.pem", chain.to_pem());
            openssl.run(
                "verify -x509_strict -policy_check -purpose sslserver -verify_hostname \
                 a.example.com -CAfile root.pem -untrusted chain.pem chain.pem",
            );
            verify_issued(
                &chain,
                &Expected {
                    spki_der: plan.public_key.spki_der(),
                    names: &plan.names,
                    planned: Some((&plan.serial, &plan.validity)),
                    now: now(),
                },
            )
            .unwrap();
        }
    }
}

#[test]
fn extensions_say_what_the_plan_says() {
    let openssl = OpenSsl::new();
    let authority = authority(KeyAlgorithm::EcdsaP256);
    let show = |der: &[u8]| {
        openssl.write("c.pem", certificate_pem(der));
        openssl.run("x509 -in c.pem -noout -text")
    };
    let root = show(&authority.root_der);
    assert!(root.contains("CA:TRUE, pathlen:1") && root.contains("Certificate Sign, CRL Sign"));
    assert!(show(&authority.issuing_der).contains("CA:TRUE, pathlen:0"));

    let mut plan = leaf_plan(KeyAlgorithm::Rsa2048, &["a.example.com", "2001:db8::1"]);
    let leaf = show(&authority.signing.sign_leaf(&plan).unwrap());
    for part in [
        "Subject: CN = a.example.com",
        "Key Usage: critical\n                Digital Signature, Key Encipherment",
        "TLS Web Server Authentication\n",
        "DNS:a.example.com, IP Address:2001:DB8:0:0:0:0:0:1",
        "Basic Constraints: critical\n                CA:FALSE",
        "Subject Key Identifier",
        "Authority Key Identifier",
    ] {
        assert!(leaf.contains(part), "{part:?} is missing in {leaf}");
    }
    assert!(!leaf.contains("Client Authentication"));
    plan.purposes = vec![
        Purpose::ClientAuth,
        Purpose::ServerAuth,
        Purpose::ClientAuth,
    ];
    let both = show(&authority.signing.sign_leaf(&plan).unwrap());
    assert!(both.contains("TLS Web Server Authentication, TLS Web Client Authentication\n"));
    plan.purposes.clear();
    assert_eq!(authority.signing.sign_leaf(&plan), Err(CaError::NoPurpose));
}

#[test]
fn a_long_name_empties_the_subject_and_makes_the_names_critical() {
    let openssl = OpenSsl::new();
    let authority = authority(KeyAlgorithm::EcdsaP256);
    let long = format!("{}.{}.example.com", "a".repeat(40), "b".repeat(40));
    let plan = leaf_plan(KeyAlgorithm::EcdsaP256, &[&long]);
    let leaf = authority.signing.sign_leaf(&plan).unwrap();
    openssl.write("c.pem", certificate_pem(&leaf));
    openssl.write("root.pem", certificate_pem(&authority.root_der));
    openssl.write("issuing.pem", certificate_pem(&authority.issuing_der));
    let text = openssl.run("x509 -in c.pem -noout -text");
    assert!(
        text.contains("Subject: \n") && text.contains("Alternative Name: critical"),
        "{text}"
    );
    openssl.run("verify -x509_strict -CAfile root.pem -untrusted issuing.pem c.pem");
}

#[test]
fn the_same_plan_gives_the_same_bytes_to_sign() {
    for ca_key in [
        KeyAlgorithm::EcdsaP256,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
    ] {
        let authority = authority(ca_key);
        let plan = leaf_plan(KeyAlgorithm::EcdsaP256, &["a.example.com", "b.example.com"]);
        let one = authority.signing.sign_leaf(&plan).unwrap();
        let two = authority.signing.sign_leaf(&plan).unwrap();
        assert_eq!(tbs(&one), tbs(&two));
        assert_eq!(one == two, ca_key != KeyAlgorithm::EcdsaP256);
    }
}

#[test]
fn nothing_outlives_its_issuer_or_has_no_life() {
    let authority = authority(KeyAlgorithm::EcdsaP256);
    let mut plan = leaf_plan(KeyAlgorithm::EcdsaP256, &["a.example.com"]);
    plan.validity.not_after = authority.signing.not_after();
    assert!(authority.signing.sign_leaf(&plan).is_ok());
    plan.validity.not_after += Duration::seconds(1);
    let error = authority.signing.sign_leaf(&plan).unwrap_err();
    assert_eq!(error.code(), "outlives_issuer");
    plan.validity = Validity {
        not_before: now(),
        not_after: now(),
    };
    assert_eq!(
        authority.signing.sign_leaf(&plan).unwrap_err().code(),
        "validity_empty"
    );
}

#[test]
fn an_issuing_ca_signs_no_further_ca() {
    let authority = authority(KeyAlgorithm::EcdsaP256);
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let plan = ca_plan("Below", 30, 0);
    assert_eq!(
        authority.signing.sign_ca(&plan, key.public_key()),
        Err(CaError::PathLength)
    );
}

#[test]
fn a_foreign_key_a_leaf_and_garbage_make_no_ca() {
    let authority = authority(KeyAlgorithm::EcdsaP256);
    let key = || PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let leaf_key = key();
    let mut plan = leaf_plan(KeyAlgorithm::EcdsaP256, &["a.example.com"]);
    plan.public_key = leaf_key.public_key().clone();
    let leaf = authority.signing.sign_leaf(&plan).unwrap();
    let code = |der: &[u8], key| SigningCa::new(der, key).err().unwrap().code();
    assert_eq!(code(&authority.issuing_der, key()), "ca_key_mismatch");
    assert_eq!(code(&leaf, leaf_key), "ca_not_a_ca");
    assert_eq!(code(b"garbage", key()), "ca_malformed");
    let longer = [authority.issuing_der.as_slice(), b"x"].concat();
    assert_eq!(code(&longer, key()), "ca_malformed");
}

#[test]
fn name_constraints_of_a_foreign_ca_are_kept() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![GeneralSubtree::DnsName("example.com".into())],
        excluded_subtrees: vec![GeneralSubtree::DnsName("secret.example.com".into())],
    });
    let der = params.self_signed(&key).unwrap().der().to_vec();
    let ca = SigningCa::new(&der, key).unwrap();
    let sign = |name| ca.sign_leaf(&leaf_plan(KeyAlgorithm::EcdsaP256, &[name]));
    assert!(sign("a.example.com").is_ok());
    for name in ["example.org", "secret.example.com", "*.example.com"] {
        assert_eq!(sign(name).unwrap_err().code(), "name_constraint", "{name}");
    }
}

#[test]
fn dates_cross_2050_in_both_encodings() {
    let openssl = OpenSsl::new();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let mut plan = ca_plan("Long Root", 1, 0);
    plan.validity.not_after = now() + Duration::days(365 * 30);
    openssl.write(
        "root.pem",
        certificate_pem(&create_root(&plan, &key).unwrap()),
    );
    openssl.run("verify -x509_strict -CAfile root.pem root.pem");
    let text = openssl.run("asn1parse -in root.pem");
    assert!(
        text.contains("UTCTIME") && text.contains("GENERALIZEDTIME"),
        "{text}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn serials_and_dates_come_back_as_planned(bits: [u8; 16], zeros in 0_usize..9,
                                              start in 0_i64..4_000_000_000, life in 1_i64..100_000) {
        use std::sync::OnceLock;
        static CA: OnceLock<(SigningCa, LeafPlan)> = OnceLock::new();
        let (ca, plan) = CA.get_or_init(|| {
            let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
            let mut plan = ca_plan("Property Root", 1, 0);
            plan.validity = validity(365 * 200);
            let der = create_root(&plan, &key).unwrap();
            let leaf = leaf_plan(KeyAlgorithm::EcdsaP256, &["a.example.com"]);
            (SigningCa::new(&der, key).unwrap(), leaf)
        });
        let mut bits = bits;
        bits[..zeros].fill(0);
        let mut plan = plan.clone();
        plan.serial = Serial::from_random(bits);
        let not_before = OffsetDateTime::from_unix_timestamp(start).unwrap();
        plan.validity = Validity { not_before, not_after: not_before + Duration::seconds(life) };
        let der = ca.sign_leaf(&plan).unwrap();
        let parsed = X509Certificate::from_der(&der).unwrap().1;
        let raw = parsed.raw_serial();
        prop_assert!(raw.len() <= 17 && raw[0] & 0x80 == 0, "positive, at most 20 octets");
        prop_assert_eq!(parsed.serial.clone(), x509_parser::num_bigint::BigUint::from_bytes_be(plan.serial.as_bytes()));
        let leaf = Leaf::from_der(&der).unwrap();
        prop_assert_eq!(format!("{:0>32}", leaf.serial_hex), plan.serial.to_string());
        prop_assert_eq!((leaf.not_before, leaf.not_after), (plan.validity.not_before, plan.validity.not_after));
        prop_assert_eq!(leaf.names, Names::parse(["a.example.com"]).unwrap());
    }
}
