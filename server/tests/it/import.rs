//! `komandorr import` against a running server: everything once, however often
//! it is repeated, and nothing of what is live is disturbed.

use std::{fs, path::Path};

use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use komandorr_wire::{Sample, encode, encode_one};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::support::{Server, complaint, run};

const GIB: f64 = 1_073_741_824.0;
const VNSTAT: &str = include_str!("../../../import/tests/vnstat-2.10.json");

/// Runs `komandorr import` as the operator of a server.
async fn import(
    server: &Server,
    folder: &Path,
    arguments: &[&str],
) -> anyhow::Result<std::process::Output> {
    let listen = format!("http.listen={}", server.http.trim_start_matches("http://"));
    let database = format!("storage.path={}", folder.join("komandorr.duckdb").display());
    let settings = ["--set", &listen, "--set", &database, "--json", "import"];
    run(&[&settings[..], arguments].concat(), folder).await
}

async fn imported(server: &Server, folder: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = import(server, folder, arguments).await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    Ok(serde_json::from_slice(&output.stdout)?)
}

async fn vnstat_imported(server: &Server, folder: &Path, service: &str) -> anyhow::Result<Value> {
    fs::write(folder.join("vnstat.json"), VNSTAT)?;
    let arguments = ["--vnstat", "vnstat.json", "--service", service, "--zone", "Europe/Berlin"];
    imported(server, folder, &arguments).await
}

async fn berlin(folder: &Path) -> anyhow::Result<Server> {
    // The databases are of 2025, and asked for to the minute.
    let settings = ["site.time_zone=Europe/Berlin", "storage.keep_five_minutes=50 years"];
    Server::serve_with(folder, &settings).await
}

fn of<'a>(current: &'a Value, id: &str) -> &'a Value {
    let services = current["services"].as_array().map(Vec::as_slice).unwrap_or_default();
    services.iter().find(|service| service["service"] == id).unwrap_or(&Value::Null)
}

/// A database of the original with two hours of traffic, told every 2 s for
/// the last minutes.
fn database(folder: &Path, minutes: u32) -> anyhow::Result<()> {
    database_from(folder, "2025-06-20T10:00:00Z".parse()?, minutes)
}

fn database_from(folder: &Path, begin: Timestamp, minutes: u32) -> anyhow::Result<()> {
    let path = folder.join("komandorr.db");
    drop(fs::remove_file(&path));
    let connection = Connection::open(path)?;
    connection.execute_batch(
        r#"CREATE TABLE services (id TEXT PRIMARY KEY, name TEXT NOT NULL, url TEXT, type TEXT,
             "group" TEXT, bandwidth_up REAL, bandwidth_down REAL, total_up REAL, total_down REAL,
             max_bandwidth REAL, traffic_last_updated TEXT);
           CREATE TABLE traffic_history (id INTEGER PRIMARY KEY, service_id TEXT, timestamp TEXT,
             bandwidth_up REAL, bandwidth_down REAL, total_up REAL, total_down REAL);
           INSERT INTO services VALUES
             ('web-1', 'Web server', 'https://web.example', 'website', 'Edge', 0, 0, 0, 0, 250, NULL),
             ('idle', 'Idle', '', 'app', NULL, 0, 0, 0, 0, NULL, NULL),
             ('no id', 'Another', '', 'app', NULL, 0, 0, 0, 0, NULL, NULL);"#,
    )?;
    for second in (0..minutes * 60).step_by(2) {
        let at = begin.checked_add(SignedDuration::from_secs(second.into()))?;
        let at = at.strftime("%Y-%m-%d %H:%M:%S.000000").to_string();
        let total = |each: f64| ((f64::from(second) * each) * 1000.0).round() / 1000.0;
        connection.execute(
            "INSERT INTO traffic_history VALUES (NULL, 'web-1', ?1, 1.02, 0.51, ?2, ?3)",
            (at, 1500.0 + total(0.001), 300.0 + total(0.0005)),
        )?;
    }
    Ok(())
}

