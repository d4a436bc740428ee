//! What no client should send: refused with the fitting status and a message
//! that names what is wrong, and nothing is changed.

use std::{
    sync::LazyLock,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use crate::{
    raw::ask,
    support::{Stage, sample},
};

const JSON: &str = "content-type: application/json";

/// A text of so many characters.
fn long(length: usize) -> String {
    "x".repeat(length)
}

/// Path, status, code, and a word of the message.
type Wrong = (String, u16, &'static str, &'static str);

fn wrong(path: impl Into<String>, code: &'static str, word: &'static str) -> Wrong {
    let status = if code.starts_with("unknown") || code == "not_found" { 404 } else { 400 };
    (path.into(), status, code, word)
}

/// Every parameter of every operation: absent, empty, of the wrong kind, out of
/// range, too long, twice, and unknown.
static PARAMETERS: LazyLock<Vec<Wrong>> = LazyLock::new(|| {
    let (invalid, range, unknown) = ("invalid_parameter", "invalid_range", "unknown_service");
    let history = |query: &str| format!("/api/traffic/history?{query}");
    let mut all = Vec::new();
    for path in ["/api/traffic/current", "/api/traffic/history", "/api/traffic/stream"] {
        all.extend([
            wrong(format!("{path}?service="), invalid, "service"),
            wrong(format!("{path}?service=a%20b"), invalid, "service"),
            wrong(format!("{path}?service=..%2f..%2fetc"), invalid, "service"),
            wrong(format!("{path}?service=%00"), invalid, "service"),
            wrong(format!("{path}?service=%ff"), invalid, "service"),
            wrong(format!("{path}?service=caf%C3%A9"), invalid, "service"),
            wrong(format!("{path}?service={}", long(65)), invalid, "service"),
            wrong(format!("{path}?service={}", long(5000)), invalid, "service"),
            wrong(format!("{path}?service=current"), invalid, "service"),
            wrong(format!("{path}?service=web-1&service=web-1"), invalid, "service"),
            wrong(format!("{path}?service=nobody"), unknown, "nobody"),
            wrong(format!("{path}?servcie=web-1"), invalid, "servcie"),
            wrong(format!("{path}?{}=1", long(500)), invalid, "xxx"),
        ]);
    }
    all.extend([
        wrong(history("hours="), invalid, "hours"),
        wrong(history("hours=many"), invalid, "hours"),
        wrong(history("hours=0"), invalid, "hours"),
        wrong(history("hours=-1"), invalid, "hours"),
        wrong(history("hours=NaN"), invalid, "hours"),
        wrong(history("hours=inf"), invalid, "hours"),
        wrong(history("hours=1e300"), invalid, "hours"),
        wrong(history("hours=1&hours=2"), invalid, "hours"),
        wrong(history("hours=1&from=2026-11-20T00:00:00Z"), invalid, "hours"),
        wrong(history("from=yesterday"), invalid, "from"),
        wrong(history("from=2026-13-40T00:00:00Z"), invalid, "from"),
        wrong(history("from=1763596800"), invalid, "from"),
        wrong(history("from="), invalid, "from"),
        wrong(history("from=2026-11-21T00:00:00Z&to=2026-11-20T00:00:00Z"), invalid, "from"),
        wrong(history("from=2026-11-20T00:00:00Z&to=2026-11-20T00:00:00Z"), invalid, "from"),
        wrong(history("from=2999-01-01T00:00:00Z"), invalid, "from"),
        wrong(history("from=1999-01-01T00:00:00Z&to=2026-01-01T00:00:00Z"), invalid, "from"),
        wrong(history("to=tomorrow"), invalid, "to"),
        wrong(history("to=-9999-01-02T00:00:00Z"), invalid, "to"),
        wrong(history("step="), invalid, "step"),
        wrong(history("step=1y"), invalid, "step"),
        wrong(history("step=5M"), invalid, "step"),
        wrong(history("step=5m&step=1h"), invalid, "step"),
        wrong(history("hours=9000&step=5m"), range, "1500"),
        wrong(history("hours=96624&step=1h"), range, "1500"),
        wrong(history("group="), invalid, "group"),
        wrong(history("group=nobodies"), "unknown_group", "nobodies"),
        wrong(history(&format!("group={}", long(501))), invalid, "group"),
        wrong(history("service=web-1&group=Edge"), invalid, "service"),
        wrong("/api/traffic/stream?view=all", invalid, "view"),
        wrong("/api/traffic/stream?view=service", invalid, "service"),
        wrong("/api/traffic/stream?since=soon", invalid, "since"),
        wrong("/api/services/?limit=0", invalid, "limit"),
        wrong("/api/services/?limit=10001", invalid, "limit"),
        wrong("/api/services/?limit=-1", invalid, "limit"),
        wrong("/api/services/?limit=1.5", invalid, "limit"),
        wrong("/api/services/?limit=99999999999999999999", invalid, "limit"),
        wrong("/api/services/?after=a%2fb", invalid, "after"),
        wrong("/api/services?q=web", invalid, "q"),
        wrong("/metrics?services=all", invalid, "services"),
        wrong("/healthz?x=1", invalid, "x"),
        wrong("/openapi.json?x=1", invalid, "x"),
    ]);
    for kind in ["hourly", "weekly"] {
        for weeks in ["", "0", "105", "-1", "4.5", "four", "4294967296", "4&weeks=4"] {
            all.push(wrong(
                format!("/api/traffic/analytics/{kind}?weeks={weeks}"),
                invalid,
                "weeks",
            ));
        }
        let path = format!("/api/traffic/analytics/{kind}");
        all.push(wrong(format!("{path}?service=nobody"), unknown, "nobody"));
        all.push(wrong(format!("{path}?group=nobodies"), "unknown_group", "nobodies"));
        all.push(wrong(format!("{path}?hours=4"), invalid, "hours"));
    }
    all
});

#[tokio::test]
async fn a_parameter_that_cannot_be_used_is_named() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1000, 0, 5)]).await?;
    let mut times = Vec::new();
    for (path, status, code, word) in &*PARAMETERS {
        let begun = Instant::now();
        let answer = ask(&stage, "GET", path, &[], b"").await?;
        times.push(begun.elapsed());
        let (got, message) = answer.refusal();
        assert_eq!((answer.status, got.as_str()), (*status, *code), "{path}: {message}");
        assert!(message.contains(word), "{path}: {message}");
        assert!(message.chars().count() < 300, "{path}: {message}");
    }
    times.sort_unstable();
    // Not the slowest: a busy machine holds one up now and then.
    let median = times[times.len() / 2];
    assert!(median < Duration::from_millis(50), "{median:?}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_credential_that_cannot_be_made_is_told_why() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1000, 0, 5)]).await?;
    let (body, invalid) = ("invalid_body", "invalid_parameter");
    let cases = [
        ("POST", "/api/readers/", json!({}), 400, body, "name"),
        ("POST", "/api/readers/", json!({"name": 7}), 400, body, "name"),
        ("POST", "/api/readers/", json!({"name": ""}), 400, invalid, "name"),
        ("POST", "/api/readers/", json!({"name": "a/b"}), 400, invalid, "name"),
        ("POST", "/api/readers/", json!({"name": long(65)}), 400, invalid, "name"),
        ("POST", "/api/readers/", json!({"name": "tv", "service": 1}), 400, body, "service"),
        (
            "POST",
            "/api/readers/",
            json!({"name": "tv", "service": "x"}),
            404,
            "unknown_service",
            "x",
        ),
        ("POST", "/api/tokens/", json!({"scope": "read"}), 400, body, "name"),
        ("POST", "/api/tokens/", json!({"name": "a", "scope": "all"}), 400, body, "scope"),
        ("POST", "/api/tokens/", json!({"name": "a b", "scope": "read"}), 400, invalid, "name"),
        ("PUT", "/api/password", json!({}), 400, body, "password"),
        ("PUT", "/api/password", json!({"password": 12_345_678}), 400, body, "password"),
        ("PUT", "/api/password", json!({"password": "short"}), 400, invalid, "password"),
        ("PUT", "/api/password", json!({"password": long(2000)}), 400, invalid, "password"),
    ];
    for (method, path, given, status, code, word) in cases {
        let bytes = serde_json::to_vec(&given)?;
        let answer = ask(&stage, method, path, &[JSON], &bytes).await?;
        let (got, message) = answer.refusal();
        assert_eq!((answer.status, got.as_str()), (status, code), "{path} {given}: {message}");
        assert!(message.contains(word), "{path} {given}: {message}");
    }
    let grace = "/api/services/web-1/token?old_valid_seconds";
    for (method, path, word) in [
        ("POST", format!("{grace}=-1"), "old_valid_seconds"),
        ("POST", format!("{grace}=1e9"), "old_valid_seconds"),
        ("POST", format!("{grace}=1&old_valid_seconds=2"), "old_valid_seconds"),
        ("GET", "/api/import/progress?service=web-1".into(), "source"),
        ("GET", "/api/import/progress?service=web-1&source=".into(), "source"),
        ("GET", format!("/api/import/progress?service=web-1&source={}", long(201)), "source"),
        ("GET", "/api/import/progress?source=x".into(), "service"),
        ("POST", "/api/import/samples?service=a%2fb".into(), "service"),
        ("POST", "/api/import/samples?service=web-1".into(), "empty"),
    ] {
        let answer = ask(&stage, method, &path, &[], b"").await?;
        let (got, message) = answer.refusal();
        assert_eq!((answer.status, got.as_str()), (400, invalid), "{path}: {message}");
        assert!(message.contains(word), "{path}: {message}");
    }
    assert!(stage.registry.readers().is_empty() && stage.registry.scripts().is_empty());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_id_in_a_path_plays_no_tricks() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1000, 0, 5)]).await?;
    let long = long(8000);
    let ids = [
        "nobody",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "web-1%00",
        "%00",
        "%ff%fe",
        "caf%C3%A9",
        "%F0%9F%92%A9",
        "web-1%0d%0ax:%20y",
        "web-1%20",
        "%20",
        "web-1;",
        "'%20or%20'1'='1",
        "*",
        &long,
    ];
    for id in ids {
        for (method, rest, body) in [
            ("GET", "", &b""[..]),
            ("PUT", "", b"{}"),
            ("PATCH", "", b"{}"),
            ("DELETE", "", b""),
            ("POST", "/token", b""),
        ] {
            let path = format!("/api/services/{id}{rest}");
            let answer = ask(&stage, method, &path, &[JSON], body).await?;
            let (code, message) = answer.refusal();
            let place = path.get(..60).unwrap_or(&path);
            assert_eq!(
                (answer.status, code.as_str()),
                (404, "unknown_service"),
                "{method} {place}"
            );
            assert!(message.chars().count() < 120, "{method} {place}: {message}");
        }
    }
    for path in ["/api/services/a/b", "/api/../healthz/x", "/api/services/web-1/", "/api//services"]
    {
        let answer = ask(&stage, "GET", path, &[], b"").await?;
        assert_eq!((answer.status, answer.refusal().0.as_str()), (404, "not_found"), "{path}");
    }
    assert_eq!(stage.registry.len(), 1);
    stage.close().await?;
    Ok(())
}

