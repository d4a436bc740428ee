//! Certificates for tests, made by openssl: an authority, and for localhost
//! one that is valid and one that has expired.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;

const SCRIPT: &str = "set -e
key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
openssl req -x509 $key -days 2 -subj /CN=authority-$$ -keyout ca.key -out ca.pem
openssl req $key -subj /CN=localhost -keyout key.pem -out csr.pem
printf subjectAltName=DNS:localhost > ext
sign='openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile ext'
$sign -days 2 -out cert.pem
$sign -days -1 -out expired.pem";

pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    pub(crate) fn make() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let made = Command::new("sh").args(["-c", SCRIPT]).current_dir(folder.path()).output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Ok(Self(folder))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Whom to trust.
    pub(crate) fn ca(&self) -> PathBuf {
        self.at("ca.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.at("key.pem")
    }

    pub(crate) fn valid(&self) -> PathBuf {
        self.at("cert.pem")
    }

    pub(crate) fn expired(&self) -> PathBuf {
        self.at("expired.pem")
    }

    /// Settings of a section that take a certificate and its key.
    pub(crate) fn settings(&self, section: &str, certificate: &Path) -> [String; 2] {
        [
            format!("{section}.tls_cert={}", certificate.display()),
            format!("{section}.tls_key={}", self.key().display()),
        ]
    }
}
