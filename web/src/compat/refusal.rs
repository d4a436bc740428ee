//! What is refused on the original's paths, in its shape: `{"detail": ...}`.

use axum::http::{HeaderMap, StatusCode, header};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use crate::error::Failure;

/// Paths below `/api/traffic/` that belong to no service.
const OWN: [&str; 3] = ["update", "summary", "ws"];
/// What stands behind a service's id.
const OF_A_SERVICE: [&str; 2] = ["current", "history"];

/// The body for a failure on one of the original's paths; `None` elsewhere.
pub(crate) fn refusal(path: &str, headers: &HeaderMap, failure: &Failure) -> Option<Value> {
    lies_in_original(path).then(|| json!({"detail": detail(headers, failure)}))
}

fn lies_in_original(path: &str) -> bool {
    let Some(rest) = path.strip_prefix("/api/traffic/") else { return false };
    let mut parts = rest.trim_end_matches('/').split('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(word), None, None) => OWN.contains(&word),
        (Some(_), Some(word), None) => OF_A_SERVICE.contains(&word),
        _ => false,
    }
}

fn detail(headers: &HeaderMap, failure: &Failure) -> String {
    match failure.status {
        StatusCode::UNAUTHORIZED => unauthorized(headers).to_owned(),
        StatusCode::NOT_FOUND if failure.code == "unknown_service" => "Service not found".into(),
        StatusCode::NOT_FOUND => "Not Found".into(),
        StatusCode::METHOD_NOT_ALLOWED => "Method Not Allowed".into(),
        _ => failure.message.clone(),
    }
}

/// By the credential that came: none that we know, one that cannot be read,
/// one that is wrong.
fn unauthorized(headers: &HeaderMap) -> &'static str {
    let given = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default());
    let basic = given.and_then(|text| {
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        scheme.eq_ignore_ascii_case("basic").then_some(rest.trim())
    });
    match basic {
        None => "Authentication required",
        Some(code) if is_readable(code) => "Invalid username or password",
        Some(_) => "Authentication failed",
    }
}

/// Whether a text is base64 of `name:password`.
fn is_readable(code: &str) -> bool {
    let bytes = BASE64_STANDARD.decode(code).unwrap_or_default();
    String::from_utf8(bytes).is_ok_and(|text| text.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(authorization: Option<&str>) -> &'static str {
        let mut headers = HeaderMap::new();
        if let Some(text) = authorization {
            headers.insert(header::AUTHORIZATION, text.parse().unwrap());
        }
        unauthorized(&headers)
    }

    #[test]
    fn a_missing_an_unreadable_and_a_wrong_credential_are_told_apart() {
        for (given, text) in [
            (None, "Authentication required"),
            (Some("Bearer abc"), "Authentication required"),
            (Some("Basic"), "Authentication failed"),
            (Some("Basic %%%"), "Authentication failed"),
            (Some("Basic YWRtaW4="), "Authentication failed"),
            (Some("basic YWRtaW46c2VjcmV0"), "Invalid username or password"),
            (Some("Basic YTpiYw=="), "Invalid username or password"),
            (Some("Basic OmQ="), "Invalid username or password"),
            (Some("Basic /////w=="), "Authentication failed"),
        ] {
            assert_eq!(told(given), text, "{given:?}");
        }
    }

    #[test]
    fn only_the_original_s_paths_answer_in_its_shape() {
        for path in [
            "/api/traffic/update",
            "/api/traffic/summary/",
            "/api/traffic/ws",
            "/api/traffic/web-1/current",
            "/api/traffic/a%20b/history",
        ] {
            assert!(lies_in_original(path), "{path}");
        }
        for path in ["/api/traffic/current", "/api/traffic/history", "/api/services/", "/api"] {
            assert!(!lies_in_original(path), "{path}");
        }
    }
}
