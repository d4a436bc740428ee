//! Answers that a client may keep, and asks about before it uses them again:
//! it sends back the tag that it was given, and hears whether anything changed.

use axum::{
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::{hash::hash, headers::Cache};

/// Bytes of the hash in a tag: enough that two contents never share one.
const HASH_BYTES: usize = 12;

/// A body with the tag of its content; without the body where the client
/// shows that it has exactly this.
pub(crate) fn tagged(asked: &HeaderMap, kind: &'static str, body: Vec<u8>) -> Response {
    let tag = tag(&body);
    let known = asked.get_all(header::IF_NONE_MATCH).iter().any(|list| is_among(&tag, list));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static(kind));
    let mut response = if known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([kind], body).into_response()
    };
    // A tag of letters and digits is always a header.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.extensions_mut().insert(Cache::Asked);
    response
}

/// Weak, since the same content may go out compressed.
fn tag(body: &[u8]) -> String {
    format!("W/\"{}\"", hash(body, HASH_BYTES))
}

/// Whether a list of tags holds this one, or `*`. Ours hold no comma.
fn is_among(tag: &str, list: &HeaderValue) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let list = list.to_str().unwrap_or_default();
    list.split(',').any(|known| known.trim() == "*" || bare(known) == bare(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(asked: &str) -> StatusCode {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, asked.parse().unwrap());
        tagged(&headers, "text/plain", b"content".to_vec()).status()
    }

    #[test]
    fn what_the_client_has_is_not_sent_again() {
        let own = tag(b"content");
        for known in [own.clone(), "*".into(), format!("\"x\", {own}"), own.replace("W/", "")] {
            assert_eq!(status(&known), StatusCode::NOT_MODIFIED, "{known}");
        }
        for other in ["\"x\"", "W/\"\"", "", &tag(b"another")] {
            assert_eq!(status(other), StatusCode::OK, "{other}");
        }
    }
}