/// Bodies of a service, and what is said of each.
fn bodies() -> Vec<(Value, &'static str, &'static str)> {
    let (invalid, body) = ("invalid_parameter", "invalid_body");
    let mut all = vec![
        (json!({"id": 1}), body, "id"),
        (json!({"id": ""}), invalid, "id"),
        (json!({"id": "a b"}), invalid, "id"),
        (json!({"id": "../x"}), invalid, "id"),
        (json!({"id": "ws"}), invalid, "id"),
        (json!({"id": long(65)}), invalid, "id"),
        (json!({"type": "toaster"}), invalid, "type"),
        (json!({"type": ["app"]}), body, "type"),
        (json!([]), body, "object"),
        (json!("web"), body, "object"),
        (json!(null), body, "object"),
        (json!(7), body, "object"),
    ];
    for field in ["name", "url", "group", "description", "icon"] {
        all.extend([
            (json!({field: 1}), body, field),
            (json!({field: {}}), body, field),
            (json!({field: true}), body, field),
            (json!({field: long(501)}), invalid, field),
            (json!({field: "a\u{0}b"}), invalid, field),
            (json!({field: "a\nb"}), invalid, field),
        ]);
    }
    let capacity = "capacity_bytes_per_second";
    for value in [json!("fast"), json!(-1), json!(1.5), json!(1e300), json!([1]), json!(true)] {
        all.push((json!({capacity: value}), body, capacity));
    }
    for value in [json!(0), json!(1_000_000_000_000_001_u64), json!(u64::MAX)] {
        all.push((json!({capacity: value}), invalid, capacity));
    }
    all
}

