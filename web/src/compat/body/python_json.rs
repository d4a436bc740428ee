//! JSON as Python reads it: with `NaN` and `Infinity`, and with numbers that
//! are too large for a float. Such figures become texts behind a mark, so that
//! a sentence can name them.

use serde_json::Value;

/// Stands before a figure that is not finite.
const MARK: char = '\u{1}';

/// Why a text is no JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid {
    /// Bytes from the beginning.
    pub(super) position: usize,
    pub(super) reason: String,
}

/// Reads a text.
pub(super) fn read(text: &[u8]) -> Result<Value, Invalid> {
    // Almost always plain JSON.
    serde_json::from_slice(text)
        .or_else(|_| serde_json::from_slice(&marked(text)))
        .map_err(|_error| invalid(text))
}

/// Says where and why, by the text as it came.
fn invalid(text: &[u8]) -> Invalid {
    let error = serde_json::from_slice::<Value>(text).err();
    let Some(error) = error else { return Invalid { position: 0, reason: String::new() } };
    let before: usize = text
        .split_inclusive(|byte| *byte == b'\n')
        .take(error.line().saturating_sub(1))
        .map(<[u8]>::len)
        .sum();
    let at_end = error.is_eof();
    let position = if at_end { text.len() } else { before + error.column().saturating_sub(1) };
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
    Invalid { position, reason }
}

/// The same text with every figure that is not finite as a marked string.
fn marked(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let length = match first {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                let part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                rest.iter().position(|byte| !part(byte)).unwrap_or(rest.len())
            }
            _ => {
                out.push(first);
                rest = tail;
                continue;
            }
        };
        let (token, tail) = rest.split_at(length);
        match std::str::from_utf8(token) {
            Ok(word) if is_not_finite(word) => {
                out.extend_from_slice(format!("\"\\u0001{word}\"").as_bytes());
            }
            _ => out.extend_from_slice(token),
        }
        rest = tail;
    }
    out
}

fn is_not_finite(word: &str) -> bool {
    matches!(word, "NaN" | "Infinity" | "-Infinity")
        || word.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            && word.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// Length of the string that a text begins with, quotes included.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// A text as a number, as Python's `float` reads it.
pub(super) fn number(text: &str) -> Option<f64> {
    let text = text.trim_start_matches(MARK).trim();
    let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let bytes = text.as_bytes();
    let grouped = |at: usize| at > 0 && digit(bytes.get(at - 1)) && digit(bytes.get(at + 1));
    if text.match_indices('_').any(|(at, _)| !grouped(at)) {
        return None;
    }
    text.replace('_', "").parse().ok()
}

/// A value as it is shown to the sender: without marks.
pub(super) fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(text.trim_start_matches(MARK).to_owned()),
        Value::Array(items) => items.into_iter().map(shown).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(key, value)| (key, shown(value))).collect()
        }
        other => other,
    }
}
