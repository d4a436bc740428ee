//! What errors say, and what lies at their root.

use std::{error::Error, io};

/// Whether an error is about finding a host's address, in the words of the
/// systems' libraries: glibc and macOS, musl, Windows.
pub(super) fn is_of_the_name(why: &str) -> bool {
    ["lookup", "resolve", "not known", "host is known"].iter().any(|words| why.contains(words))
}

/// The I/O error at the root of another one.
pub(super) fn source_io<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a io::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io);
        }
        next = error.source();
    }
    None
}

/// An error and its sources in one line, none of them twice.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = error.source();
    }
    text.replace(['\n', '\r'], " ").trim().to_owned()
}
