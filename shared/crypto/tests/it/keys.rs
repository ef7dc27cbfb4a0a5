//! Keys to and from OpenSSL.

use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use secrecy::ExposeSecret;

use crate::openssl::OpenSsl;

#[test]
fn openssl_reads_our_keys_and_finds_the_same_public_key() {
    let openssl = OpenSsl::new();
    for algorithm in KeyAlgorithm::ALL {
        let key = PrivateKey::generate(algorithm).unwrap();
        openssl.write("k.pem", key.to_pem().expose_secret());
        openssl.run("pkey -in k.pem -check -noout");
        openssl.run("pkey -in k.pem -pubout -outform DER -out k.spki");
        assert_eq!(
            openssl.read("k.spki"),
            key.public_key().spki_der(),
            "{algorithm:?}"
        );
    }
}

#[test]
fn we_read_keys_of_openssl_in_all_their_forms() {
    let openssl = OpenSsl::new();
    for (line, algorithm) in [
        (
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out k.pem",
            KeyAlgorithm::EcdsaP256,
        ),
        (
            "ecparam -name secp384r1 -genkey -out k.pem",
            KeyAlgorithm::EcdsaP384,
        ),
        (
            "genpkey -algorithm ED25519 -out k.pem",
            KeyAlgorithm::Ed25519,
        ),
        ("genrsa -out k.pem 2048", KeyAlgorithm::Rsa2048),
        ("genrsa -traditional -out k.pem 3072", KeyAlgorithm::Rsa3072),
    ] {
        openssl.run(line);
        let text = String::from_utf8(openssl.read("k.pem")).unwrap();
        let key = PrivateKey::from_pem(&text).unwrap();
        assert_eq!(key.algorithm(), algorithm, "{line}");
    }
}

#[test]
fn weak_and_unsupported_private_keys_are_refused_by_code() {
    let openssl = OpenSsl::new();
    for line in [
        "genrsa -out k.pem 1024",
        "ecparam -name secp224r1 -genkey -out k.pem",
        "genpkey -algorithm X25519 -out k.pem",
    ] {
        openssl.run(line);
        let text = String::from_utf8(openssl.read("k.pem")).unwrap();
        let code = PrivateKey::from_pem(&text).err().unwrap().code();
        assert!(
            matches!(
                code,
                "weak_key_exponent" | "unsupported_key" | "malformed_key"
            ),
            "{line}: {code}"
        );
    }
}
