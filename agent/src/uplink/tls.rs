//! TLS: the server is always verified, against the system's certificates or
//! those of one file. There is no way to turn that off.

use std::{path::Path, sync::Arc};

use anyhow::{Context, bail};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A client's settings that trust the certificates of `ca`, or the system's.
pub(super) fn config(ca: Option<&Path>) -> anyhow::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("cannot set up TLS")?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Path>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        let what = || format!("cannot read the certificates in {}", path.display());
        for certificate in CertificateDer::pem_file_iter(path).with_context(what)? {
            let certificate = certificate.with_context(what)?;
            roots.add(certificate).with_context(what)?;
        }
        if roots.is_empty() {
            bail!("{} holds no certificate in PEM form", path.display());
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        bail!(
            "this system has no certificate authorities: install its ca-certificates package, or \
             give the server's certificate with --ca FILE"
        );
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "no PEM").unwrap();
        assert!(config(Some(&path)).unwrap_err().to_string().contains("holds no certificate"));
        let error = config(Some(&dir.path().join("absent.pem"))).unwrap_err();
        assert!(format!("{error:#}").contains("absent.pem"));
    }
}
