//! The original's WebSocket: what it tells, whom it lets in, whom it lets go.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::{SinkExt, StreamExt, future::try_join_all};
use komandorr_collector::registry::{ADMIN, ServiceDetails};
use komandorr_web::Config;
use komandorr_wire::ServiceId;
use serde_json::Value;
use tokio::{io::AsyncReadExt, time::timeout};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{UPDATE, is_time, post, report, stage};
use crate::{
    raw::without_reading,
    support::{PATIENCE, Stage, sample},
};

#[tokio::test]
async fn the_socket_speaks_at_once_and_on_change_at_most_once_a_second() -> Result<()> {
    let stage = stage().await?;
    let url = format!("ws://{}/api/traffic/ws", stage.address);
    let (mut socket, _) = connect_async(url).await?;
    let mut next = async || {
        loop {
            let frame = timeout(PATIENCE, socket.next()).await?.context("the end")??;
            if let Message::Text(text) = frame {
                socket.send(Message::Text("whatever".into())).await?;
                return anyhow::Ok(serde_json::from_str::<Value>(&text)?);
            }
        }
    };
    assert_eq!(next().await?["total_services"], 2);
    let begun = std::time::Instant::now();
    for n in 1..=10 {
        post(&stage, &report("web-1", [f64::from(n), 0.0], [1.0, 1.0])).await?;
    }
    let mut frames = 0;
    loop {
        let frame = next().await?;
        frames += 1;
        let point = &frame["services"][0]["traffic_history"][0];
        assert!(point["bandwidth_up"].is_number() && is_time(&point["timestamp"]), "{frame}");
        if frame["total_bandwidth_up"] == 10.0 {
            break;
        }
    }
    assert!(frames <= begun.elapsed().as_secs() + 1, "{frames} frames");
    let plain = reqwest::get(stage.url("/api/traffic/ws")).await?;
    assert_eq!(plain.status(), 426);
    stage.close().await?;
    Ok(())
}

