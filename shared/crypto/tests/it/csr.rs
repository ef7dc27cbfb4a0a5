//! Requests by OpenSSL, good and bad, and ours as OpenSSL sees them.

use certmill_crypto::csr::{self, Csr};
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use certmill_domain::names::Names;
use secrecy::ExposeSecret;

use crate::openssl::OpenSsl;

const P256: &str = "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.pem";

const COMPRESSED: &str = "ecparam -name prime256v1 -genkey -noout -out u.pem && \
                          ec -in u.pem -conv_form compressed -out k.pem";

/// Makes a key with `key`, a request with the extension lines `ext`, and parses it.
fn request(openssl: &OpenSsl, key: &str, subject: &str, ext: &str, flags: &str) -> Vec<u8> {
    key.split(" && ").for_each(|line| drop(openssl.run(line)));
    let section = if ext.is_empty() {
        ""
    } else {
        "req_extensions=ext\n"
    };
    openssl.write(
        "c.cnf",
        format!("[req]\ndistinguished_name=dn\n{section}[dn]\n[ext]\n{ext}\n"),
    );
    openssl.run(&format!(
        "req -new -config c.cnf -key k.pem -subj {subject} {flags} -out r.pem"
    ));
    openssl.read("r.pem")
}

fn code(input: &[u8]) -> &'static str {
    Csr::parse(input).map_or_else(|error| error.code(), |_| "accepted")
}

#[test]
fn our_requests_verify_in_openssl_and_read_back() {
    let openssl = OpenSsl::new();
    let names = Names::parse([
        "shop.example.com",
        "*.example.com",
        "192.0.2.1",
        "2001:db8::1",
    ])
    .unwrap();
    for algorithm in KeyAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        let der = csr::create(&key, &names).unwrap();
        openssl.write("r.pem", csr::to_pem(&der));
        assert!(openssl.run("req -in r.pem -verify -noout").contains("OK"));
        let from_der = Csr::parse(&der).unwrap();
        assert_eq!(Csr::parse(&openssl.read("r.pem")).unwrap(), from_der);
        assert_eq!(from_der.to_pem().as_bytes(), openssl.read("r.pem"));
        assert_eq!(
            (&from_der.public_key, &from_der.der),
            (key.public_key(), &der)
        );
        assert_eq!(from_der.names.as_ref(), Some(&names));
        assert_eq!(Csr::admitted(&der).unwrap(), from_der);
    }
}

#[test]
fn good_requests_of_openssl_are_taken() {
    let openssl = OpenSsl::new();
    let ext = "subjectAltName=DNS:A.example.com,IP:192.0.2.1\nkeyUsage=critical,digitalSignature\n\
               extendedKeyUsage=serverAuth\nbasicConstraints=critical,CA:FALSE";
    for (key, algorithm) in [
        (P256, KeyAlgorithm::EcdsaP256),
        (
            "genpkey -algorithm ED25519 -out k.pem",
            KeyAlgorithm::Ed25519,
        ),
        ("genrsa -out k.pem 2048", KeyAlgorithm::Rsa2048),
        ("genrsa -out k.pem 2560", KeyAlgorithm::Rsa2048),
    ] {
        let parsed = Csr::parse(&request(&openssl, key, "/O=X/CN=a.example.com", ext, "")).unwrap();
        assert_eq!(parsed.public_key.algorithm(), algorithm);
        assert_eq!(
            parsed.names.unwrap().to_texts(),
            ["a.example.com", "192.0.2.1"]
        );
    }
    let pss = "-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1 -sha256";
    assert_eq!(
        code(&request(
            &openssl,
            "genrsa -out k.pem 2048",
            "/CN=a",
            "",
            pss
        )),
        "accepted"
    );
    let bare = Csr::parse(&request(&openssl, P256, "/CN=My_Server", "", "")).unwrap();
    assert_eq!(bare.names, None, "a common name alone is no list of names");
}

#[test]
fn weak_keys_and_signatures_have_their_codes() {
    let openssl = OpenSsl::new();
    let rsa = "genrsa -out k.pem 2048";
    for (key, flags, expected) in [
        ("genrsa -out k.pem 1024", "", "weak_key"),
        ("genrsa -out k.pem 2047", "", "weak_key"),
        ("genrsa -3 -out k.pem 2048", "", "weak_key_exponent"),
        (
            "ecparam -name prime192v1 -genkey -out k.pem",
            "",
            "unsupported_curve",
        ),
        (
            "ecparam -name secp521r1 -genkey -out k.pem",
            "",
            "unsupported_curve",
        ),
        (
            "ecparam -name prime256v1 -param_enc explicit -genkey -out k.pem",
            "",
            "unsupported_curve",
        ),
        (COMPRESSED, "", "unsupported_curve"),
        ("genpkey -algorithm ED448 -out k.pem", "", "unsupported_key"),
        (
            "genpkey -algorithm RSA-PSS -out k.pem",
            "",
            "unsupported_key",
        ),
        (rsa, "-sha1", "weak_signature"),
        (rsa, "-md5", "weak_signature"),
        (rsa, "-sigopt rsa_padding_mode:pss -sha1", "weak_signature"),
        (P256, "-sha1", "weak_signature"),
        (P256, "-sha512", "unsupported_signature"),
    ] {
        let input = request(&openssl, key, "/CN=a", "", flags);
        assert_eq!(code(&input), expected, "{key} {flags}");
    }
}

