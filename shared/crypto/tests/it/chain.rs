//! Chains in every wrong form, and issued chains that are not what was ordered.

use certmill_crypto::chain::{Chain, Expected, certificate_pem, verify_issued};
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use time::Duration;

use crate::fixture::{authority, leaf_plan, now, serial, validity};
use crate::openssl::OpenSsl;

fn code(ders: &[&[u8]]) -> &'static str {
    Chain::from_ders(ders.iter().map(|der| der.to_vec()).collect())
        .unwrap_err()
        .code()
}

#[test]
fn order_is_found_and_strangers_are_refused() {
    let ours = authority(KeyAlgorithm::EcdsaP256);
    let other = authority(KeyAlgorithm::EcdsaP384);
    let sign = |name| {
        ours.signing
            .sign_leaf(&leaf_plan(KeyAlgorithm::EcdsaP256, &[name]))
            .unwrap()
    };
    let (leaf, second) = (sign("a.example.com"), sign("b.example.com"));
    let shuffled = [&ours.root_der, &leaf, &ours.issuing_der].map(|der| certificate_pem(der));
    let chain = Chain::parse_pem(&shuffled.concat()).unwrap();
    assert_eq!(
        chain.ders(),
        [
            leaf.clone(),
            ours.issuing_der.clone(),
            ours.root_der.clone()
        ]
    );
    assert_eq!(Chain::parse_pem(&chain.to_pem()).unwrap(), chain);

    assert_eq!(
        code(&[&leaf, &ours.issuing_der, &other.root_der]),
        "chain_broken"
    );
    assert_eq!(code(&[&leaf, &ours.root_der]), "chain_with_stray");
    assert_eq!(code(&[&leaf, &other.issuing_der]), "chain_broken");
    assert_eq!(
        code(&[&leaf, &ours.issuing_der, &ours.issuing_der]),
        "chain_with_stray"
    );
    assert_eq!(
        code(&[&leaf, &second, &ours.issuing_der]),
        "chain_with_several_leaves"
    );
    assert_eq!(
        code(&[&ours.issuing_der, &ours.root_der]),
        "chain_without_leaf"
    );
    assert_eq!(code(&[]), "chain_without_leaf");
    assert_eq!(code(&[b"garbage"]), "malformed_chain");
    assert_eq!(code(&[leaf.as_slice(); 11]), "chain_too_long");
    let mut forged = leaf.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert_eq!(code(&[&forged, &ours.issuing_der]), "chain_broken");
    for text in [
        "",
        "-----BEGIN CERTIFICATE-----\n",
        "-----BEGIN X-----\n-----END X-----\n",
    ] {
        assert_eq!(
            Chain::parse_pem(text).unwrap_err().code(),
            "malformed_chain"
        );
    }
}

#[test]
fn an_issued_chain_must_be_what_was_ordered() {
    let authority = authority(KeyAlgorithm::EcdsaP256);
    let plan = leaf_plan(KeyAlgorithm::EcdsaP256, &["a.example.com", "b.example.com"]);
    let leaf = authority.signing.sign_leaf(&plan).unwrap();
    let chain = Chain::from_ders(vec![leaf.clone(), authority.issuing_der.clone()]).unwrap();
    let good = Expected {
        spki_der: plan.public_key.spki_der(),
        names: &plan.names,
        planned: Some((&plan.serial, &plan.validity)),
        now: now(),
    };
    let code = |expected: Expected<'_>| verify_issued(&chain, &expected).unwrap_err().code();
    verify_issued(&chain, &good).unwrap();
    verify_issued(
        &chain,
        &Expected {
            planned: None,
            ..good
        },
    )
    .unwrap();
    let fewer = Names::parse(["a.example.com"]).unwrap();
    let more = Names::parse(["a.example.com", "b.example.com", "c.example.com"]).unwrap();
    assert_eq!(
        code(Expected {
            names: &fewer,
            ..good
        }),
        "issued_wrong_names"
    );
    assert_eq!(
        code(Expected {
            names: &more,
            ..good
        }),
        "issued_wrong_names"
    );
    assert_eq!(
        code(Expected {
            spki_der: b"other",
            ..good
        }),
        "issued_wrong_key"
    );
    let (other_serial, other_dates) = (serial(), validity(89));
    let planned = Some((&other_serial, &plan.validity));
    assert_eq!(code(Expected { planned, ..good }), "issued_wrong_serial");
    let planned = Some((&plan.serial, &other_dates));
    assert_eq!(code(Expected { planned, ..good }), "issued_wrong_dates");
    for days in [-1, 90, 91] {
        assert_eq!(
            code(Expected {
                now: now() + Duration::days(days),
                ..good
            }),
            "issued_wrong_dates"
        );
    }
    let alone = Chain::from_ders(vec![leaf]).unwrap();
    assert_eq!(
        verify_issued(&alone, &good).unwrap_err().code(),
        "chain_incomplete"
    );
}

