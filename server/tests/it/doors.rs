//! Every door, by every URL that an agent takes, while silent sockets stand in
//! all of them; and what a server with a wrong certificate is told.

use std::net::{SocketAddr, TcpListener};

use anyhow::{Context, ensure};
use komandorr_agent::{Config, commands::check, source::Synthetic};
use rumqttc::{AsyncClient, MqttOptions, QoS};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, timeout},
};

use crate::{
    certificates::Certificates,
    support::{PATIENCE, Server},
};

const UPGRADE: &str = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

/// A server with MQTT over TLS, and the site over TLS where that is asked for.
struct Doors {
    server: Server,
    mqtt: u16,
    mqtts: u16,
    site: u16,
    _folder: tempfile::TempDir,
}

impl Doors {
    async fn open(tls: &Certificates, expired: bool, site: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let certificate = if expired { tls.expired() } else { tls.valid() };
        let mqtts = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut settings = tls.settings("mqtt", &certificate).to_vec();
        settings.push(format!("mqtt.tls_listen=127.0.0.1:{mqtts}"));
        // Silent sockets stay for longer than anything here takes.
        settings.push("limits.handshake_timeout=120s".to_owned());
        if site {
            settings.extend(tls.settings("http", &certificate));
        }
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        let server = Server::serve_with(folder.path(), &settings).await?;
        let (_, site) = server.http.rsplit_once(':').context("no port")?;
        let site = site.parse()?;
        Ok(Self { mqtt: server.mqtt.1, mqtts, site, server, _folder: folder })
    }

    /// Connections at every door that say nothing, some after the upgrade.
    async fn silence(&self, upgraded: bool) -> anyhow::Result<Vec<TcpStream>> {
        let mut silent = Vec::new();
        for port in [self.mqtt, self.mqtts, self.site].repeat(15) {
            silent.push(TcpStream::connect(("127.0.0.1", port)).await?);
        }
        for _ in 0..if upgraded { 15 } else { 0 } {
            silent.push(upgrade(self.site).await?);
        }
        Ok(silent)
    }
}

/// A WebSocket at `/mqtt`.
async fn upgrade(port: u16) -> anyhow::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(UPGRADE.as_bytes()).await?;
    let mut answer = [0; 1024];
    let read = timeout(PATIENCE, stream.read(&mut answer)).await.context("no upgrade")??;
    let answer = String::from_utf8_lossy(&answer[..read]).to_lowercase();
    ensure!(
        answer.contains(" 101 ") && answer.contains("sec-websocket-protocol: mqtt"),
        "{answer}"
    );
    Ok(stream)
}

/// What `komandorr-agent check` says of a URL: one stored sample, or why not.
async fn try_url(url: &str, trusted: Option<&Certificates>) -> anyhow::Result<()> {
    let state = tempfile::tempdir()?;
    let mut config = Config::new(url.parse()?, "doors".parse()?, state.path().to_owned());
    config.ca = trusted.map(Certificates::ca);
    let mut source = Synthetic::new("eth0", None, || (1, 2));
    let mut out = Vec::new();
    let checked = timeout(PATIENCE, check(&config, &mut source, &mut out)).await;
    checked.with_context(|| format!("{url} takes too long"))?
}

async fn complaint(url: &str, trusted: Option<&Certificates>) -> String {
    try_url(url, trusted).await.err().map(|error| format!("{error:#}")).unwrap_or_default()
}

#[tokio::test]
async fn every_url_leads_in_past_silent_sockets_at_every_door() -> anyhow::Result<()> {
    let tls = Certificates::make()?;
    let plain = Doors::open(&tls, false, false).await?;
    let _silent = plain.silence(true).await?;
    let (mqtt, mqtts, site) = (plain.mqtt, plain.mqtts, plain.site);
    for url in [
        format!("mqtt://127.0.0.1:{mqtt}"),
        format!("mqtts://localhost:{mqtts}"),
        format!("ws://127.0.0.1:{site}/mqtt"),
        format!("http://localhost:{site}"),
    ] {
        try_url(&url, Some(&tls)).await.with_context(|| url.clone())?;
    }
    let secure = Doors::open(&tls, false, true).await?;
    let _silent = secure.silence(false).await?;
    for url in [
        format!("wss://localhost:{}/mqtt", secure.site),
        format!("https://localhost:{}", secure.site),
    ] {
        try_url(&url, Some(&tls)).await.with_context(|| url.clone())?;
    }
    Ok(())
}

/// A reverse proxy that serves the site below `/komandorr`: passes one request
/// on with headers of its own, and then bytes in both directions.
async fn proxy(listener: tokio::net::TcpListener, site: u16) -> anyhow::Result<()> {
    loop {
        let (mut client, _) = listener.accept().await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await?);
        }
        let head = String::from_utf8(head)?.replace("GET /komandorr/", "GET /");
        let named = head.lines().map(|line| match line.split_once(':') {
            Some((name, _)) if name.eq_ignore_ascii_case("host") => "Host: monitor.example",
            _ => line,
        });
        let passed = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\n\r\n";
        let head = named.filter(|line| !line.is_empty()).map(|line| format!("{line}\r\n"));
        let head = head.collect::<String>() + passed;
        let mut server = TcpStream::connect(("127.0.0.1", site)).await?;
        server.write_all(head.as_bytes()).await?;
        // Ends with either side.
        drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
    }
}

