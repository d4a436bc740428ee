//! Names made of contents.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// The first bytes of a content's SHA-256, in hexadecimal digits.
pub(crate) fn hash(content: &[u8], bytes: usize) -> String {
    let digest = Sha256::digest(content);
    digest.iter().take(bytes).fold(String::new(), |mut hash, byte| {
        // Writing to a String cannot fail.
        write!(hash, "{byte:02x}").unwrap_or_default();
        hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_the_begin_of_the_digest() {
        assert_eq!(hash(b"", 4), "e3b0c442");
        assert_eq!(hash(b"", 2), "e3b0");
        assert_eq!(hash(b"abc", 100).len(), 64);
    }
}
