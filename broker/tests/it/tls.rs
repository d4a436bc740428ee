//! The TLS door.

use std::{net::SocketAddr, path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use komandorr_broker::{Config, Door, Refused, Tls, Transport};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Duration, Instant, timeout},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use crate::support::*;

const DOOR: Door = Door { transport: Transport::Tls, trusted: false };

/// Writes a fresh self-signed certificate; gives its PEM.
fn certificate(folder: &Path) -> Result<String> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    std::fs::write(folder.join("cert.pem"), made.cert.pem())?;
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem())?;
    Ok(made.cert.pem())
}

struct Secure {
    server: Server,
    address: SocketAddr,
    tls: Tls,
    folder: tempfile::TempDir,
    pem: String,
}

async fn secure(config: Config) -> Result<Secure> {
    let folder = tempfile::tempdir()?;
    let pem = certificate(folder.path())?;
    let tls = Tls::load(&folder.path().join("cert.pem"), &folder.path().join("key.pem"))?;
    let mut server = start_with(config, TRUSTED).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (broker, door_tls) = (server.broker.clone(), tls.clone());
    server.tasks.spawn(async move { broker.serve_tls(listener, DOOR, door_tls).await });
    Ok(Secure { server, address, tls, folder, pem })
}

async fn open(
    address: SocketAddr,
    pem: &str,
    versions: &[&'static SupportedProtocolVersion],
) -> Result<Raw<TlsStream<TcpStream>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pem.as_bytes())?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let connect = TlsConnector::from(Arc::new(config));
    let handshake = connect.connect(ServerName::try_from("localhost")?, stream);
    Ok(Raw { stream: timeout(PATIENCE, handshake).await.context("TLS handshake")?? })
}

#[tokio::test]
async fn both_versions_of_tls_and_of_mqtt_are_spoken() -> Result<()> {
    let mut it = secure(Config::default()).await?;
    for version in [&TLS12, &TLS13] {
        for level in [4, 5] {
            let mut client = open(it.address, &it.pem, &[version]).await?;
            let spoken = client.stream.get_ref().1.protocol_version();
            ensure!(spoken == Some(version.version));
            client.send(&connect(level, "c", Some(("web-1", "token-of-web-1")))).await?;
            ensure!(client.packet().await?[3] == 0);
            client.send(&publish(level, 2, "komandorr/traffic/web-1", 1, b"secret")).await?;
            client.expect(&[0x40, 2, 0, 1]).await?;
            ensure!(*it.server.next_stored().await?.payload == *b"secret");
        }
    }
    ensure!(TLS13.version == ProtocolVersion::TLSv1_3);
    let tls = |c: &&komandorr_broker::ConnectionCount| c.transport == Transport::Tls;
    let opened: u64 =
        it.server.broker.metrics().connections.iter().filter(tls).map(|c| c.opened).sum();
    ensure!(opened == 4);
    Ok(())
}

#[tokio::test]
async fn silent_sockets_at_every_door_delay_nobody() -> Result<()> {
    let config = Config { handshake_timeout: Duration::from_secs(1), ..Config::default() };
    let it = secure(config).await?;
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(Raw::open(it.address).await?);
        silent.push(Raw::open(it.server.address).await?);
    }
    // A handshake that stops half-way.
    silent[0].send(&[0x16, 3, 1, 0, 200, 1]).await?;
    let start = Instant::now();
    let mut client = open(it.address, &it.pem, &[&TLS13]).await?;
    client.send(&connect(4, "c", Some(("web-1", "token-of-web-1")))).await?;
    client.packet().await?;
    Raw::connect(it.server.address, 4, "d").await?.ping().await?;
    ensure!(start.elapsed() < Duration::from_millis(800), "{:?}", start.elapsed());
    for mut socket in silent {
        socket.rest().await?;
    }
    it.server.until(|m| m.refused(Refused::HandshakeTimeout) == 40).await?;
    client.ping().await
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() -> Result<()> {
    let it = secure(Config::default()).await?;
    open(it.address, &it.pem, &[&TLS13]).await?;
    let fresh = certificate(it.folder.path())?;
    it.tls.reload()?;
    ensure!(open(it.address, &it.pem, &[&TLS13]).await.is_err());
    open(it.address, &fresh, &[&TLS13]).await?;
    std::fs::write(it.folder.path().join("key.pem"), "no key")?;
    let error = it.tls.reload().err().context("a broken key was taken")?;
    ensure!(error.to_string().contains("key.pem"), "{error}");
    open(it.address, &fresh, &[&TLS13]).await?;
    Ok(())
}

#[tokio::test]
async fn a_changed_file_is_noticed_without_being_told() -> Result<()> {
    let it = secure(Config::default()).await?;
    open(it.address, &it.pem, &[&TLS13]).await?;
    let fresh = certificate(it.folder.path())?;
    let look = async {
        while open(it.address, &fresh, &[&TLS13]).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, look).await.context("the new certificate was not noticed")
}

#[tokio::test]
async fn plain_mqtt_at_the_tls_door_is_turned_away() -> Result<()> {
    let it = secure(Config::default()).await?;
    let mut client = Raw::open(it.address).await?;
    client.send(&connect(4, "c", None)).await?;
    client.rest().await?;
    it.server.until(|m| m.refused(Refused::Tls) == 1).await
}
