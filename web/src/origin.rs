//! Changes come from our own pages: a request of another site's page, which a
//! browser sends with this visitor's rights, is refused.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{api, error::Failure, site::Shared};

/// Refuses changes that a page of another origin asks for. Programs (agents,
/// `curl`) send neither of the two headers and pass.
/// Those that `http.cors_origins` names may use the API.
pub(crate) async fn own_pages_only(
    State(site): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A WebSocket opens with a GET and then does as it likes.
    let opens_socket = request.headers().contains_key(header::UPGRADE);
    let origin = request.headers().get(header::ORIGIN).and_then(|origin| origin.to_str().ok());
    let named =
        api::is_at(request.uri().path()) && origin.is_some_and(|origin| site.origins.name(origin));
    if (reads && !opens_socket) || is_own(request.headers()) || named {
        return next.run(request).await;
    }
    let message = "this change was asked for by a page of another site, and was not made";
    Failure::new(StatusCode::FORBIDDEN, "other_origin", message).into_response()
}

fn is_own(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("invalid"));
    match (text("sec-fetch-site"), text("origin"), text("host")) {
        (Some(site), ..) => site == "same-origin" || site == "none",
        (None, Some(origin), Some(host)) => {
            origin.split_once("://").is_some_and(|(_, authority)| authority == host)
        }
        (None, Some(_), None) => false,
        (None, None, _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(pairs: &[(&'static str, &str)]) -> bool {
        let headers = pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()));
        is_own(&headers.collect())
    }

    #[test]
    fn our_own_pages_and_programs_may_change_things() {
        assert!(own(&[]));
        assert!(own(&[("sec-fetch-site", "same-origin")]));
        assert!(own(&[("sec-fetch-site", "none")]));
        assert!(own(&[("host", "localhost:3000"), ("origin", "http://localhost:3000")]));
    }

    #[test]
    fn pages_of_other_sites_may_not() {
        assert!(!own(&[("sec-fetch-site", "cross-site")]));
        assert!(!own(&[("sec-fetch-site", "same-site")]));
        assert!(!own(&[("host", "localhost:3000"), ("origin", "http://evil.example")]));
        assert!(!own(&[("host", "localhost:3000"), ("origin", "null")]));
        assert!(!own(&[("host", "localhost:3000"), ("origin", "http://localhost:3001")]));
    }
}
