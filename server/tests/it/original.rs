//! The original's agent, unchanged but for its URL, against the real server.

use std::{fs, path::Path, process::Stdio, time::Duration};

use anyhow::{Context, ensure};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::{process::Command, time::timeout};

use crate::{
    mosquitto::Mosquitto,
    support::{PATIENCE, Server},
};

const GIB: f64 = 1_073_741_824.0;
const STEP: f64 = 0.001 * GIB;

/// Its folder with a counters file, and what it has counted.
struct Agent {
    folder: tempfile::TempDir,
    sent: u64,
    received: u64,
}

impl Agent {
    fn new() -> anyhow::Result<Self> {
        let agent =
            Self { folder: tempfile::tempdir()?, sent: 5_000_000_000, received: 700_000_000 };
        agent.write()?;
        Ok(agent)
    }

    fn write(&self) -> anyhow::Result<()> {
        let text = format!(
            "Inter-|   Receive\n face |bytes\n  eth0: {} 1 0 0 0 0 0 0 {} 1 0 0 0 0 0 0\n",
            self.received, self.sent
        );
        let (new, path) = (self.folder.path().join("new"), self.folder.path().join("counters"));
        fs::write(&new, text)?;
        Ok(fs::rename(new, path)?)
    }

    /// Runs it for some reports, while the counters grow; says what it printed.
    async fn run(
        &mut self,
        server: &Server,
        reports: u32,
        login: Option<(&str, &str)>,
    ) -> anyhow::Result<(bool, String)> {
        let mut command = Command::new("python3");
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/original_agent.py"))
            .current_dir(self.folder.path())
            .env("KOMANDORR_URL", &server.http)
            .env("SERVICE_ID", "web-1")
            .env("INTERVAL", "0.6")
            .env("COUNTERS", "counters")
            .env("REPORTS", reports.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        if let Some((user, password)) = login {
            command.env("KOMANDORR_USER", user).env("KOMANDORR_PASSWORD", password);
        }
        let ended = command.spawn()?.wait_with_output();
        let mut ended = std::pin::pin!(timeout(PATIENCE, ended));
        let mut traffic = tokio::time::interval(Duration::from_millis(100));
        let output = loop {
            tokio::select! {
                output = &mut ended => break output??,
                _ = traffic.tick() => {
                    self.sent += 20_000_000;
                    self.received += 1_234_567;
                    self.write()?;
                }
            }
        };
        Ok((output.status.success(), String::from_utf8(output.stdout)?))
    }

    /// Its totals in GiB, as its state file has them.
    fn totals(&self) -> anyhow::Result<(f64, f64)> {
        let text = fs::read(self.folder.path().join(".traffic_state_web-1.json"))?;
        let state: Value = serde_json::from_slice(&text)?;
        let total = |key: &str| state[key].as_f64().context("a total");
        Ok((total("total_sent_gb")?, total("total_recv_gb")?))
    }
}

async fn register(server: &Server, token: Option<&str>) -> anyhow::Result<Value> {
    let request = Client::new().post(format!("{}/api/services/", server.http));
    let request = match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    };
    let answer = request.json(&json!({"id": "web-1"})).send().await?;
    ensure!(answer.status() == StatusCode::CREATED, "{}", answer.text().await?);
    Ok(answer.json().await?)
}

/// What is shown is what the agent says; what is stored is what it counted.
async fn agrees(server: &Server, agent: &Agent, begun: (f64, f64)) -> anyhow::Result<()> {
    let (sent, received) = agent.totals()?;
    let now = server.get("/api/traffic/web-1/current").await?;
    let shown = |total: f64| json!((total * 1000.0).round() / 1000.0);
    assert_eq!((&now["total_up"], &now["total_down"]), (&shown(sent), &shown(received)));
    let current = server.get("/api/traffic/current?service=web-1").await?;
    let stored = |key: &str| current["services"][0][key].as_f64().unwrap_or_default();
    let grown = ((sent - begun.0) * GIB, (received - begun.1) * GIB);
    let (up, down) = (stored("up_bytes_total"), stored("down_bytes_total"));
    assert!((up - grown.0).abs() <= 2.0 * STEP, "sent {} and stored {up}", grown.0);
    assert!((down - grown.1).abs() <= 2.0 * STEP, "received {} and stored {down}", grown.1);
    assert!(grown.0 > 50.0 * STEP, "there was traffic: {}", grown.0);
    Ok(())
}

