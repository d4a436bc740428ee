//! TLS on the site's own port.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{interval, timeout},
};

use crate::{operator::Operated, support::PATIENCE};

/// Writes a fresh certificate with its key.
fn certify(folder: &Path) -> Result<()> {
    let fresh = rcgen::generate_simple_self_signed(["traffic.example".to_owned()])?;
    std::fs::write(folder.join("key.pem"), fresh.signing_key.serialize_pem())?;
    std::fs::write(folder.join("cert.pem"), fresh.cert.pem())?;
    Ok(())
}

#[tokio::test]
async fn the_site_speaks_tls_and_takes_a_renewed_certificate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    certify(folder.path())?;
    let setting =
        |name: &str, file: &str| format!("http.{name}={}", folder.path().join(file).display());
    let (cert, key) = (setting("tls_cert", "cert.pem"), setting("tls_key", "key.pem"));
    let it = Operated::start(folder.path(), &["access.trust_loopback=false", &cert, &key]).await?;
    assert!(it.server.http.starts_with("https://"), "{}", it.server.http);
    it.ok(&["service", "add", "web-1"]).await?;
    // Whoever does not speak TLS gets no answer, and holds up nobody.
    let address = it.server.http.trim_start_matches("https://");
    let mut plain = TcpStream::connect(address).await?;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await?;
    let mut said = Vec::new();
    let closed = timeout(PATIENCE, plain.read_to_end(&mut said)).await?;
    assert!(closed.is_err() || !said.starts_with(b"HTTP"), "{said:?}");
    // The commands trust exactly the certificate in the file: they get through
    // again once the server has taken the renewed one.
    certify(folder.path())?;
    let mut pause = interval(Duration::from_millis(200));
    let renewed = async {
        loop {
            pause.tick().await;
            if it.ok(&["service", "list"]).await.is_ok_and(|table| table.contains("web-1")) {
                return;
            }
        }
    };
    timeout(PATIENCE, renewed).await.context("the renewed certificate is not taken")
}
