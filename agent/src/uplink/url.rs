//! The server's address, as people write it.

use std::{fmt, str::FromStr};

/// Where the server's own site serves MQTT over WebSocket.
const WEBSOCKET_PATH: &str = "/mqtt";

/// How the server is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// MQTT over TCP.
    Tcp,
    /// MQTT over TLS.
    Tls,
    /// MQTT over WebSocket.
    WebSocket,
    /// MQTT over WebSocket over TLS.
    SecureWebSocket,
}

impl Scheme {
    /// Whether the connection is encrypted and the server's name verified.
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }
}

/// The server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// How it is reached.
    pub scheme: Scheme,
    /// Name or address; an IPv6 address without its brackets.
    pub host: Box<str>,
    /// TCP port.
    pub port: u16,
    /// Path of the WebSocket; empty for MQTT over TCP or TLS.
    pub path: Box<str>,
}

/// Why a text is no address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// No scheme, or one that is not understood.
    #[error(
        "\"{0}\" must begin with mqtt://, mqtts://, ws://, wss://, http:// or https://, as in http://komandorr.example:3000"
    )]
    Scheme(String),
    /// No host.
    #[error("\"{0}\" names no host")]
    Host(String),
    /// A port that is no number from 1 to 65535.
    #[error("\"{0}\" has no valid port: 1 to 65535 is allowed")]
    Port(String),
    /// A user or password before the host. Not shown: it is a secret.
    #[error("the URL holds a user name or password: give the token as --token or --token-file")]
    Credentials,
    /// A path where there is none.
    #[error("\"{0}\" has a path, which only ws, wss, http and https URLs may have")]
    Path(String),
}

impl FromStr for Url {
    type Err = InvalidUrl;

    fn from_str(text: &str) -> Result<Self, InvalidUrl> {
        let whole = || text.chars().take(200).collect::<String>();
        let (scheme, rest) = text.split_once("://").ok_or_else(|| InvalidUrl::Scheme(whole()))?;
        let web = matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https");
        let (scheme, port) = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" | "tcp" => (Scheme::Tcp, 1883),
            "mqtts" | "ssl" | "tls" => (Scheme::Tls, 8883),
            "ws" | "http" => (Scheme::WebSocket, 80),
            "wss" | "https" => (Scheme::SecureWebSocket, 443),
            _ => return Err(InvalidUrl::Scheme(whole())),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(InvalidUrl::Credentials);
        }
        let (host, port) = split_port(authority, port).ok_or_else(|| InvalidUrl::Port(whole()))?;
        let printable = host.bytes().all(|b| b.is_ascii_graphic()) || host.is_empty();
        if host.is_empty() || !printable {
            return Err(InvalidUrl::Host(whole()));
        }
        let path = path.trim_end_matches('/');
        let path = match scheme {
            Scheme::Tcp | Scheme::Tls if path.is_empty() => String::new(),
            Scheme::Tcp | Scheme::Tls => return Err(InvalidUrl::Path(whole())),
            _ if !path.bytes().all(|b| b.is_ascii_graphic()) => {
                return Err(InvalidUrl::Path(whole()));
            }
            _ if path.is_empty() => WEBSOCKET_PATH.to_owned(),
            _ if web && !path.ends_with(WEBSOCKET_PATH) => format!("{path}{WEBSOCKET_PATH}"),
            _ => path.to_owned(),
        };
        Ok(Self { scheme, host: host.into(), port, path: path.into() })
    }
}

/// Splits `host:port` and `[::1]:port`; `None` for a port that is none.
fn split_port(authority: &str, default: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))?)
        }
        // A bare IPv6 address has more than one colon and no port.
        None if authority.matches(':').count() > 1 => (authority, ""),
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    if port.is_empty() {
        return Some((host, default));
    }
    port.parse().ok().filter(|&port: &u16| port > 0).map(|port| (host, port))
}

impl Url {
    /// The host as it stands in a URL: an IPv6 address in brackets.
    pub fn host_in_url(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.to_string() }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Tcp => "mqtt",
            Scheme::Tls => "mqtts",
            Scheme::WebSocket => "ws",
            Scheme::SecureWebSocket => "wss",
        };
        write!(f, "{scheme}://{}:{}{}", self.host_in_url(), self.port, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        text.parse::<Url>().map_or_else(|e| format!("{e:?}"), |url| url.to_string())
    }

    #[test]
    fn every_form_of_the_contract_is_understood() {
        for (text, means) in [
            ("mqtt://broker", "mqtt://broker:1883"),
            ("mqtt://10.0.0.1:2883", "mqtt://10.0.0.1:2883"),
            ("mqtts://broker/", "mqtts://broker:8883"),
            ("ws://host:3000/mqtt", "ws://host:3000/mqtt"),
            ("ws://host/other", "ws://host:80/other"),
            ("wss://host", "wss://host:443/mqtt"),
            ("http://localhost:3000", "ws://localhost:3000/mqtt"),
            ("http://localhost:3000/", "ws://localhost:3000/mqtt"),
            ("https://host", "wss://host:443/mqtt"),
            ("https://host/komandorr/", "wss://host:443/komandorr/mqtt"),
            ("mqtt://[::1]:1883", "mqtt://[::1]:1883"),
            ("mqtt://::1", "mqtt://[::1]:1883"),
        ] {
            assert_eq!(shown(text), means, "{text}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, reason) in [
            ("komandorr:3000", "Scheme"),
            ("ftp://host", "Scheme"),
            ("", "Scheme"),
            ("mqtt://", "Host"),
            ("mqtt://:1883", "Host"),
            ("mqtt://host:0", "Port"),
            ("mqtt://host:99999", "Port"),
            ("mqtt://host:x", "Port"),
            ("mqtt://host/path", "Path"),
            ("mqtt://me:secret@host", "Credentials"),
        ] {
            assert!(shown(text).starts_with(reason), "{text}: {}", shown(text));
        }
        assert!(!InvalidUrl::Credentials.to_string().contains("secret@"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_what_is_shown_reads_the_same(text in "(mqtt://|http://)?.*") {
            if let Ok(url) = text.parse::<Url>() {
                proptest::prop_assert_eq!(url.to_string().parse::<Url>().unwrap(), url);
            }
        }
    }
}