#[tokio::test]
async fn the_original_s_agent_reports_and_nothing_is_lost_over_a_restart() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::serve(folder.path()).await?;
    register(&server, None).await?;
    let mut agent = Agent::new()?;
    let (well, said) = agent.run(&server, 4, None).await?;
    assert!(well, "{said}");
    assert_eq!(
        said.lines().next(),
        Some(r#"200 {"status":"success","message":"Traffic data updated"}"#)
    );
    agrees(&server, &agent, (0.0, 0.0)).await?;
    server.signal("KILL")?;
    server.ended().await?;
    // Its totals go on; ours do too, without a seam.
    let server = Server::serve(folder.path()).await?;
    let (well, said) = agent.run(&server, 4, None).await?;
    assert!(well, "{said}");
    agrees(&server, &agent, (0.0, 0.0)).await
}

#[tokio::test]
async fn behind_a_login_it_shows_its_service_s_token() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::serve_with(folder.path(), &["access.trust_loopback=false"]).await?;
    let operator = fs::read_to_string(folder.path().join("komandorr.duckdb.operator-token"))?;
    let made = register(&server, Some(operator.trim())).await?;
    let token = made["token"].as_str().context("a token")?;
    let mut agent = Agent::new()?;
    for (login, detail) in [
        (None, "Authentication required"),
        (Some(("web-1", "guess")), "Invalid username or password"),
    ] {
        let (well, said) = agent.run(&server, 1, login).await?;
        assert!(!well && said.starts_with("401") && said.contains(detail), "{said}");
    }
    let (well, said) = agent.run(&server, 1, Some(("web-1", token))).await?;
    assert!(well, "{said}");
    let asked = Client::new().get(format!("{}/api/traffic/summary", server.http));
    let unreadable = asked.try_clone().context("a copy")?.header("authorization", "Basic %%");
    let answer: Value = unreadable.send().await?.json().await?;
    assert_eq!(answer, json!({"detail": "Authentication failed"}));
    // An agent publishes and reads nothing.
    let own = asked.basic_auth("web-1", Some(token)).send().await?;
    assert_eq!(own.status(), 403);
    assert!(own.json::<Value>().await?["detail"].is_string());
    Ok(())
}

#[tokio::test]
async fn through_another_broker_a_report_is_stored_once() -> anyhow::Result<()> {
    let (mut broker, folder) = (Mosquitto::start().await?, tempfile::tempdir()?);
    let setting = format!("mqtt.broker={}", broker.url());
    let server = Server::serve_with(folder.path(), &[&setting]).await?;
    let ready = |answer: &Value| (answer["status"] == "ready").then_some(());
    server.until("/readyz", ready).await?;
    register(&server, None).await?;
    let mut agent = Agent::new()?;
    let (well, said) = agent.run(&server, 3, None).await?;
    assert!(well, "{said}");
    let stored = |current: &Value| {
        let up = current["services"][0]["up_bytes_total"].as_f64()?;
        (up > 50.0 * STEP).then_some(())
    };
    server.until("/api/traffic/current", stored).await?;
    // Away and back: what could not be told is in the totals.
    broker.stop()?;
    broker.again().await?;
    server.until("/readyz", ready).await?;
    let (well, said) = agent.run(&server, 3, None).await?;
    assert!(well, "{said}");
    let (sent, _) = agent.totals()?;
    let all = |current: &Value| {
        let up = current["services"][0]["up_bytes_total"].as_f64()?;
        ((up - sent * GIB).abs() <= 2.0 * STEP).then_some(())
    };
    server.until("/api/traffic/current", all).await
}
