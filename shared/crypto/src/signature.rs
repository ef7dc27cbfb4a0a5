//! Which signature algorithms are too weak to accept, on requests and in chains.
//!
//! Invariant: a list of refusals only decides the words; what is on no list at
//! all is refused by the verifier as unsupported.

use x509_parser::asn1_rs::oid;
use x509_parser::oid_registry::{
    OID_HASH_SHA1, OID_MD5_WITH_RSA, OID_PKCS1_MD2WITHRSAENC, OID_PKCS1_MD4WITHRSAENC,
    OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_RSASSAPSS, OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA,
    OID_SIG_DSA_WITH_SHA1, Oid,
};
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::AlgorithmIdentifier;

/// ecdsa-with-SHA1 (RFC 3279, section 2.2.3).
const ECDSA_WITH_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);

/// Whether the signature stands on SHA-1, MD5 or older.
pub(crate) fn is_weak(algorithm: &AlgorithmIdentifier<'_>) -> bool {
    let oid = &algorithm.algorithm;
    if *oid == OID_PKCS1_RSASSAPSS {
        // Absent parameters mean SHA-1 (RFC 4055, section 3.1).
        let params = algorithm.parameters.as_ref().map(RsaSsaPssParams::try_from);
        return match params {
            Some(Ok(params)) => *params.hash_algorithm_oid() == OID_HASH_SHA1,
            _ => true,
        };
    }
    let weak = [
        OID_PKCS1_MD2WITHRSAENC,
        OID_PKCS1_MD4WITHRSAENC,
        OID_PKCS1_MD5WITHRSAENC,
        OID_MD5_WITH_RSA,
        OID_PKCS1_SHA1WITHRSA,
        OID_SHA1_WITH_RSA,
        OID_SIG_DSA_WITH_SHA1,
        ECDSA_WITH_SHA1,
    ];
    weak.contains(oid)
}