#[tokio::test]
async fn the_original_s_database_is_taken_once_and_its_agents_go_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = berlin(folder.path()).await?;
    database(folder.path(), 10)?;
    let first = imported(&server, folder.path(), &["komandorr.db"]).await?;
    assert_eq!(first["taken"][0]["registered"], "now", "{first}");
    assert!(first["not_taken"].to_string().contains("no id"), "{first}");
    let services = server.get("/api/services/").await?;
    assert_eq!((&services[1]["id"], &services[1]["name"]), (&json!("web-1"), &json!("Web server")));
    assert_eq!((&services[1]["group"], &services[1]["type"]), (&json!("Edge"), &json!("website")));
    let total = async || {
        let current = server.get("/api/traffic/current?service=web-1").await?;
        let web = of(&current, "web-1");
        assert_ne!(web["state"], "live", "history is not live: {web}");
        anyhow::Ok(web["up_bytes_total"].as_f64().unwrap_or_default())
    };
    let counted = total().await?;
    assert!((counted - 1500.598 * GIB).abs() < 0.001 * GIB, "{counted}");
    let again = imported(&server, folder.path(), &["komandorr.db"]).await?;
    assert_eq!((&again["taken"][0]["samples"], total().await?), (&json!(0), counted));
    // The original ran on meanwhile: only what is new is taken.
    database(folder.path(), 20)?;
    imported(&server, folder.path(), &["komandorr.db"]).await?;
    let longer = total().await?;
    assert!((longer - 1501.198 * GIB).abs() < 0.001 * GIB, "{longer}");
    let query = "service=web-1&from=2025-06-20T10:10:00Z&to=2025-06-20T10:20:00Z&step=5m";
    let history = server.get(&format!("/api/traffic/history?{query}")).await?;
    let bytes = history["series"][0]["summary"]["up_bytes"].as_f64().context("bytes")?;
    assert!((bytes - 0.6 * GIB).abs() < 0.004 * GIB, "{bytes}");
    // Its agent now reports here: what it counted since is the difference.
    let report = json!({"service_id": "web-1", "bandwidth_up": 1.0, "bandwidth_down": 0.5,
        "total_up": 1502.198, "total_down": 301.0});
    let posted = reqwest::Client::new().post(format!("{}/api/traffic/update", server.http));
    assert!(posted.json(&report).send().await?.status().is_success());
    let now = server.get("/api/traffic/current?service=web-1").await?;
    let web = of(&now, "web-1");
    let reached = web["up_bytes_total"].as_f64().context("bytes")?;
    assert!((reached - 1502.198 * GIB).abs() < 0.001 * GIB, "{reached}");
    assert_eq!(web["state"], "live");
    // Repeated once more, with everything restarted: as it was.
    imported(&server, folder.path(), &["komandorr.db"]).await?;
    drop(server);
    let server = berlin(folder.path()).await?;
    let now = server.get("/api/traffic/current?service=web-1").await?;
    assert_eq!(of(&now, "web-1")["up_bytes_total"].as_f64(), Some(reached));
    Ok(())
}

#[tokio::test]
async fn what_an_agent_counted_after_the_database_is_added_once() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = berlin(folder.path()).await?;
    database(folder.path(), 10)?;
    // Half an hour later, on the agent's own clock: 0.402 and 0.701 GiB more.
    let state = json!({"total_sent_gb": 1501.0, "total_recv_gb": 301.0,
        "last_updated": "2025-06-20T12:40:00.000001"});
    fs::create_dir(folder.path().join("agent"))?;
    fs::write(folder.path().join("agent/.traffic_state_web-1.json"), state.to_string())?;
    fs::write(folder.path().join("agent/.traffic_state_gone.json"), state.to_string())?;
    let arguments = ["komandorr.db", "--agent-state", "agent", "--zone", "Europe/Berlin"];
    let first = imported(&server, folder.path(), &arguments).await?;
    assert!(first["not_taken"].to_string().contains("gone"), "{first}");
    let totals = async || {
        let current = server.get("/api/traffic/current?service=web-1").await?;
        let web = of(&current, "web-1");
        let bytes = |field: &str| web[field].as_f64().unwrap_or_default();
        anyhow::Ok((bytes("up_bytes_total"), bytes("down_bytes_total")))
    };
    let counted = totals().await?;
    let near = |bytes: f64, gib: f64| (bytes - gib * GIB).abs() < 0.001 * GIB;
    assert!(near(counted.0, 1501.0) && near(counted.1, 301.0), "{counted:?}");
    let later = "service=web-1&from=2025-06-20T10:11:00Z&to=2025-06-20T11:00:00Z&step=5m";
    let history = server.get(&format!("/api/traffic/history?{later}")).await?;
    let bytes = history["series"][0]["summary"]["up_bytes"].as_f64().context("bytes")?;
    assert!(bytes > 0.35 * GIB && bytes < 0.41 * GIB, "when it was: {bytes}");
    let again = imported(&server, folder.path(), &arguments).await?;
    assert_eq!((&again["taken"][0]["samples"], totals().await?), (&json!(0), counted));
    Ok(())
}

