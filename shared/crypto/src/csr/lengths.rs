//! Lengths as DER wants them, where the parser is content with BER.
//!
//! Invariant: one pass without memory; every length is looked at, those inside of values as well.

/// Whether each length is definite and as short as can be (X.690, section 10.1).
pub(super) fn are_der(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some((is_constructed, content)) = header(rest) else {
            return false;
        };
        // What is constructed holds values again, which come next.
        let inner = if is_constructed { 0 } else { content.len };
        let Some(after) = rest.get(content.at + inner..) else {
            return false;
        };
        rest = after;
    }
    true
}

struct Content {
    at: usize,
    len: usize,
}

/// The first value's form, and where its content is.
fn header(value: &[u8]) -> Option<(bool, Content)> {
    let (&tag, mut rest) = value.split_first()?;
    if tag & 0x1F == 0x1F {
        // A tag of several bytes; all but the last have their highest bit set.
        let last = rest.iter().position(|byte| byte & 0x80 == 0)?;
        rest = rest.get(last + 1..)?;
    }
    let (&first, mut rest) = rest.split_first()?;
    let mut len = usize::from(first);
    if first & 0x80 != 0 {
        let (digits, after) = rest.split_at_checked(usize::from(first & 0x7F))?;
        let is_shortest = digits.first().is_some_and(|digit| *digit != 0) && digits.len() <= 4;
        let wide = digits
            .iter()
            .fold(0_u64, |sum, digit| (sum << 8) | u64::from(*digit));
        if !is_shortest || wide < 0x80 {
            return None;
        }
        len = usize::try_from(wide).ok()?;
        rest = after;
    }
    let at = value.len() - rest.len();
    (len <= rest.len()).then_some((tag & 0x20 != 0, Content { at, len }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_definite_lengths_pass() {
        let long = [&[0x04, 0x81, 0x80][..], &[0; 0x80]].concat();
        for good in [
            &[][..],
            &[0x30, 0],
            &[0x30, 3, 0x02, 1, 5],
            &[0x30, 4, 0xA0, 2, 0x05, 0],
            &[0x1F, 0x81, 0x01, 1, 7],
            &long,
        ] {
            assert!(are_der(good), "{good:02x?}");
        }
        for bad in [
            &[0x30][..],
            &[0x30, 0x80, 0, 0],
            &[0x30, 0x81, 3, 0x02, 1, 5],
            &[0x30, 4, 0x02, 0x81, 1, 5],
            &[0x04, 0x82, 0, 0x80],
            &[0x04, 2, 0],
            &[0x04, 0xFF, 1],
            &[0x04, 0x85, 1, 0, 0, 0, 0],
            &[0x1F, 0x81],
        ] {
            assert!(!are_der(bad), "{bad:02x?}");
        }
    }
}
