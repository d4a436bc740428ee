//! Downloads: the points of a range in three formats, and the whole database.

use anyhow::{Context, Result};
use reqwest::{Response, StatusCode, header};
use serde_json::Value;

use crate::support::{Stage, now_ms, sample_at};

/// Two services with a sample a minute over the last hours.
async fn filled() -> Result<Stage> {
    let stage = Stage::open().await?;
    let end = now_ms() / 3_600_000 * 3_600_000;
    for (service, speed) in [("web-1", 1000), ("web-2", 7)] {
        let samples: Vec<_> =
            (1..=120).map(|n| sample_at(end - 60_000 * (120 - n), speed, 1, 60)).collect();
        stage.publish(service, &samples).await?;
    }
    Ok(stage)
}

async fn get(stage: &Stage, path: &str) -> Result<Response> {
    let answer = reqwest::get(stage.url(path)).await?;
    anyhow::ensure!(answer.status() == StatusCode::OK, "{path}: {}", answer.text().await?);
    Ok(answer)
}

fn head(answer: &Response, name: &header::HeaderName) -> Result<String> {
    Ok(answer.headers().get(name).with_context(|| name.to_string())?.to_str()?.to_owned())
}

#[tokio::test]
async fn a_range_is_downloaded_in_each_format_under_a_name_that_tells_what_it_is() -> Result<()> {
    let stage = filled().await?;
    let path = "/api/traffic/export?hours=12";
    let csv = get(&stage, &format!("{path}&format=csv&service=web-1")).await?;
    assert_eq!(head(&csv, &header::CONTENT_TYPE)?, "text/csv; charset=utf-8");
    let name = head(&csv, &header::CONTENT_DISPOSITION)?;
    assert!(name.starts_with("attachment; filename=\"komandorr-web-1-20"), "{name}");
    assert!(name.ends_with("Z-5m.csv\""), "{name}");
    let csv = csv.text().await?;
    assert_eq!(csv.lines().count(), 1 + 24, "a head and two hours of five minutes");
    let first = csv.lines().nth(1).context("no line")?;
    assert!(first.starts_with("web-1,20"), "{first}");
    assert!(first.ends_with(",300000,300,1000,1,1000,1,1"), "{first}");

    let json = get(&stage, &format!("{path}&format=json&step=1h")).await?;
    assert_eq!(head(&json, &header::CONTENT_TYPE)?, "application/json");
    assert!(head(&json, &header::CONTENT_DISPOSITION)?.contains("komandorr-all-"));
    let json: Value = json.json().await?;
    assert_eq!(json["step_seconds"], 3600);
    let services: Vec<_> =
        json["series"].as_array().context("series")?.iter().map(|s| &s["service"]).collect();
    assert_eq!(services, ["web-1", "web-2"]);
    assert_eq!(json["series"][1]["points"][0]["up_bytes"], 7 * 3600);

    let parquet = get(&stage, &format!("{path}&format=parquet&service=web-2,web-1")).await?;
    assert_eq!(head(&parquet, &header::CONTENT_TYPE)?, "application/vnd.apache.parquet");
    let parquet = parquet.bytes().await?;
    assert!(parquet.starts_with(b"PAR1") && parquet.ends_with(b"PAR1"));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_download_that_cannot_be_is_told_which_parameter_is_wrong() -> Result<()> {
    let stage = filled().await?;
    for (query, status, word) in [
        ("", 400, "format"),
        ("format=xls", 400, "format"),
        ("format=csv&from=yesterday", 400, "from"),
        ("format=csv&from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z", 400, "from"),
        ("format=csv&to=soon", 400, "to must be"),
        ("format=csv&step=1y", 400, "step"),
        ("format=csv&service=a/b", 400, "service"),
        ("format=csv&service=web-1,nobody", 404, "nobody"),
    ] {
        let answer = reqwest::get(stage.url(&format!("/api/traffic/export?{query}"))).await?;
        assert_eq!(answer.status(), status, "{query}");
        let body: Value = answer.json().await?;
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(word), "{query}: {message}");
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_whole_database_is_downloaded_with_its_length() -> Result<()> {
    let stage = filled().await?;
    let backup = get(&stage, "/api/backup").await?;
    let name = head(&backup, &header::CONTENT_DISPOSITION)?;
    assert!(name.ends_with(".duckdb\""), "{name}");
    let length: usize = head(&backup, &header::CONTENT_LENGTH)?.parse()?;
    let bytes = backup.bytes().await?;
    assert_eq!(bytes.len(), length);
    assert_eq!(bytes.get(8..12), Some(&b"DUCK"[..]));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_compressed_download_comes_to_its_end() -> Result<()> {
    let stage = filled().await?;
    for path in ["/api/traffic/export?format=csv", "/api/traffic/export?format=json", "/api/backup"]
    {
        for encoding in ["gzip", "br", "identity"] {
            let request = reqwest::Client::new().get(stage.url(path));
            let answer = request.header(header::ACCEPT_ENCODING, encoding).send().await?;
            let said = answer.headers().get(header::CONTENT_ENCODING);
            let said = said.map_or("identity", |said| said.to_str().unwrap_or_default()).to_owned();
            assert!(path.contains("backup") || said == encoding, "{path}: {said}");
            let bytes = answer.bytes().await;
            let whole = bytes.with_context(|| format!("{path} with {encoding} breaks off"))?;
            assert!(!whole.is_empty(), "{path} with {encoding}");
        }
    }
    stage.close().await?;
    Ok(())
}
