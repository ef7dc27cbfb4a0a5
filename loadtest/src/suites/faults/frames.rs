//! The messages of the Postgres protocol in a stream of bytes (protocol 3, chapter "Message
//! Formats" of the manual).
//!
//! Invariant: what is taken out in frames is what came in, byte for byte, in its order.

/// The longest message that is believed; longer ones end the connection.
const LONGEST: usize = 1 << 30;

/// Bytes of one direction that have arrived.
#[derive(Debug, Default)]
pub struct Frames {
    /// What has arrived and was not taken out yet.
    pub bytes: Vec<u8>,
    /// The first message of a client has no type.
    started: bool,
}

impl Frames {
    /// Of the client's direction, which begins with a message without a type.
    pub fn of_client() -> Self {
        Self::default()
    }

    /// Of the server's direction.
    pub fn of_server() -> Self {
        Self {
            bytes: Vec::new(),
            started: true,
        }
    }

    /// The next whole message; `None` until the rest of it has arrived.
    ///
    /// # Errors
    /// This is not the protocol.
    pub fn next(&mut self) -> Result<Option<Vec<u8>>, &'static str> {
        let head = usize::from(self.started);
        let Some(length) = self.bytes.get(head..head + 4) else {
            return Ok(None);
        };
        let length = length
            .iter()
            .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        if !(4..LONGEST).contains(&length) {
            return Err("a length that no message has");
        }
        let whole = head + length;
        if self.bytes.len() < whole {
            return Ok(None);
        }
        self.started = true;
        let rest = self.bytes.split_off(whole);
        Ok(Some(std::mem::replace(&mut self.bytes, rest)))
    }
}

/// Whether a client's message asks for a commit.
pub fn is_commit(frame: &[u8]) -> bool {
    frame.first() == Some(&b'Q') && frame.get(5..11).is_some_and(|text| text == b"COMMIT")
}

/// Whether a server's message is a notification.
pub fn is_hint(frame: &[u8]) -> bool {
    frame.first() == Some(&b'A')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_are_found_however_they_arrive() {
        let stream = b"\0\0\0\x08\0\x03\0\0Q\0\0\0\x0bCOMMIT\0S\0\0\0\x04";
        for step in 1..stream.len() {
            let mut frames = Frames::of_client();
            let mut found = Vec::new();
            for part in stream.chunks(step) {
                frames.bytes.extend_from_slice(part);
                while let Some(frame) = frames.next().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found.len(), 3, "in steps of {step}");
            assert_eq!(found.concat(), stream);
            assert!(!is_commit(&found[0]) && is_commit(&found[1]) && !is_commit(&found[2]));
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        let mut frames = Frames::of_server();
        frames.bytes.extend_from_slice(b"HTTP/1.1 200");
        assert!(frames.next().is_err());
        assert!(is_hint(b"A\0\0\0\x04") && !is_hint(b"Z\0\0\0\x05I"));
    }
}
