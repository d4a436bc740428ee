//! What connections are allowed, told and refused; files and their weight.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use komandorr_web::{ByteStream, MqttDoor};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::support::{FLEET, Stage, now_ms, sample};

#[tokio::test]
async fn every_answer_carries_the_security_headers() -> Result<()> {
    let stage = Stage::open().await?;
    for path in ["/", "/nope", "/api/nope", "/healthz", "/favicon.ico"] {
        let answer = reqwest::get(stage.url(path)).await?;
        let headers = answer.headers();
        let policy = headers["content-security-policy"].to_str()?;
        assert_eq!(
            policy,
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
             connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            "{path}"
        );
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY", "{path}");
        assert_eq!(headers["referrer-policy"], "same-origin", "{path}");
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_name_of_somebody_else_reads_and_changes_nothing() -> Result<()> {
    let stage = Stage::open().await?;
    let client = reqwest::Client::new();
    let asked = |method: reqwest::Method, path: &str| {
        client.request(method, stage.url(path)).header("host", "rebound.example:3000")
    };
    for path in ["/", "/api/traffic/current", "/mqtt"] {
        let answer = asked(reqwest::Method::GET, path).send().await?;
        assert_eq!(answer.status(), 421, "{path}");
        assert!(answer.text().await?.contains("http.hosts"), "{path}");
    }
    let change = asked(reqwest::Method::POST, "/api/services/").body("{\"id\":\"evil\"}");
    let change = change.header("content-type", "application/json");
    assert_eq!(change.send().await?.status(), 421);
    assert!(stage.registry.is_empty());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn no_page_needs_an_exception_of_the_policy() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[FLEET[0].sample(now_ms(), 5, 1)]).await?;
    for path in ["/", "/services/web-1", "/analytics", "/status", "/add", "/nope"] {
        let page = reqwest::get(stage.url(path)).await?.text().await?;
        for word in [" style=", " onclick=", " onload=", "javascript:", "<style", "https://"] {
            assert!(!page.contains(word), "{path} has {word}");
        }
        for script in page.split("<script").skip(1) {
            assert!(script.starts_with(" type=\"module\" src=\"/assets/"), "{path}");
        }
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn assets_are_kept_for_a_year_under_the_name_of_their_content() -> Result<()> {
    let stage = Stage::open().await?;
    let page = reqwest::get(stage.url("/")).await?.text().await?;
    let style =
        page.split('"').find(|part| part.starts_with("/assets/app-") && part.contains(".css"));
    let answer = reqwest::get(stage.url(style.context("a stylesheet")?)).await?;
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
    // This name stays when the picture changes.
    let icon = reqwest::get(stage.url("/favicon.ico")).await?;
    assert_eq!(icon.headers()["cache-control"], "public, max-age=86400");
    assert_eq!(icon.headers()["content-type"], "image/svg+xml");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_dashboard_of_a_thousand_services_stays_within_its_weight() -> Result<()> {
    let stage = Stage::open().await?;
    for i in 0..1000u64 {
        let id = format!("host-{i:04}");
        stage.publish(&id, &[sample(i * 1009, i * 503, 5)]).await?;
    }
    let client = reqwest::Client::new();
    let page = client.get(stage.url("/")).header("accept-encoding", "br").send().await?;
    assert_eq!(page.headers()["content-encoding"], "br");
    let page_bytes = page.bytes().await?.len();
    let html = reqwest::get(stage.url("/")).await?.text().await?;
    assert_eq!(html.matches("<tr id=\"row-").count(), 50);
    let mut sum = page_bytes;
    for path in html.split('"').filter(|part| part.starts_with("/assets/")) {
        let file = client.get(stage.url(path)).header("accept-encoding", "br").send().await?;
        sum += file.bytes().await?.len();
    }
    assert!(sum < 60_000, "{sum} bytes, {page_bytes} of them the page");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_site_closes_within_its_time_with_streams_and_idle_clients() -> Result<()> {
    let stage = Stage::open().await?;
    let stream = reqwest::get(stage.url("/api/traffic/stream")).await?;
    let page = reqwest::get(stage.url("/api/traffic/stream?view=dashboard")).await?;
    let silent = TcpStream::connect(stage.address).await?;
    let took = stage.close().await?;
    assert!(took < Duration::from_secs(5), "{took:?}");
    drop((stream, page, silent));
    Ok(())
}

/// A broker that sends back what it gets.
struct Echo;

impl MqttDoor for Echo {
    fn longest_packet(&self) -> usize {
        1000
    }

    fn serve(
        &self,
        mut stream: Box<dyn ByteStream>,
        _: SocketAddr,
        _: bool,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(async move {
            let mut bytes = [0; 5];
            while stream.read_exact(&mut bytes).await.is_ok() {
                if stream.write_all(&bytes).await.and(stream.flush().await).is_err() {
                    return;
                }
            }
        })
    }
}

#[tokio::test]
async fn mqtt_passes_through_a_web_socket_as_bytes() -> Result<()> {
    let stage = Stage::with(|app| app.mqtt = Some(Arc::new(Echo))).await?;
    let mut stream = web_socket(&stage).await?;
    // Two frames that share a packet: 3 and 2 bytes, masked with zero.
    stream.write_all(b"\x82\x83\0\0\0\0hel\x82\x82\0\0\0\0lo").await?;
    let mut echoed = [0; 7];
    stream.read_exact(&mut echoed).await?;
    assert_eq!(&echoed, b"\x82\x05hello");
    let took = stage.close().await?;
    assert!(took < Duration::from_secs(5), "{took:?}");
    Ok(())
}

#[tokio::test]
async fn a_web_socket_gathers_no_more_than_a_packet() -> Result<()> {
    let stage = Stage::with(|app| app.mqtt = Some(Arc::new(Echo))).await?;
    // One frame of 1001 bytes, or two of 600 that are one message: refused by their
    // heads, before what they announce is there.
    for heads in [&b"\x82\xfe\x03\xe9\0\0\0\0"[..], b"\x02\xfe\x02\x58\0\0\0\0"] {
        let mut stream = web_socket(&stage).await?;
        stream.write_all(heads).await?;
        if heads[0] == 2 {
            stream.write_all(&[b'x'; 600]).await?;
            stream.write_all(b"\x80\xfe\x02\x58\0\0\0\0").await?;
            stream.write_all(&[b'x'; 600]).await?;
        }
        let mut rest = Vec::new();
        // A connection with unread bytes may end with a reset.
        drop(timeout(Duration::from_secs(20), stream.read_to_end(&mut rest)).await?);
        assert!(!rest.windows(5).any(|part| part == b"xxxxx"), "{rest:?}");
    }
    stage.close().await?;
    Ok(())
}

/// A WebSocket at `/mqtt`, upgraded.
async fn web_socket(stage: &Stage) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(stage.address).await?;
    let request = format!(
        "GET /mqtt HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         sec-websocket-protocol: mqtt\r\n\r\n",
        stage.address
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head)?.to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101"), "{head}");
    assert!(head.contains("sec-websocket-protocol: mqtt"), "{head}");
    Ok(stream)
}

#[tokio::test]
async fn without_an_own_broker_the_door_says_so() -> Result<()> {
    let stage = Stage::open().await?;
    let answer = reqwest::get(stage.url("/mqtt")).await?;
    assert_eq!(answer.status(), 404);
    assert!(answer.text().await?.contains("no_broker"));
    stage.close().await?;
    Ok(())
}