/// What answers a client that opens the socket: 101, or a refusal.
async fn opened(stage: &Stage, query: &str, head: Option<(&'static str, String)>) -> Result<u16> {
    let mut request =
        format!("ws://{}/api/traffic/ws{query}", stage.address).into_client_request()?;
    if let Some((name, value)) = head {
        request.headers_mut().insert(name, HeaderValue::try_from(value)?);
    }
    match connect_async(request).await {
        Ok((mut socket, answer)) => {
            let first = timeout(PATIENCE, socket.next()).await?.context("the end")??;
            ensure!(first.is_text(), "{first:?}");
            Ok(answer.status().as_u16())
        }
        Err(Error::Http(refusal)) => Ok(refusal.status().as_u16()),
        Err(error) => Err(error.into()),
    }
}

#[tokio::test]
async fn behind_a_login_the_socket_takes_a_cookie_basic_or_a_token_in_its_address() -> Result<()> {
    let stage = Stage::with(|app| app.access.trusted = false).await?;
    let id = ServiceId::new("web-1")?;
    let (_, agent) = stage.registry.create(&id, ServiceDetails::default())?;
    stage.registry.set_password("correct horse")?;
    let reader = stage.registry.create_reader("wall", None)?;
    assert_eq!(opened(&stage, "", None).await?, 401);
    assert_eq!(opened(&stage, "?token=kmd_0", None).await?, 401);
    assert_eq!(opened(&stage, &format!("?token={}", reader.expose()), None).await?, 101);
    let basic = |name: &str, password: &str| {
        let request = reqwest::Client::new().get(stage.url("/")).basic_auth(name, Some(password));
        let head = request.build()?.headers()["authorization"].to_str()?.to_owned();
        anyhow::Ok(("authorization", head))
    };
    let admin = basic(ADMIN, "correct horse")?;
    assert_eq!(opened(&stage, "", Some(admin)).await?, 101);
    assert_eq!(opened(&stage, "", Some(basic("wall", reader.expose())?)).await?, 101);
    let form = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let entered = form
        .post(stage.url("/login"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("name=admin&password=correct+horse&next=/");
    let entered = entered.send().await?;
    let cookie = entered.headers()["set-cookie"].to_str()?.split(';').next().context("a cookie")?;
    assert_eq!(opened(&stage, "", Some(("cookie", cookie.to_owned()))).await?, 101);
    // Reports as well: the agent by its token, the administrator by name.
    let body = report("web-1", [1.0, 1.0], [1.0, 1.0]);
    for (name, password, status) in
        [("web-1", agent.expose(), 200), (ADMIN, "correct horse", 200), (ADMIN, "wrong", 401)]
    {
        let request = reqwest::Client::new().post(stage.url(UPDATE)).json(&body);
        let answer = request.basic_auth(name, Some(password)).send().await?;
        assert_eq!(answer.status().as_u16(), status, "{name} {password}");
    }
    // Of itself alone.
    stage.registry.register(&ServiceId::new("db-1")?, ServiceDetails::default())?;
    let other = report("db-1", [1.0, 1.0], [1.0, 1.0]);
    let request = reqwest::Client::new().post(stage.url(UPDATE)).json(&other);
    let answer = request.basic_auth("web-1", Some(agent.expose())).send().await?;
    assert_eq!(answer.status(), 403);
    stage.close().await?;
    Ok(())
}

/// What makes a request one for a socket.
const UPGRADE: &[&str] = &[
    "connection: upgrade",
    "upgrade: websocket",
    "sec-websocket-version: 13",
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
];

#[tokio::test]
async fn a_reader_of_the_socket_that_takes_nothing_is_let_go_and_holds_up_nobody() -> Result<()> {
    let site = Config { slow_client: Duration::from_millis(500), ..Config::default() };
    let stage = Stage::over(tempfile::tempdir()?, "127.0.0.1:0".parse()?, site, |_| ()).await?;
    // Frames so large that what the system keeps for a socket is soon full.
    for i in 0..1500 {
        let id = ServiceId::new(&format!("{}-{i:04}", "s".repeat(59)))?;
        let details = ServiceDetails { name: "n".repeat(500), ..ServiceDetails::default() };
        stage.registry.register(&id, details)?;
    }
    let services = stage.registry.services();
    let report = [sample(1_000_000, 0, 5)];
    let reports = services.iter().map(|service| stage.publish(service.id.as_str(), &report));
    try_join_all(reports).await?;
    let mut slow = without_reading(&stage, "/api/traffic/ws", UPGRADE).await?;
    let (mut reader, _) = connect_async(format!("ws://{}/api/traffic/ws", stage.address)).await?;
    let mut bytes = 0;
    let mut speed = 1_000_000;
    // More than loopback's buffers hold.
    while bytes < 8_000_000 {
        speed += 1000;
        stage.publish("web-1", &[sample(speed, 0, 5)]).await?;
        let frame = timeout(PATIENCE, reader.next()).await.context("the other reader waits")?;
        bytes += frame.context("the other reader is let go")??.len();
    }
    let ended = timeout(PATIENCE, slow.read_to_end(&mut Vec::new())).await;
    assert!(ended.is_ok(), "the slow one stays");
    drop(reader);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_taken_back_closes_its_sockets() -> Result<()> {
    let stage = Stage::with(|app| app.access.trusted = false).await?;
    stage.registry.register(&ServiceId::new("web-1")?, ServiceDetails::default())?;
    let token = stage.registry.create_reader("graphs", None)?;
    let url = format!("ws://{}/api/traffic/ws?token={}", stage.address, token.expose());
    let (mut socket, _) = connect_async(url).await?;
    let first = timeout(PATIENCE, socket.next()).await?.context("the end")??;
    ensure!(first.is_text(), "{first:?}");
    stage.registry.remove_reader("graphs")?;
    stage.publish("web-1", &[sample(1000, 0, 1)]).await?;
    let next = timeout(PATIENCE, socket.next()).await?;
    ensure!(matches!(next, Some(Ok(Message::Close(_))) | None), "{next:?}");
    drop(socket);
    stage.close().await?;
    Ok(())
}