#[test]
fn chains_of_openssl_are_read_and_sha1_is_refused() {
    let openssl = OpenSsl::new();
    openssl.write("ca.cnf", "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n");
    openssl.write("leaf.ext", "subjectAltName=DNS:a.example.com\n");
    openssl.run("genrsa -out ca.key 2048");
    openssl.run("req -new -x509 -config ca.cnf -extensions ca -key ca.key -subj /CN=CA -days 30 -out ca.pem");
    openssl.run("genrsa -out k.pem 2048");
    openssl.run("req -new -config ca.cnf -key k.pem -subj /CN=a.example.com -out k.csr");
    let issue = |digest: &str, ext: &str| {
        openssl.run(&format!(
            "x509 -req -in k.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 9 {digest} {ext} -out c.pem"
        ));
        let bundle = [openssl.read("c.pem"), openssl.read("ca.pem")].concat();
        Chain::parse_pem(&String::from_utf8(bundle).unwrap()).map_err(|error| error.code())
    };
    assert_eq!(
        issue("-sha256", "-extfile leaf.ext")
            .unwrap()
            .leaf()
            .names
            .to_texts(),
        ["a.example.com"]
    );
    assert_eq!(
        issue("-sha1", "-extfile leaf.ext").unwrap_err(),
        "weak_signature"
    );
    assert_eq!(issue("-sha256", "").unwrap_err(), "issued_unreadable_names");
    openssl.write("leaf.ext", "subjectAltName=DNS:b.example.com\n");
    assert_eq!(
        issue("-sha256", "-extfile leaf.ext").unwrap_err(),
        "issued_unreadable_names"
    );
}

#[test]
fn no_changed_bit_of_a_leaf_passes_and_none_panics() {
    let authority = authority(KeyAlgorithm::EcdsaP256);
    let plan = leaf_plan(KeyAlgorithm::EcdsaP256, &["a.example.com"]);
    let leaf = authority.signing.sign_leaf(&plan).unwrap();
    let good = Chain::from_ders(vec![leaf.clone(), authority.issuing_der.clone()]).unwrap();
    for index in 0..leaf.len() {
        let mut changed = leaf.clone();
        changed[index] ^= 1 << (index % 8);
        let chain = Chain::from_ders(vec![changed, authority.issuing_der.clone()]);
        // The few bits that no signature covers change nothing that is used.
        if let Ok(chain) = chain {
            let (leaf, good) = (chain.leaf(), good.leaf());
            assert_eq!(
                (&leaf.names, &leaf.public_key),
                (&good.names, &good.public_key)
            );
            assert_eq!(
                (leaf.not_before, leaf.not_after),
                (good.not_before, good.not_after)
            );
        }
        let _ = Chain::from_ders(vec![leaf[..index].to_vec(), authority.issuing_der.clone()]);
    }
}
