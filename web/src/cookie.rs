//! Cookies: reading one, and writing one that scripts cannot read.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};

/// The value of a cookie that a browser sends.
pub(crate) fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = values.flat_map(|text| text.split(';')).filter_map(|p| p.split_once('='));
    pairs.find(|(known, _)| known.trim() == name).map(|(_, value)| value.trim())
}

/// Tells a browser to keep a cookie for a time; none at all: to forget it.
/// `secure`: to send it over encrypted connections alone.
pub(crate) fn set(headers: &mut HeaderMap, name: &str, value: &str, kept: Duration, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let seconds = kept.as_secs();
    let cookie =
        format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Lax; HttpOnly{secure}");
    if let Ok(value) = HeaderValue::from_str(&cookie) {
        headers.append(header::SET_COOKIE, value);
    }
}
