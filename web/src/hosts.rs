//! Under which names the site answers. A page elsewhere on the web can make a
//! visitor's browser take its own name for this machine's address (DNS
//! rebinding), and then reads and changes as that visitor; the name is the one
//! thing that it cannot hide.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{error::Failure, peer::Peer, site::Shared};

/// Answers any name: for whoever has another guard before the site.
const ANY: &str = "*";

/// Refuses requests for names that are not ours, where nothing but the name
/// tells a visitor from a page elsewhere: with whoever is trusted for being on
/// this machine. Everybody else shows a credential, which browsers keep by name.
pub(crate) async fn own_names_only(
    State(site): State<Shared>,
    request: Request,
    next: Next,
) -> Response {
    let local = request.extensions().get::<Peer>().is_some_and(|peer| peer.local);
    match host(request.headers()) {
        Some(host) if local && !is_own(host, &site.hosts) => {
            let message = format!(
                "this site does not answer to \"{host}\": if that is its name, add it to http.hosts"
            );
            Failure::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", message).into_response()
        }
        _ => next.run(request).await,
    }
}

/// The name that was asked for, without its port.
fn host(headers: &HeaderMap) -> Option<&str> {
    let host = headers.get(header::HOST)?.to_str().unwrap_or("invalid");
    let end = host.rfind(':').filter(|&at| !host.get(at..).is_some_and(|rest| rest.contains(']')));
    host.get(..end.unwrap_or(host.len()))
}

/// An address cannot be given to somebody else; a name must be known.
fn is_own(host: &str, known: &[String]) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().is_ok()
        || host == "localhost"
        || host.ends_with(".localhost")
        || known.iter().any(|name| name == ANY || name.eq_ignore_ascii_case(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(host_header: &str, known: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host_header.parse().unwrap());
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        host(&headers).is_none_or(|host| is_own(host, &known))
    }

    #[test]
    fn addresses_and_loopback_names_are_ours() {
        for host in
            ["127.0.0.1:3000", "[::1]:3000", "[::1]", "localhost", "LocalHost.:3000", "10.0.0.5"]
        {
            assert!(answers(host, &[]), "{host}");
        }
    }

    #[test]
    fn a_name_must_be_known() {
        assert!(!answers("evil.example:3000", &[]));
        assert!(!answers("localhost.evil.example", &[]));
        assert!(!answers("traffic.example", &["other.example"]));
        assert!(answers("Traffic.example:443", &["traffic.example"]));
        assert!(answers("whatever.example", &["*"]));
    }
}