#[tokio::test]
async fn vnstat_s_days_are_ours_and_what_is_live_stays_as_it_is() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = berlin(folder.path()).await?;
    let taken = vnstat_imported(&server, folder.path(), "host").await?;
    let document: Value = serde_json::from_str(VNSTAT)?;
    let traffic = &document["interfaces"][0]["traffic"];
    assert_eq!(taken["taken"][0]["up_bytes"], traffic["total"]["tx"], "{taken}");
    let day = |row: &Value| -> anyhow::Result<(String, String)> {
        let begin = Timestamp::from_second(row["timestamp"].as_i64().context("a time")?)?;
        let end = begin.checked_add(SignedDuration::from_hours(24))?;
        Ok((begin.to_string(), end.to_string()))
    };
    let days = traffic["day"].as_array().context("days")?;
    // Without the day that is not over.
    for row in days.iter().take(days.len() - 1) {
        let (from, to) = day(row)?;
        let path = format!("/api/traffic/history?service=host&from={from}&to={to}&step=1h");
        let summary = server.get(&path).await?["series"][0]["summary"].clone();
        assert_eq!(
            (&summary["up_bytes"], &summary["down_bytes"]),
            (&row["tx"], &row["rx"]),
            "{from}"
        );
    }
    // A live service does not notice.
    let sample = Sample { up: 10_000_000, interval_ms: 5000, ..Sample::default() };
    server.publish("live", encode_one(&sample)).await?;
    let before = server.get("/api/traffic/current?service=live").await?;
    let service = ["--vnstat", "vnstat.json", "--service", "live", "--zone", "Europe/Berlin"];
    imported(&server, folder.path(), &service).await?;
    let after = server.get("/api/traffic/current?service=live").await?;
    for field in ["state", "up_bytes_per_second", "sampled_at", "interval_seconds"] {
        assert_eq!(of(&before, "live")[field], of(&after, "live")[field], "{field}");
    }
    let total = of(&after, "live")["up_bytes_total"].as_u64();
    assert_eq!(total, traffic["total"]["tx"].as_u64().map(|tx| tx + 10_000_000));
    let again = imported(&server, folder.path(), &service).await?;
    assert_eq!(again["taken"][0]["samples"], 0);
    Ok(())
}

/// Posts a report as the original's agent does.
async fn post(server: &Server, total_up: f64) -> anyhow::Result<()> {
    let report = json!({"service_id": "web-1", "bandwidth_up": 1.0, "bandwidth_down": 0.5,
        "total_up": total_up, "total_down": 301.0});
    let posted = reqwest::Client::new().post(format!("{}/api/traffic/update", server.http));
    ensure!(posted.json(&report).send().await?.status().is_success());
    Ok(())
}

async fn total_of_web(server: &Server) -> anyhow::Result<f64> {
    let current = server.get("/api/traffic/current?service=web-1").await?;
    of(&current, "web-1")["up_bytes_total"].as_f64().context("bytes")
}

#[tokio::test]
async fn after_vnstat_s_totals_the_agent_s_own_are_not_traffic() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = berlin(folder.path()).await?;
    vnstat_imported(&server, folder.path(), "web-1").await?;
    let before = total_of_web(&server).await?;
    post(&server, 1500.0).await?;
    let more = total_of_web(&server).await? - before;
    assert!(more > 0.0 && more < 0.01 * GIB, "two seconds at 1 MiB/s: {more}");
    Ok(())
}

