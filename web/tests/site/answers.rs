//! How answers travel: kept and asked about again, compressed, in pages, and
//! to the pages of other origins.

use anyhow::{Context, Result};
use komandorr_web::{Config, MetricsConfig, Origins};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::support::{Stage, now_ms, sample, sample_at};

async fn get(stage: &Stage, path: &str, headers: &[(&str, &str)]) -> Result<Response> {
    let request =
        headers.iter().fold(Client::new().get(stage.url(path)), |request, (name, value)| {
            request.header(*name, *value)
        });
    Ok(request.send().await?)
}

fn header<'a>(answer: &'a Response, name: &str) -> Option<&'a str> {
    answer.headers().get(name).and_then(|value| value.to_str().ok())
}

#[tokio::test]
async fn what_the_client_has_is_not_sent_again_until_it_changes() -> Result<()> {
    let stage = Stage::open().await?;
    let hour_ago = now_ms() - 3_600_000;
    stage.publish("web-1", &[sample_at(hour_ago, 1000, 0, 60)]).await?;
    let time = |ms| anyhow::Ok(jiff::Timestamp::from_millisecond(ms)?.to_string());
    let range = format!("from={}&to={}", time(hour_ago - 600_000)?, time(hour_ago + 600_000)?);
    let path = format!("/api/traffic/history?{range}");
    for path in [path.as_str(), "/openapi.json"] {
        let first = get(&stage, path, &[]).await?;
        assert_eq!(
            (first.status().as_u16(), header(&first, "cache-control")),
            (200, Some("private, no-cache"))
        );
        let tag = header(&first, "etag").context("a tag")?.to_owned();
        let again = get(&stage, path, &[("if-none-match", &tag)]).await?;
        assert_eq!(again.status(), 304, "{path}");
        assert_eq!(header(&again, "etag"), Some(tag.as_str()));
        assert_eq!(again.bytes().await?.len(), 0);
        let other = get(&stage, path, &[("if-none-match", "W/\"other\"")]).await?;
        assert_eq!(other.status(), 200, "{path}");
    }
    // A sample that comes late changes what is over, and its tag.
    let tag = header(&get(&stage, &path, &[]).await?, "etag").map(str::to_owned);
    stage.publish("web-1", &[sample_at(hour_ago + 60_000, 2000, 0, 60)]).await?;
    let tag = tag.context("a tag")?;
    assert_eq!(get(&stage, &path, &[("if-none-match", &tag)]).await?.status(), 200);
    let running = get(&stage, "/api/traffic/history", &[]).await?;
    assert_eq!(
        (header(&running, "etag"), header(&running, "cache-control")),
        (None, Some("no-store"))
    );
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn answers_are_compressed_as_the_client_likes_and_the_stream_is_not() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    for path in ["/openapi.json", "/api/traffic/analytics/hourly", "/metrics", "/docs", "/"] {
        let plain = get(&stage, path, &[]).await?;
        assert_eq!(header(&plain, "content-encoding"), None, "{path}");
        let length = plain.bytes().await?.len();
        for encoding in ["gzip", "br"] {
            let small = get(&stage, path, &[("accept-encoding", encoding)]).await?;
            assert_eq!(header(&small, "content-encoding"), Some(encoding), "{path}");
            assert!(small.bytes().await?.len() < length / 2, "{path} {encoding}");
        }
    }
    // Compressed, an event would wait until enough have gathered.
    let mut stream = get(&stage, "/api/traffic/stream", &[("accept-encoding", "gzip, br")]).await?;
    assert_eq!(header(&stream, "content-encoding"), None);
    let first = tokio::time::timeout(crate::support::PATIENCE, stream.chunk()).await??;
    assert!(first.context("an event")?.starts_with(b"event: traffic"));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_long_list_comes_in_pages() -> Result<()> {
    let stage = Stage::open().await?;
    for number in 0..7 {
        stage.publish(&format!("web-{number}"), &[sample(1000, 0, 5)]).await?;
    }
    let (mut path, mut seen) = ("/api/services/?limit=3".to_owned(), Vec::new());
    loop {
        let answer = get(&stage, &path, &[]).await?;
        let next = header(&answer, "link").map(str::to_owned);
        let items: Vec<Value> = answer.json().await?;
        assert!(items.len() <= 3);
        seen.extend(items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)));
        let Some(next) = next else { break };
        path = next.split(['<', '>']).nth(1).context("a link")?.to_owned();
    }
    assert_eq!(seen, (0..7).map(|number| format!("web-{number}")).collect::<Vec<_>>());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn sums_of_one_service_are_its_own() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 5)]).await?;
    stage.publish("web-2", &[sample(5_000_000, 0, 5)]).await?;
    let one: Value = get(&stage, "/api/traffic/current?service=web-1", &[]).await?.json().await?;
    assert_eq!(one["totals"]["services"], 1);
    assert_eq!(one["totals"]["up_bytes_per_second"], 1_000_000);
    stage.close().await?;
    Ok(())
}

/// A site that lets pages of these origins in.
async fn open_to(origins: &str) -> Result<Stage> {
    let cors_origins = Origins::try_from(origins.to_owned()).map_err(anyhow::Error::msg)?;
    let settings = Config { cors_origins, ..Config::default() };
    Stage::over(tempfile::tempdir()?, "127.0.0.1:0".parse()?, settings, |_| ()).await
}

/// What a browser asks before it sends a change.
async fn preflight(stage: &Stage, origin: &str) -> Result<Response> {
    let asked = Client::new()
        .request(Method::OPTIONS, stage.url("/api/services/"))
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type,authorization");
    Ok(asked.send().await?)
}

