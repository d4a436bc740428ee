//! Headers of every answer, in one place: what a browser may do with a page,
//! and for how long anybody may keep it.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use crate::peer::Peer;

/// Nothing inline, nothing from elsewhere, nothing that is not needed.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self' data:; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
     base-uri 'none'";

const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// How long an answer may be kept. Handlers say which; [`finish`] writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cache {
    /// Pages and live data: asked for anew every time.
    Never,
    /// May be kept, but not used without asking whether it is still so.
    Asked,
    /// Files that change with a version of the program, under names that stay.
    Day,
    /// Files whose content is part of their name.
    Forever,
}

impl Cache {
    fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Never => "no-store",
            Self::Asked => "private, no-cache",
            Self::Day => "public, max-age=86400",
            Self::Forever => "public, max-age=31536000, immutable",
        })
    }
}

/// A browser that came over TLS keeps to it, for a year.
const STRICT_TRANSPORT: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Adds the headers that every answer has.
pub(crate) async fn finish(request: Request, next: Next) -> Response {
    let strict = is_strict(&request);
    let mut response = next.run(request).await;
    let cache = response.extensions_mut().remove::<Cache>().unwrap_or(Cache::Never);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, cache.header());
    for (name, value) in SECURITY {
        headers.insert(name, value);
    }
    if strict {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT);
    }
    response
}

/// Whether a browser may be told to use TLS with this name alone. That is for
/// all ports of the name, so only the one that has the usual port says it:
/// others on the host may speak plain HTTP elsewhere.
fn is_strict(request: &Request) -> bool {
    let secure = request.extensions().get::<Peer>().is_some_and(|peer| peer.secure);
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    secure && host.is_some_and(|host| !host.contains(':') && host.parse::<IpAddr>().is_err())
}
