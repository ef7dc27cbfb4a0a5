//! Requests that no tool makes by accident, built byte by byte: each is refused by its own code.
//!
//! Invariant: every code of this corpus is explained on the reference page of problems.

use certmill_crypto::csr::Csr;
use certmill_crypto::keys::PrivateKey;
use certmill_domain::key::KeyAlgorithm;
use rcgen::SigningKey as _;
use x509_parser::num_bigint::BigUint;

const PAGE: &str = include_str!("../../../../docs/reference/problems.md");
const SHA256_WITH_RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00";
const ECDSA_WITH_SHA256: &[u8] = b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
const RSA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const EXTENSION_REQUEST: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0e";
const SUBJECT_ALT_NAME: &[u8] = b"\x06\x03\x55\x1d\x11";
const BASIC_CONSTRAINTS: &[u8] = b"\x06\x03\x55\x1d\x13";
const OF_NOBODY: &[u8] = b"\x06\x03\x2a\x03\x04";
const CRITICAL: &[u8] = b"\x01\x01\xff";

/// One DER value: tag, length, content.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => out.push(short),
        _ => {
            let bytes = content.len().to_be_bytes();
            let long = &bytes[bytes.iter().position(|byte| *byte != 0).unwrap()..];
            out.push(0x80 | u8::try_from(long.len()).unwrap());
            out.extend_from_slice(long);
        }
    }
    [out, content].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    der(0x30, parts)
}

fn integer(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes[0] & 0x80 != 0 {
        bytes.insert(0, 0);
    }
    der(0x02, &[&bytes])
}

fn bits(content: &[u8]) -> Vec<u8> {
    der(0x03, &[&[0], content])
}

fn info(version: &[u8], spki: &[u8], attributes: &[u8]) -> Vec<u8> {
    sequence(&[version, &sequence(&[]), spki, &der(0xA0, &[attributes])])
}

/// A request for an RSA key of these two INTEGERs; its signature is none, and is never looked at.
fn of_rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    let key = sequence(&[modulus, exponent]);
    let spki = sequence(&[&sequence(&[RSA]), &bits(&key)]);
    sequence(&[
        &info(&[2, 1, 0], &spki, &[]),
        &sequence(&[SHA256_WITH_RSA]),
        &bits(&[0; 256]),
    ])
}

/// A request with a good key and signature, and these attributes.
fn signed(version: &[u8], attributes: &[u8]) -> Vec<u8> {
    let key = PrivateKey::generate(KeyAlgorithm::EcdsaP256).unwrap();
    let info = info(version, key.public_key().spki_der(), attributes);
    let signature = key.sign(&info).unwrap();
    sequence(&[&info, &sequence(&[ECDSA_WITH_SHA256]), &bits(&signature)])
}

fn extension(oid: &[u8], critical: &[u8], value: &[u8]) -> Vec<u8> {
    sequence(&[oid, critical, &der(0x04, &[value])])
}

fn with(extensions: &[Vec<u8>]) -> Vec<u8> {
    let list = sequence(&extensions.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let attribute = sequence(&[EXTENSION_REQUEST, &der(0x31, &[&list])]);
    signed(&[2, 1, 0], &attribute)
}

fn dns(names: &[&[u8]]) -> Vec<u8> {
    let names: Vec<Vec<u8>> = names.iter().map(|name| der(0x82, &[name])).collect();
    let list = sequence(&names.iter().map(Vec::as_slice).collect::<Vec<_>>());
    extension(SUBJECT_ALT_NAME, &[], &list)
}

fn number(bits: u64, salt: u32) -> BigUint {
    (BigUint::from(1_u32) << (bits - 1)) + salt
}

/// The first number from here on without a small factor, which is as good as a prime here.
fn rough_from(mut number: BigUint) -> BigUint {
    let zero = BigUint::from(0_u32);
    while (2..=752_u32).any(|divisor| &number % divisor == zero) {
        number += 1_u32;
    }
    number
}

fn keys() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let e = integer(&BigUint::from(65_537_u32));
    let with_modulus = |modulus: &BigUint| of_rsa(&integer(modulus), &e);
    let with_exponent = |exponent: u32| {
        of_rsa(
            &integer(&number(2048, 9)),
            &integer(&BigUint::from(exponent)),
        )
    };
    let near = number(1024, 1) + (BigUint::from(1_u32) << 1022);
    let factor = rough_from(near);
    let close = &factor * rough_from(&factor + 2_u32);
    let roca = (0..130).fold(BigUint::from(1_u32), |n, _| n * 65_537_u32);
    let negative = der(0x02, &[&[0xFF; 256]]);
    vec![
        ("1024 bits", with_modulus(&number(1024, 9)), "weak_key"),
        ("2047 bits", with_modulus(&number(2047, 9)), "weak_key"),
        (
            "16384 bits",
            with_modulus(&number(16384, 9)),
            "key_too_long",
        ),
        ("e = 1", with_exponent(1), "weak_key_exponent"),
        ("e = 3", with_exponent(3), "weak_key_exponent"),
        ("e even", with_exponent(65_538), "weak_key_exponent"),
        (
            "even modulus",
            with_modulus(&number(2048, 2)),
            "weak_key_small_factor",
        ),
        ("ROCA", with_modulus(&roca), "weak_key_roca"),
        (
            "close primes",
            with_modulus(&close),
            "weak_key_close_primes",
        ),
        ("negative modulus", of_rsa(&negative, &e), "malformed_key"),
        ("no modulus", of_rsa(&[2, 0], &e), "malformed_key"),
    ]
}

