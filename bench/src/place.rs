//! Where the broker is, and byte streams to it.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use anyhow::{Context, ensure};
use async_tungstenite::tungstenite::client::IntoClientRequest;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use ws_stream_tungstenite::WsStream;

/// A way of carrying MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Carrier {
    pub(crate) tls: bool,
    pub(crate) web_socket: bool,
}

/// A broker's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) carrier: Carrier,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("write mqtt://HOST:PORT")?;
        let (tls, web_socket, standard) = match scheme {
            "mqtt" => (false, false, 1883),
            "mqtts" => (true, false, 8883),
            "ws" => (false, true, 80),
            "wss" => (true, true, 443),
            _ => return Err(format!("\"{scheme}\" is none of mqtt, mqtts, ws, wss")),
        };
        let address = rest.split('/').next().unwrap_or_default();
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) => {
                (host, port.parse().map_err(|_no_port| format!("\"{port}\" is no port"))?)
            }
            None => (address, standard),
        };
        if host.is_empty() {
            return Err("the host is missing".to_owned());
        }
        Ok(Self { carrier: Carrier { tls, web_socket }, host: host.to_owned(), port })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.carrier.web_socket, self.carrier.tls) {
            (false, false) => "mqtt",
            (false, true) => "mqtts",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        let path = if self.carrier.web_socket { "/mqtt" } else { "" };
        write!(f, "{scheme}://{}:{}{path}", self.host, self.port)
    }
}

/// A byte stream to the broker, whatever carries it.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Makes streams to one broker.
#[derive(Clone)]
pub(crate) struct Dialler {
    pub(crate) place: Place,
    /// Where TLS carries it.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

impl Dialler {
    pub(crate) fn new(place: Place, ca: Option<&Path>) -> anyhow::Result<Self> {
        let tls = match (place.carrier.tls, ca) {
            (false, _) => None,
            (true, Some(ca)) => Some(trusting(ca)?),
            (true, None) => anyhow::bail!("{place} is TLS: give its certificate with --ca FILE"),
        };
        Ok(Self { place, tls })
    }

    pub(crate) async fn dial(&self) -> anyhow::Result<Box<dyn Stream>> {
        let tcp = TcpStream::connect((self.place.host.as_str(), self.place.port)).await?;
        tcp.set_nodelay(true)?;
        let bytes: Box<dyn Stream> = match &self.tls {
            None => Box::new(tcp),
            Some(config) => {
                let name = ServerName::try_from(self.place.host.clone())?;
                Box::new(TlsConnector::from(Arc::clone(config)).connect(name, tcp).await?)
            }
        };
        if !self.place.carrier.web_socket {
            return Ok(bytes);
        }
        let mut request = self.place.to_string().into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", "mqtt".parse()?);
        let (socket, _) = async_tungstenite::tokio::client_async(request, bytes).await?;
        Ok(Box::new(WsStream::new(socket)))
    }
}

fn trusting(ca: &Path) -> anyhow::Result<Arc<ClientConfig>> {
    let what = || format!("cannot read the certificates in {}", ca.display());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).with_context(what)? {
        roots.add(certificate.with_context(what)?).with_context(what)?;
    }
    ensure!(!roots.is_empty(), "{} holds no certificate in PEM form", ca.display());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_and_written() {
        for (url, same) in [
            ("mqtt://a", "mqtt://a:1883"),
            ("mqtts://a:1", "mqtts://a:1"),
            ("ws://a/mqtt", "ws://a:80/mqtt"),
            ("wss://a:9/", "wss://a:9/mqtt"),
        ] {
            assert_eq!(url.parse::<Place>().unwrap().to_string(), same);
        }
        for wrong in ["a", "http://a", "mqtt://", "mqtt://a:x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
