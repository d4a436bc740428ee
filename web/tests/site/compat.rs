//! The original's clients over HTTP and WebSocket, against the real server.

mod socket;

use anyhow::{Context, Result};
use komandorr_collector::registry::ServiceDetails;
use komandorr_wire::ServiceId;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Stage, sample};

const UPDATE: &str = "/api/traffic/update";
const GIB: f64 = 1_073_741_824.0;

/// A report as the original's agent sends it.
fn report(service: &str, speeds: [f64; 2], totals: [f64; 2]) -> Value {
    json!({
        "service_id": service, "bandwidth_up": speeds[0], "bandwidth_down": speeds[1],
        "total_up": totals[0], "total_down": totals[1],
        "max_bandwidth": 250.0, "cpu_percent": 12.3, "memory_percent": 45.6,
    })
}

async fn stage() -> Result<Stage> {
    let stage = Stage::open().await?;
    for id in ["web-1", "a-2"] {
        stage.registry.register(&ServiceId::new(id)?, ServiceDetails::default())?;
    }
    Ok(stage)
}

async fn post(stage: &Stage, body: &Value) -> Result<(StatusCode, Value)> {
    let answer = reqwest::Client::new().post(stage.url(UPDATE)).json(body).send().await?;
    Ok((answer.status(), answer.json().await?))
}

async fn get(stage: &Stage, path: &str) -> Result<(StatusCode, Value)> {
    let answer = reqwest::get(stage.url(path)).await?;
    Ok((answer.status(), answer.json().await?))
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.len() == 27 && text.ends_with('Z') && text.parse::<jiff::Timestamp>().is_ok()
    })
}

