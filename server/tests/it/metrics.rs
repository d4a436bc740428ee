//! `/metrics` of the whole server: by Prometheus' own rules, and what the
//! dashboard for Grafana asks for.

use std::{collections::BTreeSet, process::Stdio};

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::support::{PATIENCE, Server};

const DASHBOARD: &str = include_str!("../../../deploy/grafana-dashboard.json");

/// The text of `/metrics` once a service has reported.
async fn metrics() -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let server = Server::serve(folder.path()).await?;
    let sample = komandorr_wire::Sample {
        up: 5_000,
        down: 700,
        interval_ms: 5_000,
        capacity: Some(125_000_000),
        cpu_percent: Some(12.5),
        memory_percent: Some(40.0),
        ..komandorr_wire::Sample::default()
    };
    server.publish("web-1", komandorr_wire::encode(&[sample])).await?;
    server.publish("web-1", b"nonsense".to_vec()).await?;
    let seen = |now: &Value| now["totals"]["up_bytes_total"].as_u64().filter(|&bytes| bytes > 0);
    server.until("/api/traffic/current", seen).await?;
    Ok(reqwest::get(format!("{}/metrics", server.http)).await?.text().await?)
}

/// Names of the metrics, as `# TYPE` has them.
fn families(text: &str) -> BTreeSet<&str> {
    text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

#[tokio::test]
async fn promtool_finds_nothing_to_say_about_the_metrics() -> anyhow::Result<()> {
    let text = metrics().await?;
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("promtool is in Debian's package prometheus")?;
    let mut input = promtool.stdin.take().context("a pipe")?;
    input.write_all(text.as_bytes()).await?;
    drop(input);
    let output = timeout(PATIENCE, promtool.wait_with_output()).await??;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(output.status.success() && said.trim().is_empty(), "promtool says: {said}\n{text}");
    for family in families(&text) {
        let help = format!("# HELP {family} ");
        assert_eq!(text.matches(&help).count(), 1, "{family}");
        let of_process = family.starts_with("process_");
        assert!(family.starts_with("komandorr_") || of_process, "{family}");
    }
    Ok(())
}

/// Names that an expression of the dashboard asks for.
fn asked(expression: &str) -> impl Iterator<Item = &str> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("komandorr_") || word.starts_with("process_"))
}

/// Every text that stands under a key, at whatever depth.
fn texts<'a>(value: &'a Value, key: &str, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(key).and_then(Value::as_str));
            fields.values().for_each(|inner| texts(inner, key, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| texts(inner, key, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_dashboard_asks_for_metrics_that_are_there() -> anyhow::Result<()> {
    let text = metrics().await?;
    let dashboard: Value = serde_json::from_str(DASHBOARD)?;
    let (mut expressions, mut queries) = (Vec::new(), Vec::new());
    texts(&dashboard["panels"], "expr", &mut expressions);
    texts(&dashboard["templating"], "query", &mut queries);
    ensure!(expressions.len() > 20 && queries.len() == 3, "the dashboard is not what it was");
    let series: BTreeSet<_> =
        text.lines().filter_map(|line| line.split(['{', ' ']).next()).collect();
    let mut used = BTreeSet::new();
    for name in expressions.iter().chain(&queries).flat_map(|text| asked(text)) {
        assert!(series.contains(name), "{name} is not in /metrics");
        used.insert(
            name.trim_end_matches("_bucket").trim_end_matches("_sum").trim_end_matches("_count"),
        );
    }
    assert!(used.len() > 20, "{used:?}");
    Ok(())
}
