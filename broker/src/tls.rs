//! TLS: the server's certificate, loaded again when its files change.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use tokio::{net::TcpStream, time::sleep};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// How often the files are looked at: renewed certificates have days to spare.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read or is no PEM.
    #[error("cannot read {what} from {path}")]
    File {
        /// Certificate or key.
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// They do not fit each other, or rustls does not take them.
    #[error("the certificate {path} cannot be used with its key")]
    Unusable {
        /// The certificate.
        path: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
}

/// A certificate with its key, from two PEM files. TLS 1.2 and 1.3. Clones
/// share it, so that one reload serves all.
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    cert: PathBuf,
    key: PathBuf,
    config: RwLock<Arc<ServerConfig>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("cert", &self.0.cert).finish_non_exhaustive()
    }
}

impl Tls {
    /// Loads the certificate chain and its private key.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        let config = RwLock::new(Arc::new(read(cert, key)?));
        Ok(Self(Arc::new(Inner { cert: cert.to_owned(), key: key.to_owned(), config })))
    }

    /// Loads both files again, for new connections; when that fails the old
    /// ones stay in use.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.0.cert, &self.0.key)?;
        *self.0.config.write() = Arc::new(fresh);
        Ok(())
    }

    /// Does the handshake of a connection that was accepted. The caller bounds
    /// its time.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.acceptor().accept(stream).await
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.config.read()))
    }

    /// Reloads whenever a file has changed. Never ends by itself.
    pub async fn follow_files(self) {
        let mut seen = self.changed_at();
        loop {
            sleep(LOOK_EVERY).await;
            let now = self.changed_at();
            if now == seen {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!(cert = %self.0.cert.display(), "certificate reloaded"),
                // Perhaps half of it is written: the next look tries again.
                Err(error) => {
                    tracing::error!(%error, "the changed certificate is not used");
                    continue;
                }
            }
            seen = now;
        }
    }

    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        let modified = |path: &Path| -> io::Result<SystemTime> { path.metadata()?.modified() };
        [modified(&self.0.cert).ok(), modified(&self.0.key).ok()]
    }
}

fn read(cert: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let file = |what, path: &Path| {
        let path = path.to_owned();
        move |source| TlsError::File { what, path, source }
    };
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(file("the certificate", cert))?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(file("the private key", key))?;
    let unusable = |source| TlsError::Unusable { path: cert.to_owned(), source };
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(unusable)
}
