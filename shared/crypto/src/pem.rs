//! PEM text (RFC 7468): blocks with their labels, strictly read.
//!
//! Invariant: decoded bytes are wiped on drop, since a block may turn out to be a
//! private key; errors never quote the text.

use data_encoding::BASE64;
use zeroize::Zeroizing;

const LINE_LEN: usize = 64;

/// One block.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) der: Zeroizing<Vec<u8>>,
}

/// The text is no well-formed PEM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PemError;

/// Encodes `der` under `label`, 64 characters a line, with a final line feed.
pub(crate) fn encode(label: &str, der: &[u8]) -> String {
    let body = Zeroizing::new(BASE64.encode(der));
    // Exact, so that a private key's text is neither moved nor cut down later, which
    // would leave a copy behind.
    let len = 32 + 2 * label.len() + body.len() + body.len().div_ceil(LINE_LEN);
    let mut out = String::with_capacity(len);
    out.push_str(&format!("-----BEGIN {label}-----\n"));
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at(rest.len().min(LINE_LEN));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The labels of all blocks that begin in `text`, well-formed or not.
pub(crate) fn labels(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(begin_label)
}

/// Decodes all blocks of `text`. Text between blocks is skipped, as RFC 7468
/// (section 2) allows; a block that does not end is an error.
pub(crate) fn decode(text: &str) -> Result<Vec<Block>, PemError> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = begin_label(line) else {
            continue;
        };
        let end = format!("-----END {label}-----");
        let mut body = Zeroizing::new(Vec::new());
        loop {
            let line = lines.next().ok_or(PemError)?.trim();
            if line == end {
                break;
            }
            body.extend(line.bytes().filter(|byte| !byte.is_ascii_whitespace()));
        }
        let der = Zeroizing::new(BASE64.decode(&body).map_err(|_| PemError)?);
        blocks.push(Block {
            label: label.to_owned(),
            der,
        });
    }
    Ok(blocks)
}

fn begin_label(line: &str) -> Option<&str> {
    line.trim()
        .strip_prefix("-----BEGIN ")?
        .strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        for len in [0_usize, 1, 47, 48, 49, 96, 500] {
            let der = vec![0xA5; len];
            let text = format!("note\n{}\r\n{}", encode("A B", &der), encode("C", b"x"));
            let blocks = decode(&text).unwrap();
            assert_eq!(blocks.len(), 2);
            assert_eq!((blocks[0].label.as_str(), &*blocks[0].der), ("A B", &der));
            assert_eq!(encode("A", &der).len(), encode("A", &der).capacity());
            assert!(encode("A", &der).lines().all(|line| line.len() <= 64));
        }
    }

    #[test]
    fn broken_blocks_are_errors() {
        for text in [
            "-----BEGIN A-----\nAAAA\n",
            "-----BEGIN A-----\nAAAA\n-----END B-----\n",
            "-----BEGIN A-----\n$$$$\n-----END A-----\n",
            "-----BEGIN A-----\nAAA\n-----END A-----\n",
        ] {
            assert!(decode(text).is_err(), "{text}");
        }
    }
}
