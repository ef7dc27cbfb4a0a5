//! How deep a JSON text is nested, found before it is parsed.
//!
//! Invariant: one pass over the bytes, no memory; what is inside texts does not count.

/// The most levels of lists and objects in each other.
pub(crate) const MOST: usize = 64;

/// Where the level after [`MOST`] begins, if the text is so deep.
pub(crate) fn too_deep(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                if depth > MOST {
                    return Some(place);
                }
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_levels_outside_of_texts_count() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(too_deep(nested(64).as_bytes()), None);
        assert_eq!(too_deep(nested(65).as_bytes()), Some(64));
        assert_eq!(
            too_deep(format!("[{}]", "[],".repeat(100)).as_bytes()),
            None
        );
        let text = format!(r#"{{"a\"[":"{}"}}"#, "[".repeat(100));
        assert_eq!(too_deep(text.as_bytes()), None);
    }
}