#[tokio::test]
async fn vnstat_in_between_does_not_hide_the_original_s_totals() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = berlin(folder.path()).await?;
    database(folder.path(), 10)?;
    imported(&server, folder.path(), &["komandorr.db"]).await?;
    vnstat_imported(&server, folder.path(), "web-1").await?;
    let before = total_of_web(&server).await?;
    post(&server, 1501.598).await?;
    let more = total_of_web(&server).await? - before;
    assert!((more - GIB).abs() < 0.001 * GIB, "what it grew by since the database: {more}");
    Ok(())
}

#[tokio::test]
async fn a_late_import_doubles_nothing_that_a_report_has_brought() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = berlin(folder.path()).await?;
    let begin = Timestamp::now().checked_sub(SignedDuration::from_hours(2))?;
    database_from(folder.path(), begin, 10)?;
    imported(&server, folder.path(), &["komandorr.db"]).await?;
    // What it counted since the copy comes with its first report ...
    post(&server, 1502.198).await?;
    // ... which many others push out of memory.
    let ended_ms = |n: i64| Timestamp::now().as_millisecond() - 1000 * n;
    let one = |n| Sample { interval_ms: 1, ended_ms: Some(ended_ms(n)), ..Sample::default() };
    server.publish("web-1", encode(&(0..150).map(one).collect::<Vec<_>>())).await?;
    let before = total_of_web(&server).await?;
    database_from(folder.path(), begin, 20)?;
    let late = imported(&server, folder.path(), &["komandorr.db"]).await?;
    assert!(late["not_taken"].to_string().contains("reports by itself"), "{late}");
    let doubled = total_of_web(&server).await? - before;
    assert!(doubled < 0.002 * GIB, "{doubled}");
    Ok(())
}

#[tokio::test]
async fn until_a_service_reports_an_import_goes_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = berlin(folder.path()).await?;
    database(folder.path(), 10)?;
    imported(&server, folder.path(), &["komandorr.db"]).await?;
    let progress = "/api/import/progress?service=web-1&source=komandorr.db";
    assert_eq!(server.get(progress).await?["own_since"], Value::Null);
    // As late after the registration as a clock may run ahead.
    let begin = Timestamp::now().checked_add(SignedDuration::from_secs(3))?;
    let ended_ms = Some(begin.as_millisecond() + 1000);
    let sample = Sample { interval_ms: 1000, ended_ms, ..Sample::default() };
    server.publish("web-1", encode_one(&sample)).await?;
    let since = server.get(progress).await?["own_since"].as_str().map(str::parse);
    let since: Timestamp = since.context("it reports")??;
    assert_eq!(since.as_millisecond(), begin.as_millisecond());
    Ok(())
}

#[tokio::test]
async fn a_damaged_or_missing_file_changes_nothing_and_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let server = Server::serve(folder.path()).await?;
    database(folder.path(), 1)?;
    let whole = fs::read(folder.path().join("komandorr.db"))?;
    fs::write(folder.path().join("torn.db"), whole.get(..whole.len() / 3).unwrap_or_default())?;
    fs::write(folder.path().join("half.json"), VNSTAT.get(..9000).unwrap_or_default())?;
    for (arguments, word) in [
        (&["torn.db"][..], "torn.db"),
        (&["none.db"], "cannot read none.db"),
        (&["half.json"], "not a database"),
        (&["--vnstat", "half.json", "--service", "host"], "nothing was imported"),
        (&["--vnstat", "komandorr.db", "--service", "host"], "vnstat --json"),
        (&["komandorr.db", "--agent-state", "none"], "cannot read none"),
        (&["--vnstat", "half.json", "--service", "h", "--zone", "Mars"], "--zone Mars"),
    ] {
        let output = import(&server, folder.path(), arguments).await?;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = complaint(&output)?;
        assert!(said.contains(word), "{arguments:?}: {said}");
    }
    assert_eq!(server.get("/api/services/").await?, json!([]));
    Ok(())
}