fn names() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let label = [b'a'; 64];
    let long = [b"abc.".repeat(64), b"d".to_vec()].concat();
    let named = |name: &[u8]| with(&[dns(&[b"a.example", name])]);
    let many: Vec<String> = (0..10_000).map(|n| format!("h{n}.example")).collect();
    let many: Vec<&[u8]> = many.iter().map(String::as_bytes).collect();
    vec![
        ("10,000 names", with(&[dns(&many)]), "csr_too_large"),
        ("101 names", with(&[dns(&many[..101])]), "names_count"),
        ("no names", with(&[dns(&[])]), "names_count"),
        ("*", named(b"*"), "wildcard_misplaced"),
        ("*.a", named(b"*.a"), "wildcard_misplaced"),
        ("*.*.a", named(b"*.*.a"), "wildcard_misplaced"),
        ("a*.b.c", named(b"a*.b.c"), "wildcard_misplaced"),
        ("a..b", named(b"a..b"), "label_length"),
        (
            "a label of 64",
            named(&[&label[..], b".example"].concat()),
            "label_length",
        ),
        ("256 characters", named(&long), "name_too_long"),
        ("a trailing dot", named(b"b.example."), "misplaced_name"),
        ("an address as DNS", named(b"192.0.2.1"), "misplaced_name"),
        ("NUL", named(b"b.example\0.evil"), "name_character"),
        ("underscore", named(b"foo_bar.example"), "name_character"),
        ("hyphen", named(b"-a.example"), "name_hyphen"),
        ("bad punycode", named(b"xn--a.example"), "name_punycode"),
        ("digits at the end", named(b"1.2.3"), "name_numeric_end"),
        (
            "IDN in UTF-8",
            named("b\u{fc}cher.example".as_bytes()),
            "name_character",
        ),
        ("good punycode", named(b"xn--bcher-kva.example"), "accepted"),
    ]
}

fn structures() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let list = extension(
        SUBJECT_ALT_NAME,
        &[],
        &sequence(&[&der(0x82, &[b"a.example"])]),
    );
    let ca = extension(BASIC_CONSTRAINTS, CRITICAL, &sequence(&[CRITICAL]));
    let odd = extension(OF_NOBODY, CRITICAL, &[5, 0]);
    let attribute = |content: &[u8]| sequence(&[OF_NOBODY, &der(0x31, &[&der(0x04, &[content])])]);
    let twice = sequence(&[EXTENSION_REQUEST, &der(0x31, &[&sequence(&[&list])])]);
    let good = signed(&[2, 1, 0], &[]);
    let mut trailing = good.clone();
    trailing.push(0);
    let mut long_form = vec![0x30, 0x83, 0];
    long_form.extend_from_slice(&u16::try_from(good.len() - 3).unwrap().to_be_bytes());
    long_form.extend_from_slice(&good[3..]);
    vec![
        ("a good one", good, "accepted"),
        ("CA:TRUE", with(&[list.clone(), ca]), "ca_requested"),
        (
            "critical and unknown",
            with(&[list.clone(), odd]),
            "unknown_critical_extension",
        ),
        (
            "one extension twice",
            with(&[list.clone(), list]),
            "duplicate_extension",
        ),
        (
            "two lists",
            signed(&[2, 1, 0], &twice.repeat(2)),
            "duplicate_extension",
        ),
        (
            "a small attribute",
            signed(&[2, 1, 0], &attribute(b"x")),
            "accepted",
        ),
        (
            "an attribute of a megabyte",
            signed(&[2, 1, 0], &attribute(&vec![0; 1 << 20])),
            "csr_too_large",
        ),
        ("trailing bytes", trailing, "trailing_bytes"),
        ("a length in BER", long_form, "malformed_csr"),
        (
            "a negative version",
            signed(&[2, 1, 0xFF], &[]),
            "malformed_csr",
        ),
        (
            "a version of tomorrow",
            signed(&[2, 1, 7], &[]),
            "malformed_csr",
        ),
    ]
}

#[test]
fn every_request_of_the_corpus_has_its_code() {
    for (what, request, wanted) in [keys(), names(), structures()].concat() {
        let code = Csr::parse(&request).map_or_else(|refused| refused.code(), |_| "accepted");
        assert_eq!(code, wanted, "{what}");
        let explained = code == "accepted" || PAGE.contains(&format!("| `{code}` |"));
        assert!(
            explained,
            "{code} is not explained in docs/reference/problems.md"
        );
    }
}