/// A change, as a page of an origin would send it.
async fn change(stage: &Stage, origin: &str) -> Result<u16> {
    let asked = Client::new()
        .post(stage.url("/api/services/"))
        .header("origin", origin)
        .header("sec-fetch-site", "cross-site")
        .json(&json!({}));
    Ok(asked.send().await?.status().as_u16())
}

const GRAFANA: &str = "https://grafana.example";
const ALLOWED: &str = "access-control-allow-origin";

#[tokio::test]
async fn pages_of_other_origins_read_nothing_unless_they_are_named() -> Result<()> {
    let stage = Stage::open().await?;
    let answer = get(&stage, "/api/traffic/current", &[("origin", GRAFANA)]).await?;
    assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control")));
    assert_eq!(preflight(&stage, GRAFANA).await?.status(), 405);
    assert_eq!(change(&stage, GRAFANA).await?, 403);
    stage.close().await?;
    let stage = open_to("https://other.example, https://grafana.example").await?;
    let answer = get(&stage, "/api/traffic/current", &[("origin", GRAFANA)]).await?;
    assert_eq!(header(&answer, ALLOWED), Some(GRAFANA));
    assert_eq!(header(&answer, "access-control-allow-credentials"), Some("true"));
    // What went wrong must be readable too.
    let refused = get(&stage, "/api/traffic/history?hours=x", &[("origin", GRAFANA)]).await?;
    assert_eq!((refused.status().as_u16(), header(&refused, ALLOWED)), (400, Some(GRAFANA)));
    let told = preflight(&stage, GRAFANA).await?;
    assert_eq!(header(&told, ALLOWED), Some(GRAFANA));
    assert!(header(&told, "access-control-allow-methods").context("methods")?.contains("POST"));
    assert_eq!(change(&stage, GRAFANA).await?, 201);
    for other in ["https://evil.example", "http://grafana.example", "null"] {
        let answer = get(&stage, "/api/traffic/current", &[("origin", other)]).await?;
        assert_eq!(header(&answer, ALLOWED), None, "{other}");
        assert_eq!(header(&preflight(&stage, other).await?, ALLOWED), None, "{other}");
        assert_eq!(change(&stage, other).await?, 403, "{other}");
    }
    let page = get(&stage, "/", &[("origin", GRAFANA)]).await?;
    assert_eq!(header(&page, ALLOWED), None, "pages are not for other pages");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn where_any_page_may_read_none_may_change_and_no_login_is_lent() -> Result<()> {
    let stage = open_to("*").await?;
    let answer = get(&stage, "/api/traffic/current", &[("origin", GRAFANA)]).await?;
    assert!([Some("*"), Some(GRAFANA)].contains(&header(&answer, ALLOWED)));
    assert_eq!(header(&answer, "access-control-allow-credentials"), None);
    assert_eq!(change(&stage, GRAFANA).await?, 403);
    assert!(stage.registry.is_empty());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn series_of_services_are_bounded_and_can_be_left_out() -> Result<()> {
    for (metrics, shown) in [
        (MetricsConfig::default(), 3),
        (MetricsConfig { max_services: 2, ..MetricsConfig::default() }, 2),
        (MetricsConfig { services: false, ..MetricsConfig::default() }, 0),
    ] {
        let stage = Stage::with(|app| app.metrics = metrics.clone()).await?;
        for service in ["web-1", "web-2", "web-3"] {
            stage.publish(service, &[sample(1000, 0, 5)]).await?;
        }
        let answer = get(&stage, "/metrics", &[]).await?;
        assert_eq!(
            header(&answer, "content-type"),
            Some("text/plain; version=0.0.4; charset=utf-8")
        );
        let text = answer.text().await?;
        let series =
            text.lines().filter(|line| line.starts_with("komandorr_service_up_bytes_total{"));
        assert_eq!(series.count(), shown, "{metrics:?}");
        let left_out = format!("komandorr_services_left_out {}\n", 3 - shown);
        assert!(text.contains(&left_out), "{metrics:?}: {text}");
        assert!(text.contains("komandorr_services{state=\"live\"} 3\n"), "{text}");
        stage.close().await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_description_is_a_page_that_reads_without_scripts() -> Result<()> {
    let stage = Stage::open().await?;
    let page = get(&stage, "/docs", &[]).await?.text().await?;
    let document: Value = get(&stage, "/openapi.json", &[]).await?.json().await?;
    assert_eq!(document["openapi"], "3.1.0");
    for (path, item) in document["paths"].as_object().context("paths")? {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
        for operation in item.as_object().context("operations")?.values() {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().context("a name")?;
                assert!(page.contains(&format!("<code>{name}</code>")), "{path} {name}");
            }
        }
    }
    for name in document["components"]["schemas"].as_object().context("schemas")?.keys() {
        assert!(page.contains(&format!("id=\"schema-{name}\"")), "{name}");
    }
    let ids: Vec<_> =
        page.split(" id=\"").skip(1).filter_map(|part| part.split('"').next()).collect();
    for link in page.split("href=\"#").skip(1).filter_map(|part| part.split('"').next()) {
        assert!(ids.contains(&link), "#{link} leads nowhere");
    }
    assert!(
        page.contains(&format!(
            "curl &#39;http://{}/api/traffic/history?hours=24&#39;",
            stage.address
        )),
        "no command"
    );
    stage.close().await?;
    Ok(())
}
