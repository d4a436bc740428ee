//! Where a request comes from. Behind a reverse proxy that the settings name,
//! what it says of the client counts; what anybody else says does not.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, request::Parts},
    middleware::Next,
    response::Response,
};
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de::Error};

use crate::{error::Failure, site::Shared};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Whether the connection of a request is encrypted by us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Encrypted(pub(crate) bool);

/// Whoever sent a request. Lies in the extensions of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    /// The client; its port is 0 where a proxy told of it.
    pub(crate) address: SocketAddr,
    /// Whether the way from the client is encrypted, up to us or to a proxy.
    pub(crate) secure: bool,
    /// Whether it reached a trusted listener without a proxy in between, and
    /// is therefore on this machine.
    pub(crate) local: bool,
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        parts.extensions.get().copied().ok_or_else(Failure::internal)
    }
}

/// The reverse proxies that are believed: addresses and networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn include(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address.to_canonical()))
    }

    /// The client at the far end of a chain of believed proxies. Each adds to
    /// the end of the list whom it was asked by.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let told = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = told.flat_map(|list| list.split(',')).map(str::trim).collect();
        let mut client = peer;
        for hop in hops.iter().rev() {
            if !self.include(client) {
                break;
            }
            let Some(address) = address(hop) else { break };
            client = address;
        }
        client
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`
fn address(hop: &str) -> Option<IpAddr> {
    let bare = || hop.trim_start_matches('[').trim_end_matches(']').parse().ok();
    let address = hop.parse().map(|address: SocketAddr| address.ip()).ok().or_else(bare);
    address.map(|address| address.to_canonical())
}

impl FromStr for Proxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let network = |part: &str| {
            let one = part.parse::<IpAddr>().map(IpNet::from);
            one.or_else(|_no_address| part.parse()).map_err(|error| {
                format!("\"{part}\" is no address and no network such as 10.0.0.0/8: {error}")
            })
        };
        parts.map(network).collect::<Result<_, _>>().map(Self)
    }
}

impl<'de> Deserialize<'de> for Proxies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Works out the [`Peer`] of a request.
pub(crate) async fn resolve(
    State(site): State<Shared>,
    ConnectInfo(direct): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Response {
    let ours = request.extensions().get::<Encrypted>().is_some_and(|Encrypted(ours)| *ours);
    let proxied = site.proxies.include(direct.ip());
    let peer = if proxied {
        let client = site.proxies.client(direct.ip(), request.headers());
        let proto = request.headers().get_all(FORWARDED_PROTO).iter().next_back();
        let https = proto.is_some_and(|proto| proto.as_bytes().eq_ignore_ascii_case(b"https"));
        let known = client == direct.ip();
        let address = if known { direct } else { SocketAddr::new(client, 0) };
        // Not local, wherever it says that the client is: a proxy that says
        // nothing would make everybody local.
        Peer { address, secure: https || ours, local: false }
    } else {
        let local = site.app.access.trusted && direct.ip().to_canonical().is_loopback();
        if local && request.headers().contains_key(FORWARDED_FOR) {
            warn_of_proxy(direct);
        }
        Peer { address: direct, secure: ours, local }
    };
    request.extensions_mut().insert(peer);
    next.run(request).await
}

/// A proxy on this machine makes everybody local who comes through it: what
/// its operator wants where it asks for a password itself, and not elsewhere.
fn warn_of_proxy(direct: SocketAddr) {
    static WARNED: AtomicBool = AtomicBool::new(false);
    if !WARNED.swap(true, Relaxed) {
        tracing::warn!(
            "a reverse proxy at {} passes on requests of others, who are trusted like this machine and need not log in: unless the proxy asks for a password, name it in http.trusted_proxies",
            direct.ip()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &str, peer: &str, told: &[&str]) -> String {
        let proxies: Proxies = proxies.parse().unwrap();
        let mut headers = HeaderMap::new();
        for value in told {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_the_part_of_the_list_that_believed_proxies_wrote_counts() {
        let proxies = "127.0.0.1, 10.0.0.0/8, ::1";
        assert_eq!(client(proxies, "127.0.0.1", &["192.0.2.7"]), "192.0.2.7");
        // The client itself made up the beginning.
        assert_eq!(client(proxies, "127.0.0.1", &["1.1.1.1, 192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(proxies, "127.0.0.1", &["1.1.1.1", "192.0.2.7, 10.1.1.1"]), "192.0.2.7");
        assert_eq!(client(proxies, "::1", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(client(proxies, "127.0.0.1", &["::ffff:192.0.2.7"]), "192.0.2.7");
        assert_eq!(client(proxies, "127.0.0.1", &["unknown"]), "127.0.0.1");
        assert_eq!(client(proxies, "127.0.0.1", &[]), "127.0.0.1");
        assert_eq!(client(proxies, "192.0.2.9", &["127.0.0.1"]), "192.0.2.9");
        assert_eq!(client("", "127.0.0.1", &["192.0.2.7"]), "127.0.0.1");
    }

    #[test]
    fn what_is_no_address_is_named() {
        let error = "127.0.0.1, caddy".parse::<Proxies>().unwrap_err();
        assert!(error.contains("\"caddy\""), "{error}");
    }
}
