//! TLS on the site's port, with the broker's way to a certificate.

use komandorr_broker::Tls;
use komandorr_web::{ByteStream, Handshake, TlsDoor};
use tokio::net::TcpStream;

/// Encrypts the site's connections.
#[derive(Debug)]
pub(crate) struct SiteTls(pub(crate) Tls);

impl TlsDoor for SiteTls {
    fn accept(&self, stream: TcpStream) -> Handshake {
        let tls = self.0.clone();
        Box::pin(async move { Ok(Box::new(tls.accept(stream).await?) as Box<dyn ByteStream>) })
    }
}