#[tokio::test]
async fn a_report_is_taken_and_shown_in_the_agent_s_own_figures() -> Result<()> {
    let stage = stage().await?;
    let body = report("web-1", [1.5, 2.25], [1234.567, 89.012]);
    let success = json!({"status": "success", "message": "Traffic data updated"});
    assert_eq!(post(&stage, &body).await?, (StatusCode::OK, success));
    let (_, mut now) = get(&stage, "/api/traffic/web-1/current").await?;
    assert!(is_time(&now["last_updated"]), "{now}");
    now["last_updated"] = Value::Null;
    let expected = json!({
        "bandwidth_up": 1.5, "bandwidth_down": 2.25, "total_up": 1234.567, "total_down": 89.012,
        "max_bandwidth": 250.0, "cpu_percent": 12.3, "memory_percent": 45.6, "last_updated": null,
    });
    assert_eq!(now, expected);
    // The same in our own units.
    let (_, ours) = get(&stage, "/api/traffic/current?service=web-1").await?;
    let ours = &ours["services"][0];
    assert_eq!(ours["up_bytes_per_second"], 1_572_864);
    assert_eq!(ours["down_bytes_per_second"], 2_359_296);
    assert_eq!(ours["capacity_bytes_per_second"], 125_000_000);
    assert_eq!(ours["state"], "live");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_link_s_speed_that_is_told_once_is_taken_as_such_where_the_service_says_so() -> Result<()>
{
    let stage = stage().await?;
    let client = reqwest::Client::new();
    let switch = async |on: bool| -> Result<Value> {
        let change = json!({"max_bandwidth_undoubled": on});
        Ok(client
            .patch(stage.url("/api/services/web-1"))
            .json(&change)
            .send()
            .await?
            .json()
            .await?)
    };
    // 1 Gbit/s, as agents from before December 2025 tell it.
    let mut once = report("web-1", [1.0, 1.0], [1.0, 1.0]);
    once["max_bandwidth"] = json!(125.0);
    let shown = async |body: &Value| -> Result<(Value, Value)> {
        assert_eq!(post(&stage, body).await?.0, 200);
        let (_, ours) = get(&stage, "/api/traffic/current?service=web-1").await?;
        let (_, theirs) = get(&stage, "/api/traffic/web-1/current").await?;
        let capacity = ours["services"][0]["capacity_bytes_per_second"].clone();
        Ok((capacity, theirs["max_bandwidth"].clone()))
    };
    assert_eq!(shown(&once).await?, (json!(62_500_000), json!(125.0)));
    let item = switch(true).await?;
    assert_eq!(item["max_bandwidth_undoubled"], true, "{item}");
    let right = (json!(125_000_000), json!(250.0));
    assert_eq!(shown(&once).await?, right);
    // What is left out is as it was, and not doubled again.
    let mut without = once.clone();
    without["max_bandwidth"] = Value::Null;
    assert_eq!(shown(&without).await?, right);
    // Another change leaves the switch alone.
    let named = client.patch(stage.url("/api/services/web-1")).json(&json!({"name": "Web"}));
    assert_eq!(named.send().await?.json::<Value>().await?["max_bandwidth_undoubled"], true);
    let item = switch(false).await?;
    assert_eq!(item["max_bandwidth_undoubled"], false, "{item}");
    assert_eq!(shown(&once).await?.0, 62_500_000);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn numbers_may_be_texts_and_what_is_left_out_stays_as_it_was() -> Result<()> {
    let stage = stage().await?;
    post(&stage, &report("web-1", [0.0, 0.0], [1.0, 1.0])).await?;
    let body = json!({
        "service_id": "web-1", "bandwidth_up": "1.5", "bandwidth_down": " 2 ", "total_up": "1.001",
        "total_down": 1, "cpu_percent": null, "memory_percent": "50", "unknown": {"a": [1]},
    });
    assert_eq!(post(&stage, &body).await?.0, 200);
    let (_, now) = get(&stage, "/api/traffic/web-1/current").await?;
    assert_eq!((&now["bandwidth_up"], &now["bandwidth_down"]), (&json!(1.5), &json!(2.0)));
    assert_eq!((&now["max_bandwidth"], &now["cpu_percent"]), (&json!(250.0), &json!(12.3)));
    assert_eq!(now["memory_percent"], 50.0);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_below_zero_is_taken_and_never_shown() -> Result<()> {
    let stage = stage().await?;
    for (speeds, totals) in
        [([1.0, 1.0], [5.0, 5.0]), ([-3.0, 2.0], [-1.0, 5.001]), ([1.0, 1.0], [5.0, 5.002])]
    {
        assert_eq!(post(&stage, &report("web-1", speeds, totals)).await?.0, 200);
        let (_, now) = get(&stage, "/api/traffic/web-1/current").await?;
        let (_, history) = get(&stage, "/api/traffic/web-1/history").await?;
        let (_, summary) = get(&stage, "/api/traffic/summary").await?;
        for shown in [&now, &history, &summary] {
            assert!(!shown.to_string().contains(":-"), "{shown}");
        }
    }
    let (_, current) = get(&stage, "/api/traffic/current?service=web-1").await?;
    let sum = current["services"][0]["up_bytes_total"].as_u64().context("a sum")?;
    assert!(sum < 10_000_000, "the way back to 5 GiB is no traffic: {sum}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_wrong_body_is_told_in_the_original_s_words() -> Result<()> {
    let stage = stage().await?;
    let client = reqwest::Client::new();
    for (body, kind, loc) in [
        (r#"{"service_id":"web-1"}"#, "missing", json!(["body", "bandwidth_up"])),
        (
            r#"{"service_id":"web-1","bandwidth_up":NaN}"#,
            "finite_number",
            json!(["body", "bandwidth_up"]),
        ),
        (
            r#"{"service_id":"web-1","bandwidth_up":-Infinity}"#,
            "finite_number",
            json!(["body", "bandwidth_up"]),
        ),
        (
            r#"{"service_id":"web-1","bandwidth_up":"x"}"#,
            "float_parsing",
            json!(["body", "bandwidth_up"]),
        ),
        (r#"{"service_id":7}"#, "string_type", json!(["body", "service_id"])),
        ("[]", "model_attributes_type", json!(["body"])),
        ("{", "json_invalid", json!(["body", 1])),
    ] {
        let request = client.post(stage.url(UPDATE)).header("content-type", "application/json");
        let answer = request.body(body).send().await?;
        assert_eq!(answer.status(), 422, "{body}");
        let told: Value = answer.json().await?;
        assert_eq!(told.as_object().map(serde_json::Map::len), Some(1), "{told}");
        assert_eq!(told["detail"][0]["type"], kind, "{told}");
        assert_eq!(told["detail"][0]["loc"], loc, "{told}");
    }
    let (status, told) = post(
        &stage,
        &json!({"service_id": "web-1", "bandwidth_up": 1,
        "bandwidth_down": 1, "total_up": 1}),
    )
    .await?;
    let input =
        json!({"service_id": "web-1", "bandwidth_up": 1, "bandwidth_down": 1, "total_up": 1});
    let problem = json!({"type": "missing", "loc": ["body", "total_down"],
        "msg": "Field required", "input": input});
    assert_eq!((status.as_u16(), told), (422, json!({"detail": [problem]})));
    assert_eq!(get(&stage, "/api/traffic/web-1/current").await?.1["last_updated"], Value::Null);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_answers_as_in_the_original() -> Result<()> {
    let stage = stage().await?;
    let missing = json!({"detail": "Service not found"});
    assert_eq!(
        post(&stage, &report("nobody", [0.0; 2], [0.0; 2])).await?,
        (StatusCode::NOT_FOUND, missing.clone())
    );
    for path in [
        "/api/traffic/nobody/current",
        "/api/traffic/nobody/history",
        "/api/traffic/..%2fx/current",
    ] {
        assert_eq!(get(&stage, path).await?, (StatusCode::NOT_FOUND, missing.clone()), "{path}");
    }
    let client = reqwest::Client::new();
    for (method, path, allow) in [
        (Method::GET, UPDATE, "POST"),
        (Method::DELETE, UPDATE, "POST"),
        (Method::POST, "/api/traffic/summary", "GET,HEAD"),
    ] {
        let answer = client.request(method, stage.url(path)).send().await?;
        assert_eq!(answer.status(), 405, "{path}");
        assert_eq!(answer.headers()["allow"], allow, "{path}");
        assert_eq!(answer.json::<Value>().await?, json!({"detail": "Method Not Allowed"}));
    }
    let never = json!({"bandwidth_up": 0.0, "bandwidth_down": 0.0, "total_up": 0.0,
        "total_down": 0.0, "last_updated": null});
    assert_eq!(get(&stage, "/api/traffic/web-1/current").await?, (StatusCode::OK, never));
    assert_eq!(get(&stage, "/api/traffic/web-1/history").await?.1, json!([]));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_slash_too_many_keeps_the_method() -> Result<()> {
    let stage = stage().await?;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    for (method, path) in [
        (Method::POST, "/api/traffic/update/"),
        (Method::GET, "/api/traffic/web-1/history/?limit=2"),
    ] {
        let answer = client.request(method, stage.url(path)).send().await?;
        assert_eq!(answer.status(), 307, "{path}");
        assert_eq!(
            answer.headers()["location"].to_str()?,
            path.replacen("/?", "?", 1).trim_end_matches('/')
        );
    }
    let posted = reqwest::Client::new()
        .post(stage.url("/api/traffic/update/"))
        .json(&report("web-1", [1.0; 2], [1.0; 2]));
    assert_eq!(posted.send().await?.json::<Value>().await?["status"], "success");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn history_is_oldest_first_and_limited() -> Result<()> {
    let stage = stage().await?;
    for n in 0..5 {
        let n = f64::from(n);
        post(&stage, &report("web-1", [n, 2.0 * n], [10.0 + n, 20.0 + n])).await?;
    }
    let (_, all) = get(&stage, "/api/traffic/web-1/history?limit=1000").await?;
    let all = all.as_array().context("a list")?.clone();
    let speeds: Vec<_> = all.iter().map(|point| point["bandwidth_up"].as_f64()).collect();
    assert_eq!(speeds, [0.0, 1.0, 2.0, 3.0, 4.0].map(Some));
    assert_eq!(
        (&all[4]["total_down"], all[4].as_object().map(serde_json::Map::len)),
        (&json!(24.0), Some(5))
    );
    assert!(all.iter().all(|point| is_time(&point["timestamp"])));
    for (limit, count, first) in [("2", 2, 3.0), ("0", 1, 4.0), ("-3", 1, 4.0), ("2.0", 2, 3.0)] {
        let (_, some) = get(&stage, &format!("/api/traffic/web-1/history?limit={limit}")).await?;
        assert_eq!(some.as_array().map(Vec::len), Some(count), "{limit}");
        assert_eq!(some[0]["bandwidth_up"], first, "{limit}");
    }
    let (status, told) = get(&stage, "/api/traffic/web-1/history?limit=many").await?;
    let problem = json!({"type": "int_parsing", "loc": ["query", "limit"], "input": "many",
        "msg": "Input should be a valid integer, unable to parse string as an integer"});
    assert_eq!((status.as_u16(), told), (422, json!({"detail": [problem]})));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn the_summary_lists_who_reported_in_the_order_of_creation() -> Result<()> {
    let stage = stage().await?;
    let (_, empty) = get(&stage, "/api/traffic/summary").await?;
    let expected = json!({
        "total_services": 2, "services_with_traffic": 0, "total_bandwidth_up": 0.0,
        "total_bandwidth_down": 0.0, "total_traffic_up": 0.0, "total_traffic_down": 0.0,
        "services": [],
    });
    assert_eq!(empty, expected);
    post(&stage, &report("a-2", [0.1, 0.2], [1.001, 2.002])).await?;
    post(&stage, &report("web-1", [0.2, 0.1], [3.003, 4.004])).await?;
    // One of ours, over MQTT.
    stage.publish("ours", &[sample(1_048_576, 2_097_152, 5)]).await?;
    let (_, summary) = get(&stage, "/api/traffic/summary").await?;
    assert_eq!(summary["services_with_traffic"], 3);
    assert_eq!(
        (&summary["total_bandwidth_up"], &summary["total_bandwidth_down"]),
        (&json!(1.3), &json!(2.3))
    );
    let ids: Vec<_> =
        summary["services"].as_array().context("a list")?.iter().map(|s| s["id"].clone()).collect();
    assert_eq!(ids, ["web-1", "a-2", "ours"]);
    let web = &summary["services"][0];
    assert_eq!(
        (&web["name"], &web["total_up"], &web["max_bandwidth"]),
        (&json!("web-1"), &json!(3.003), &json!(250.0))
    );
    assert_eq!(web["traffic_history"][0]["total_down"], 4.004);
    let ours = &summary["services"][2];
    assert_eq!((&ours["bandwidth_down"], &ours["max_bandwidth"]), (&json!(2.0), &Value::Null));
    assert_eq!(ours["traffic_history"].as_array().map(Vec::len), Some(1));
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn services_and_health_have_the_original_s_fields() -> Result<()> {
    let stage = stage().await?;
    post(&stage, &report("web-1", [1.5, 0.5], [7.0, 8.0])).await?;
    let (_, health) = get(&stage, "/api/health").await?;
    assert_eq!((&health["status"], &health["services_count"]), (&json!("healthy"), &json!(2)));
    assert!(health["version"].is_string());
    let (_, services) = get(&stage, "/api/services/").await?;
    for service in services.as_array().context("a list")? {
        for field in [
            "id",
            "name",
            "url",
            "type",
            "status",
            "last_check",
            "response_time",
            "description",
            "icon",
            "group",
            "traffic",
            "traffic_history",
            "response_history",
            "storage",
            "storage_history",
        ] {
            assert!(service.get(field).is_some(), "{field}: {service}");
        }
        assert!(
            service["name"].is_string()
                && service["url"].is_string()
                && service["type"].is_string()
        );
    }
    let (_, web) = get(&stage, "/api/services/web-1").await?;
    assert_eq!((&web["traffic"]["total_up"], &web["status"]), (&json!(7.0), &json!("online")));
    assert_eq!(web["traffic_history"][0]["bandwidth_up"], 1.5);
    let (_, idle) = get(&stage, "/api/services/a-2").await?;
    assert_eq!((&idle["traffic"], &idle["traffic_history"]), (&Value::Null, &json!([])));
    stage.close().await?;
    Ok(())
}

/// The volume that is stored is what the totals grew by.
#[tokio::test]
async fn volumes_follow_the_totals() -> Result<()> {
    let stage = stage().await?;
    post(&stage, &report("web-1", [0.0, 0.0], [100.0, 50.0])).await?;
    for n in 1..=3 {
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
        let grown = f64::from(n) * 0.125;
        post(&stage, &report("web-1", [1.0, 0.0], [100.0 + grown, 50.0])).await?;
    }
    let (_, current) = get(&stage, "/api/traffic/current?service=web-1").await?;
    let up = current["services"][0]["up_bytes_total"].as_f64().context("a sum")?;
    assert!((up - 0.375 * GIB).abs() < 0.0006 * GIB, "{up}");
    assert_eq!(current["services"][0]["down_bytes_total"], 0);
    stage.close().await?;
    Ok(())
}
