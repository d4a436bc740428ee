//! The API as its clients see it.

use anyhow::{Context, Result};
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Stage, sample};

async fn get(stage: &Stage, path: &str) -> Result<(StatusCode, Value)> {
    let answer = reqwest::get(stage.url(path)).await?;
    let status = answer.status();
    Ok((status, answer.json().await?))
}

#[tokio::test]
async fn current_shows_a_published_sample() -> Result<()> {
    let stage = Stage::open().await?;
    let mut fresh = sample(2_000_000, 500_000, 5);
    fresh.capacity = Some(12_500_000);
    stage.publish("web-1", &[fresh]).await?;
    let (status, current) = get(&stage, "/api/traffic/current").await?;
    assert_eq!(status, 200);
    assert_eq!(current["totals"]["up_bytes_per_second"], 2_000_000);
    let service = &current["services"][0];
    assert_eq!(service["service"], "web-1");
    assert_eq!(service["state"], "live");
    assert_eq!(service["utilisation_percent"], 16.0);
    assert_eq!(service["up_bytes_total"], 10_000_000);
    assert_eq!(service["cpu_percent"], Value::Null);
    let (status, one) = get(&stage, "/api/traffic/current?service=web-1").await?;
    assert_eq!((status.as_u16(), one["services"].as_array().map(Vec::len)), (200, Some(1)));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn history_gives_points_and_the_summary_of_the_range() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 250_000, 60)]).await?;
    let (status, day) = get(&stage, "/api/traffic/history?hours=24&service=web-1").await?;
    assert_eq!(status, 200, "{day}");
    assert_eq!(day["step_seconds"], 300);
    let series = &day["series"][0];
    assert_eq!(series["service"], "web-1");
    assert_eq!(series["summary"]["up_bytes"], 60_000_000);
    assert!(!series["points"].as_array().context("points")?.is_empty());
    let (_, raw) = get(&stage, "/api/traffic/history?hours=1&step=raw").await?;
    assert_eq!(raw["series"][0]["points"][0]["up_bytes_per_second"], 1_000_000);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_request_is_told_which_parameter_is_wrong() -> Result<()> {
    let stage = Stage::open().await?;
    for (path, status, code, word) in [
        ("/api/nothing", 404, "not_found", "nothing"),
        ("/api", 404, "not_found", "nothing"),
        ("/api/traffic/current?service=nobody", 404, "unknown_service", "nobody"),
        ("/api/traffic/current?service=a/b", 400, "invalid_parameter", "service"),
        ("/api/traffic/history?hours=x", 400, "invalid_parameter", "hours"),
        ("/api/traffic/history?step=1y", 400, "invalid_parameter", "step"),
        ("/api/traffic/history?from=now", 400, "invalid_parameter", "from"),
        ("/api/traffic/history?hours=9000&step=5m", 400, "invalid_range", "1500"),
        ("/api/traffic/history?service=nobody", 404, "unknown_service", "nobody"),
        ("/api/traffic/analytics/hourly?weeks=0", 400, "invalid_parameter", "weeks"),
        ("/api/traffic/stream?view=all", 400, "invalid_parameter", "view"),
        ("/api/services/nobody", 404, "unknown_service", "nobody"),
        ("/assets/app-000000000000.css", 404, "not_found", "nothing"),
    ] {
        let (got, body) = get(&stage, path).await.with_context(|| path.to_owned())?;
        assert_eq!(got, status, "{path}: {body}");
        assert_eq!(body["error"]["code"], code, "{path}");
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains(word), "{path}: {message}");
    }
    let wrong = reqwest::Client::new().post(stage.url("/api/traffic/current")).send().await?;
    assert_eq!(wrong.status(), 405);
    assert!(wrong.headers().contains_key("allow"));
    assert_eq!(wrong.json::<Value>().await?["error"]["code"], "method_not_allowed");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_stream_begins_at_once_and_speaks_when_something_changes() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    let answer = reqwest::get(stage.url("/api/traffic/stream")).await?;
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut body = answer.bytes_stream();
    let first = event(&mut body).await?;
    assert_eq!(first["services"][0]["up_bytes_per_second"], 1_000_000);
    stage.publish("web-1", &[sample(3_000_000, 0, 5)]).await?;
    let second = event(&mut body).await?;
    assert_eq!(second["services"][0]["up_bytes_per_second"], 3_000_000);
    stage.close().await?;
    assert!(tokio::time::timeout(PATIENCE, body.next()).await?.is_none_or(|end| end.is_err()));
    Ok(())
}

/// Data of the next `traffic` event.
async fn event(
    body: &mut (impl futures_util::Stream<Item = reqwest::Result<bytes::Bytes>> + Unpin),
) -> Result<Value> {
    let mut text = String::new();
    loop {
        let chunk = tokio::time::timeout(PATIENCE, body.next()).await?.context("the end")??;
        text.push_str(std::str::from_utf8(&chunk)?);
        if let Some((event, _)) = text.split_once("\n\n") {
            anyhow::ensure!(event.contains("event: traffic"), "{event}");
            let data = event.lines().find_map(|line| line.strip_prefix("data: "));
            return Ok(serde_json::from_str(data.context("data")?)?);
        }
    }
}

