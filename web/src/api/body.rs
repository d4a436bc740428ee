//! Bodies of requests: a JSON object, or a refusal that names the field.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use serde::de::DeserializeOwned;

use crate::error::Failure;

/// A JSON object of a request. Keys that are not known are ignored, as the
/// original's clients send back what they were given; a known one that comes
/// twice is refused, since nobody can tell which of the two is meant.
#[derive(Debug)]
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !says_json(request.headers()) {
            let message = "the body must be JSON: send it with content-type: application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Failure::new(status, "unsupported_media_type", message));
        }
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|refused| Failure::of_status(refused.into_response().status()))?;
        read(&body).map(Self)
    }
}

fn says_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    let refused = |message: String| Failure::new(StatusCode::BAD_REQUEST, "invalid_body", message);
    // Serde would take an array for an object's fields in their order.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(refused("the body must be a JSON object, such as {\"name\": \"Web\"}".into()));
    }
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (path, reason) = (error.path().to_string(), error.inner().to_string());
        refused(if path == "." { reason } else { format!("{path}: {reason}") })
    })?;
    json.end().map_err(|error| refused(format!("after the object: {error}")))?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Two {
        name: Option<String>,
        size: Option<u64>,
    }

    #[test]
    fn what_is_wrong_with_a_body_is_named() {
        for (body, words) in [
            ("", "must be a JSON object"),
            ("null", "must be a JSON object"),
            ("[\"web\", 1]", "must be a JSON object"),
            ("{\"name\": 1}", "name: invalid type"),
            ("{\"size\": -1}", "size: invalid value"),
            ("{\"size\": 1.5}", "size: invalid type"),
            ("{\"size\": 18446744073709551616}", "size: invalid type"),
            ("{\"name\": \"a\", \"name\": \"b\"}", "duplicate field `name`"),
            ("{\"name\": \"a\"", "EOF while parsing"),
            ("{\"name\": \"a\"} {}", "after the object"),
            ("{\"name\": \"\u{0}\"}", "control character"),
        ] {
            let failure = read::<Two>(body.as_bytes()).unwrap_err();
            assert_eq!((failure.status.as_u16(), failure.code), (400, "invalid_body"), "{body}");
            assert!(failure.message.contains(words), "{body}: {}", failure.message);
        }
        let Two { name, size } = read(b" {\"name\": \"a\", \"more\": [1, {}]}").unwrap();
        assert_eq!((name.as_deref(), size), (Some("a"), None));
    }

    proptest::proptest! {
        #[test]
        fn any_body_is_read_or_refused(body: Vec<u8>, text in "\\{.*\\}") {
            drop((read::<Two>(&body), read::<Two>(text.as_bytes())));
        }
    }
}
