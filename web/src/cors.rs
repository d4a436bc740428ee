//! Which pages of other origins may use the API: none, unless they are named.
//! A browser asks before it lets a page read an answer, and before it sends a
//! change; this is what it is told.

use axum::http::{HeaderName, HeaderValue, Method, header, request::Parts};
use serde::Deserialize;
use std::time::Duration;
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::api;

/// How long a browser may keep what it was told.
const KEPT: Duration = Duration::from_mins(10);
/// Reads for any page, changes for none.
const ANY: &str = "*";

/// Origins such as `https://grafana.example`, separated by commas; `*`: any,
/// which may read what nobody has to log in for, and change nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Origins(Vec<String>);

impl TryFrom<String> for Origins {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let origins: Vec<_> = parts.map(str::to_ascii_lowercase).collect();
        match origins.iter().find(|origin| *origin != ANY && !is_origin(origin)) {
            Some(wrong) => Err(format!(
                "\"{wrong}\" is no origin: write such as https://grafana.example, with its port where it has one, or *"
            )),
            None => Ok(Self(origins)),
        }
    }
}

/// Scheme, host and perhaps a port, as browsers send it: nothing behind them.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        !host.is_empty() && host.chars().all(fits)
    })
}

impl Origins {
    /// Whether pages of an origin are named, and so may change things too.
    pub(crate) fn name(&self, origin: &str) -> bool {
        origin != ANY && self.0.iter().any(|named| named == origin)
    }

    /// The layer that tells browsers; `None` where nobody is named.
    pub(crate) fn layer(&self) -> Option<CorsLayer> {
        if self.0.is_empty() {
            return None;
        }
        let any = self.0.iter().any(|origin| origin == ANY);
        let named = self.clone();
        let may = move |origin: &HeaderValue, parts: &Parts| {
            let origin = origin.to_str().unwrap_or_default();
            api::is_at(parts.uri.path()) && (any || named.name(origin))
        };
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(may))
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
            .allow_headers([
                header::AUTHORIZATION,
                header::CONTENT_TYPE,
                header::IF_NONE_MATCH,
                HeaderName::from_static("last-event-id"),
            ])
            .expose_headers([
                header::CONTENT_DISPOSITION,
                header::ETAG,
                header::LINK,
                header::RETRY_AFTER,
            ])
            .max_age(KEPT);
        // Cookies and passwords of a visitor are for named origins alone.
        Some(layer.allow_credentials(!any))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(text: &str) -> Result<Origins, String> {
        Origins::try_from(text.to_owned())
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for good in ["", "*", "https://a.example", "http://[::1]:3000, https://B.example:8443"] {
            assert!(origins(good).is_ok(), "{good}");
        }
        for wrong in ["a.example", "https://", "https://a.example/", "https://a.example/x", "null"]
        {
            let error = origins(wrong).unwrap_err();
            assert!(error.contains("is no origin"), "{error}");
        }
    }

    #[test]
    fn whoever_is_named_may_change_things_and_nobody_else() {
        let named = origins("https://a.example, *").unwrap();
        assert!(named.name("https://a.example"));
        assert!(!named.name("https://b.example") && !named.name("*"));
        assert!(origins("").unwrap().layer().is_none());
    }
}