#[tokio::test]
async fn a_service_is_registered_changed_and_removed() -> Result<()> {
    let stage = Stage::open().await?;
    let client = reqwest::Client::new();
    let body = json!({"id": "web-1", "name": "Web", "group": "Edge"});
    let made = client.post(stage.url("/api/services/")).json(&body).send().await?;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await?;
    let token = made["token"].as_str().context("a token")?.to_owned();
    assert!(stage.registry.agent_may("web-1", &token));
    let again = client.post(stage.url("/api/services")).json(&body).send().await?;
    assert_eq!(again.status(), 409);
    let change = json!({"capacity_bytes_per_second": 125_000_000.0, "group": null});
    let changed = client.patch(stage.url("/api/services/web-1")).json(&change).send().await?;
    let changed: Value = changed.json().await?;
    assert_eq!(changed["name"], "Web");
    assert_eq!(changed["group"], Value::Null);
    assert_eq!(changed["capacity_bytes_per_second"], 125_000_000);
    assert!(changed.get("token").is_none());
    let rotated = client.post(stage.url("/api/services/web-1/token")).send().await?;
    assert_eq!(rotated.status(), 201);
    assert!(!stage.registry.agent_may("web-1", &token));
    let removed = client.delete(stage.url("/api/services/web-1")).send().await?;
    assert_eq!(removed.status(), 204);
    assert_eq!(get(&stage, "/api/services").await?.1, json!([]));
    assert_eq!(get(&stage, "/api/services/web-1").await?.0, 404);
    let nameless = client.post(stage.url("/api/services")).json(&json!({})).send().await?;
    assert_eq!(nameless.json::<Value>().await?["id"].as_str().map(str::len), Some(36));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_page_of_another_site_cannot_change_anything() -> Result<()> {
    let stage = Stage::open().await?;
    let client = reqwest::Client::new();
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        for path in ["/add", "/theme", "/api/services"] {
            let request = client
                .post(stage.url(path))
                .header(name, value)
                .header("content-type", "application/x-www-form-urlencoded")
                .body("id=evil&theme=dark");
            assert_eq!(request.send().await?.status(), 403, "{name} {path}");
        }
    }
    assert!(stage.registry.is_empty());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn health_readiness_and_metrics_answer() -> Result<()> {
    let stage = Stage::with(|app| {
        app.ready = std::sync::Arc::new(|| komandorr_web::Readiness {
            parts: vec![komandorr_web::Part { name: "broker", problem: Some("gone".into()) }],
        });
    })
    .await?;
    stage.publish("web-1", &[sample(1000, 0, 5)]).await?;
    stage.publish_bytes("web-1", b"nonsense".to_vec()).await?;
    assert_eq!(get(&stage, "/healthz").await?.0, 200);
    let (status, ready) = get(&stage, "/readyz").await?;
    assert_eq!((status.as_u16(), &ready["parts"][0]["problem"]), (503, &json!("gone")));
    let metrics = reqwest::get(stage.url("/metrics")).await?.text().await?;
    assert!(metrics.contains("komandorr_samples_total 1\n"), "{metrics}");
    assert!(metrics.contains("komandorr_service_up_bytes_total{service=\"web-1\"} 5000\n"));
    assert!(metrics.contains("komandorr_commit_seconds_bucket{le=\"+Inf\"} "));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_sent_back_as_it_came_goes_on_by_what_its_agent_reports() -> Result<()> {
    let stage = Stage::open().await?;
    let reported = Some(125_000_000);
    let with = |capacity| komandorr_wire::Sample { capacity, ..sample(1000, 0, 5) };
    stage.publish("web-1", &[with(reported)]).await?;
    let (_, mut service) = get(&stage, "/api/services/web-1").await?;
    assert_eq!(service["capacity_bytes_per_second"], json!(reported));
    service["name"] = "Web 1".into();
    let client = reqwest::Client::new();
    let send = async |method: reqwest::Method, body: &Value| -> Result<Option<u64>> {
        let url = stage.url("/api/services/web-1");
        client.request(method, url).json(body).send().await?.error_for_status()?;
        let service = stage.registry.get("web-1").context("the service")?;
        assert_eq!(service.name, "Web 1");
        Ok(service.capacity_bytes_per_second)
    };
    assert_eq!(send(reqwest::Method::PUT, &service).await?, None);
    assert_eq!(send(reqwest::Method::PATCH, &service).await?, None);
    // Said by itself, it is meant.
    let meant = json!({"capacity_bytes_per_second": 125_000_000});
    assert_eq!(send(reqwest::Method::PATCH, &meant).await?, reported);
    // And stays, whatever the agent reports then.
    stage.publish("web-1", &[with(Some(1_250_000_000))]).await?;
    let (_, service) = get(&stage, "/api/services/web-1").await?;
    assert_eq!(send(reqwest::Method::PUT, &service).await?, reported);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn hourly_and_weekly_answer_as_the_contract_says() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 60)]).await?;
    let (status, hourly) = get(&stage, "/api/traffic/analytics/hourly?weeks=4").await?;
    assert_eq!(status, 200);
    assert_eq!(hourly["cells"].as_array().map(Vec::len), Some(168));
    assert_eq!(hourly["cells"][0]["weekday"], 1);
    assert!(hourly["busiest"]["hours_seen"].is_number(), "{hourly}");
    let (_, weekly) = get(&stage, "/api/traffic/analytics/weekly?weeks=2&service=web-1").await?;
    assert_eq!(weekly["weeks"].as_array().map(Vec::len), Some(2));
    assert_eq!(weekly["weeks"][1]["up_bytes"], 60_000_000);
    stage.close().await?;
    Ok(())
}
