//! Puts certificates into the order leaf to root and verifies every signature.
//!
//! Invariant: each certificate of the result is issued, by name and by signature,
//! by the one after it, which is a CA that may sign certificates.

use x509_parser::certificate::X509Certificate;

use crate::chain::ChainError;
use crate::chain::leaf::parse;
use crate::signature;

const LEN_MAX: usize = 10;

pub(super) fn order(ders: Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>, ChainError> {
    if ders.len() > LEN_MAX {
        return Err(ChainError::TooLong { count: ders.len() });
    }
    let parsed = ders
        .iter()
        .map(|der| parse(der))
        .collect::<Result<Vec<_>, _>>()?;
    let mut leaves = (0..parsed.len()).filter(|index| !parsed[*index].is_ca());
    let leaf = leaves.next().ok_or(ChainError::NoLeaf)?;
    if leaves.next().is_some() {
        return Err(ChainError::SeveralLeaves);
    }
    let mut path = vec![leaf];
    while let Some(next) = next_of(&parsed, &path)? {
        path.push(next);
    }
    if path.len() != parsed.len() {
        return Err(ChainError::Stray);
    }
    Ok(path.into_iter().map(|index| ders[index].clone()).collect())
}

/// The certificate that issued the last one of `path`, if it is among `parsed`.
fn next_of(parsed: &[X509Certificate<'_>], path: &[usize]) -> Result<Option<usize>, ChainError> {
    let place = path.len();
    let Some(child) = path.last().map(|index| &parsed[*index]) else {
        return Ok(None);
    };
    if signature::is_weak(&child.signature_algorithm) && !is_self_issued(child) {
        return Err(ChainError::WeakSignature { place });
    }
    let unused = (0..parsed.len()).filter(|index| !path.contains(index));
    let mut named = unused.filter(|i| parsed[*i].subject().as_raw() == child.issuer().as_raw());
    let mut named = named.by_ref().peekable();
    if is_self_issued(child) || named.peek().is_none() {
        return Ok(None);
    }
    let found = named.find(|index| signs(&parsed[*index], child, place - 1));
    found.map(Some).ok_or(ChainError::BrokenLink { place })
}

fn is_self_issued(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}

/// Whether `parent` may sign below `cas_between` further CAs, and did sign `child`.
fn signs(parent: &X509Certificate<'_>, child: &X509Certificate<'_>, cas_between: usize) -> bool {
    let limit = match parent.basic_constraints() {
        Ok(Some(found)) if found.value.ca => found.value.path_len_constraint,
        _ => return false,
    };
    let fits = limit.is_none_or(|limit| cas_between as u64 <= u64::from(limit));
    let may_sign = match parent.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    let stated_twice_alike = child.signature_algorithm == child.tbs_certificate.signature;
    fits && may_sign
        && stated_twice_alike
        && child.verify_signature(Some(parent.public_key())).is_ok()
}