#[test]
fn names_and_extensions_have_their_codes() {
    let openssl = OpenSsl::new();
    for (ext, expected) in [
        ("subjectAltName=email:a@example.com", "unsupported_san"),
        ("subjectAltName=URI:https://example.com/", "unsupported_san"),
        ("subjectAltName=RID:1.2.3.4", "unsupported_san"),
        (
            "subjectAltName=DNS:a.example.com,DNS:192.0.2.1",
            "misplaced_name",
        ),
        ("subjectAltName=DNS:a.example.com.", "misplaced_name"),
        (
            "subjectAltName=DNS:a.example.com,DNS:*",
            "wildcard_misplaced",
        ),
        (
            "subjectAltName=DNS:a.example.com,DNS:*.*.example.com",
            "wildcard_misplaced",
        ),
        ("subjectAltName=DNS:a..example.com", "label_length"),
        ("subjectAltName=DNS:b.example.com", "cn_not_in_san"),
        (
            "subjectAltName=DNS:a.example.com\nbasicConstraints=CA:TRUE",
            "ca_requested",
        ),
        ("1.2.3.4=critical,DER:0500", "unknown_critical_extension"),
        ("1.2.3.4=DER:0500", "accepted"),
        ("subjectAltName=DER:0500", "malformed_csr"),
        ("subjectAltName=DER:3000", "names_count"),
    ] {
        let input = request(&openssl, P256, "/CN=a.example.com", ext, "");
        assert_eq!(code(&input), expected, "{ext}");
    }
    let many = (0..101)
        .map(|n| format!("DNS:h{n}.example.com"))
        .collect::<Vec<_>>()
        .join(",");
    let input = request(
        &openssl,
        P256,
        "/O=X",
        &format!("subjectAltName={many}"),
        "",
    );
    assert_eq!(code(&input), "names_count");
    let nul = "subjectAltName=DER:3008820661002e636f6d";
    assert_eq!(
        code(&request(&openssl, P256, "/O=X", nul, "")),
        "name_character"
    );
}

#[test]
fn a_private_key_in_any_form_is_recognised_and_never_echoed() {
    let openssl = OpenSsl::new();
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let pem = key.to_pem().expose_secret().to_owned();
    let csr_pem =
        csr::to_pem(&csr::create(&key, &Names::parse(["a.example.com"]).unwrap()).unwrap());
    openssl.run("genrsa -traditional -out rsa.pem 2048");
    openssl.run("ecparam -name prime256v1 -genkey -out ec.pem");
    openssl.write("k.pem", &pem);
    openssl.run("pkcs8 -topk8 -in k.pem -passout pass:x -out enc.pem");
    let relabelled = pem.replace("PRIVATE KEY", "CERTIFICATE REQUEST");
    let inputs = [
        pem.clone().into_bytes(),
        key.pkcs8_der().to_vec(),
        openssl.read("rsa.pem"),
        openssl.read("ec.pem"),
        openssl.read("enc.pem"),
        format!("{csr_pem}{pem}").into_bytes(),
        format!("{pem}{csr_pem}").into_bytes(),
        pem.as_bytes()[..80].to_vec(),
        relabelled.into_bytes(),
    ];
    for input in inputs {
        let error = Csr::parse(&input).unwrap_err();
        assert_eq!(error.code(), "private_key_received");
        let shown = format!("{error} {error:?}");
        let secret = &pem.lines().nth(1).unwrap()[..20];
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn broken_bytes_have_their_codes_and_never_panic() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let der = csr::create(&key, &Names::parse(["a.example.com"]).unwrap()).unwrap();
    let pem = csr::to_pem(&der);
    assert_eq!(
        code(format!("{pem}{pem}").as_bytes()),
        "multiple_pem_blocks"
    );
    assert_eq!(code(&[der.as_slice(), b"x"].concat()), "trailing_bytes");
    assert_eq!(code(&vec![b'x'; csr::SIZE_MAX + 1]), "csr_too_large");
    let relabelled = pem.replace("CERTIFICATE REQUEST", "CERTIFICATE");
    for input in [
        "",
        "hello",
        &relabelled,
        "-----BEGIN CERTIFICATE REQUEST-----\n",
    ] {
        assert_eq!(code(input.as_bytes()), "malformed_csr", "{input}");
    }
    let mut forged = der.clone();
    let at = forged
        .windows(4)
        .position(|window| window == b"exam")
        .unwrap();
    forged[at] = b'f';
    assert_eq!(code(&forged), "bad_signature");
    // An indefinite length is BER, not DER.
    let ber = [&[0x30, 0x80], &der[3..], &[0, 0]].concat();
    assert_eq!(code(&ber), "malformed_csr");
    for index in 0..der.len() {
        assert_ne!(code(&der[..index]), "accepted");
        for bit in 0..8 {
            let mut changed = der.clone();
            changed[index] ^= 1 << bit;
            // The few bits that no signature covers change neither key nor names.
            if let Ok(parsed) = Csr::parse(&changed) {
                let good = Csr::parse(&der).unwrap();
                assert_eq!(
                    (parsed.public_key, parsed.names),
                    (good.public_key, good.names)
                );
            }
        }
    }
    // A point off its curve.
    let point = der
        .windows(2)
        .position(|window| window == [0x42, 0x00])
        .unwrap()
        + 3;
    let mut off = der.clone();
    off[point] ^= 1;
    assert_eq!(code(&off), "malformed_key");
}

#[test]
fn an_admitted_request_is_read_without_proving_the_key_again() {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let names = Names::parse(["a.example.com"]).unwrap();
    let mut der = csr::create(&key, &names).unwrap();
    let last = der.len() - 1;
    der[last] ^= 1;
    assert_eq!(Csr::parse(&der).unwrap_err().code(), "bad_signature");
    assert_eq!(&Csr::admitted(&der).unwrap().public_key, key.public_key());
    der.push(0);
    assert!(Csr::admitted(&der).is_err());
    assert!(Csr::admitted(b"x").is_err());
}