#[tokio::test]
async fn a_field_that_cannot_be_used_is_named() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1000, 0, 5)]).await?;
    let before = stage.registry.get("web-1").context("registered")?;
    for (body, code, word) in bodies() {
        let bytes = serde_json::to_vec(&body)?;
        for (method, path) in [
            ("POST", "/api/services/"),
            ("PUT", "/api/services/web-1"),
            ("PATCH", "/api/services/web-1"),
        ] {
            let answer = ask(&stage, method, path, &[JSON], &bytes).await?;
            let (got, message) = answer.refusal();
            assert_eq!((answer.status, got.as_str()), (400, code), "{method} {body}: {message}");
            assert!(message.contains(word), "{method} {body}: {message}");
        }
    }
    assert_eq!(stage.registry.get("web-1").context("still there")?, before);
    assert_eq!(stage.registry.len(), 1);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_body_that_is_none_is_refused() -> Result<()> {
    let stage = Stage::open().await?;
    let path = "/api/services/";
    let deep = "[".repeat(10_000);
    let big = format!("{{\"name\": \"{}\"}}", long(70_000));
    let kind = |kind: &'static str| [kind];
    for (headers, body, status, code, word) in [
        (kind(JSON), "", 400, "invalid_body", "object"),
        (kind(JSON), "{", 400, "invalid_body", "EOF"),
        (kind(JSON), "{\"name\": \"a\"", 400, "invalid_body", "EOF"),
        (kind(JSON), "{} {}", 400, "invalid_body", "after"),
        (kind(JSON), "{\"name\": \"a\", \"name\": \"b\"}", 400, "invalid_body", "name"),
        (kind(JSON), "{\"capacity_bytes_per_second\": 1e999}", 400, "invalid_body", "capacity"),
        (kind(JSON), "{\"name\": \"\\ud800\"}", 400, "invalid_body", "name"),
        (kind(JSON), &deep, 400, "invalid_body", "object"),
        (kind(JSON), &format!("{{\"x\": {deep}"), 400, "invalid_body", "EOF"),
        (kind(JSON), &big, 413, "too_large", "more"),
        (kind("content-type: text/plain"), "{}", 415, "unsupported_media_type", "content-type"),
        (kind("x-nothing: 1"), "{}", 415, "unsupported_media_type", "content-type"),
        (
            kind("content-type: application/x-www-form-urlencoded"),
            "id=web",
            415,
            "unsupported_media_type",
            "application/json",
        ),
    ] {
        let answer = ask(&stage, "POST", path, &headers, body.as_bytes()).await?;
        let (got, message) = answer.refusal();
        let shown = body.get(..60).unwrap_or(body);
        assert_eq!((answer.status, got.as_str()), (status, code), "{shown}: {message}");
        assert!(message.contains(word), "{shown}: {message}");
    }
    let binary = ask(&stage, "POST", path, &[JSON], &[b'{', 0xff, 0xfe, b'}']).await?;
    assert_eq!(binary.status, 400);
    assert!(stage.registry.is_empty());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_method_that_an_address_does_not_take_is_told_those_that_it_does() -> Result<()> {
    let stage = Stage::open().await?;
    for (method, path, allowed) in [
        ("POST", "/api/traffic/current", "get,head"),
        ("DELETE", "/api/traffic/history", "get,head"),
        ("PUT", "/metrics", "get,head"),
        ("GET", "/api/services/web-1/token", "post"),
        ("BREW", "/api/services/", "get,head,post"),
    ] {
        let answer = ask(&stage, method, path, &[], b"").await?;
        let code = answer.refusal().0;
        assert_eq!((answer.status, code.as_str()), (405, "method_not_allowed"), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
    stage.close().await?;
    Ok(())
}

/// Parameters of any name and value, for any address of the API.
fn any_query() -> impl Strategy<Value = String> {
    let names = prop::sample::select(vec![
        "service", "group", "hours", "from", "to", "step", "weeks", "limit", "after", "since", "x",
    ]);
    let encoded = "(%[0-9a-f]{2}|[a-z0-9:.-]){0,12}";
    let values = prop_oneof![
        Just("web-1".to_owned()),
        Just("24".to_owned()),
        Just("5m".to_owned()),
        Just("2026-11-20T00:00:00Z".to_owned()),
        encoded,
    ];
    let pairs = prop::collection::vec((names, values), 0..4);
    pairs.prop_map(|pairs| {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    })
}

#[test]
fn no_query_breaks_anything() -> Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let stage = runtime.block_on(async {
        let stage = Stage::open().await?;
        stage.publish("web-1", &[sample(1000, 0, 5)]).await?;
        anyhow::Ok(stage)
    })?;
    let paths = prop::sample::select(vec![
        "/api/traffic/current",
        "/api/traffic/history",
        "/api/traffic/analytics/hourly",
        "/api/traffic/analytics/weekly",
        "/api/services/",
        "/metrics",
        "/",
    ]);
    let mut runner = TestRunner::new(Config { cases: 200, ..Config::default() });
    runner.run(&(paths, any_query()), |(path, query)| {
        let asked = format!("{path}?{query}");
        let answer = runtime.block_on(ask(&stage, "GET", &asked, &[], b""));
        let answer = answer.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert!([200, 400, 404].contains(&answer.status), "{asked}: {}", answer.status);
        let (code, message) = answer.refusal();
        prop_assert_eq!(
            answer.status == 200 || path == "/",
            code.is_empty(),
            "{}: {}",
            asked,
            message
        );
        Ok(())
    })?;
    runtime.block_on(stage.close())?;
    Ok(())
}