#[tokio::test]
async fn a_reverse_proxy_passes_the_agent_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::serve_with(folder.path(), &["http.hosts=monitor.example"]).await?;
    let (_, site) = server.http.rsplit_once(':').context("no port")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let mut proxies = tokio::task::JoinSet::new();
    proxies.spawn(proxy(listener, site.parse()?));
    try_url(&format!("http://127.0.0.1:{port}/komandorr"), None).await?;
    let current = server.get("/api/traffic/current").await?;
    assert_eq!(current["services"][0]["service"], "doors");
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_who_it_says_is_refused_with_advice() -> anyhow::Result<()> {
    let (tls, other) = (Certificates::make()?, Certificates::make()?);
    let (good, old) = (Doors::open(&tls, false, true).await?, Doors::open(&tls, true, true).await?);
    for (scheme, good, old) in [
        ("mqtts", good.mqtts, old.mqtts),
        ("wss", good.site, old.site),
        ("https", good.site, old.site),
    ] {
        let said = complaint(&format!("{scheme}://localhost:{good}"), Some(&other)).await;
        assert!(said.contains("--ca FILE"), "{scheme}, another authority: {said}");
        let said = complaint(&format!("{scheme}://127.0.0.1:{good}"), Some(&tls)).await;
        assert!(said.contains("name that stands in"), "{scheme}, another name: {said}");
        let said = complaint(&format!("{scheme}://localhost:{old}"), Some(&tls)).await;
        assert!(said.contains("has expired"), "{scheme}, expired: {said}");
        let said = complaint(&format!("{scheme}://localhost:{good}"), None).await;
        assert!(said.contains("--ca FILE"), "{scheme}, the system's authorities: {said}");
    }
    // And who expects no TLS is told so.
    let said = complaint(&format!("mqtt://127.0.0.1:{}", good.mqtts), None).await;
    assert!(said.starts_with("cannot connect to mqtt://"), "{said}");
    Ok(())
}

/// The value of a figure in the exposition.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok()).unwrap_or(-1.0)
}

#[tokio::test]
async fn the_figures_tell_what_went_through_the_doors() -> anyhow::Result<()> {
    let tls = Certificates::make()?;
    let doors = Doors::open(&tls, false, false).await?;
    try_url(&format!("mqtt://127.0.0.1:{}", doors.mqtt), None).await?;
    try_url(&format!("mqtts://localhost:{}", doors.mqtts), Some(&tls)).await?;
    try_url(&format!("http://127.0.0.1:{}", doors.site), None).await?;
    // A publish where nobody may.
    let address = SocketAddr::from(([127, 0, 0, 1], doors.mqtt));
    let options = MqttOptions::new("rude", address.ip().to_string(), address.port());
    let (client, mut events) = AsyncClient::new(options, 4);
    client.publish("other/topic", QoS::AtLeastOnce, false, "x").await?;
    while timeout(PATIENCE, events.poll()).await?.is_ok() {}
    let text = reqwest::get(format!("{}/metrics", doors.server.http)).await?.text().await?;
    for door in ["tcp", "tls", "websocket"] {
        let labels = format!("{{door=\"{door}\",version=\"5\"}}");
        let opened = figure(&text, &format!("komandorr_mqtt_connections_opened_total{labels}"));
        assert!(opened >= 1.0, "{door}: {text}");
    }
    let old = "komandorr_mqtt_connections_opened_total{door=\"tcp\",version=\"3.1.1\"}";
    for (name, least) in [
        (old, 1.0),
        ("komandorr_mqtt_publishes_total", 3.0),
        ("komandorr_mqtt_acknowledged_total", 3.0),
        ("komandorr_mqtt_refused_total{reason=\"publish\"}", 1.0),
        ("komandorr_mqtt_puback_seconds_count", 3.0),
        ("komandorr_mqtt_puback_seconds_bucket{le=\"+Inf\"}", 3.0),
        ("komandorr_mqtt_received_bytes_total", 300.0),
        ("komandorr_mqtt_sent_bytes_total", 50.0),
        ("komandorr_mqtt_router_restarts_total", 0.0),
        ("komandorr_mqtt_held_total{reason=\"unacknowledged_per_client\"}", 0.0),
    ] {
        assert!(figure(&text, name) >= least, "{name} is not {least}: {text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_clean_stop_closes_the_sockets_of_every_door() -> anyhow::Result<()> {
    let tls = Certificates::make()?;
    let mut doors = Doors::open(&tls, false, false).await?;
    let sockets = doors.silence(true).await?;
    doors.server.signal("TERM")?;
    for mut socket in sockets {
        let mut rest = Vec::new();
        // A reset is a close too.
        drop(timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await?);
    }
    assert_eq!(doors.server.ended().await?.code(), Some(0));
    Ok(())
}
