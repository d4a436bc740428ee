//! Who may do what: the table of routes is walked by everybody.

use std::sync::Arc;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use komandorr_collector::registry::{ADMIN, ServiceDetails, Token};
use komandorr_web::{Needs, Part, Readiness, Route, routes};
use komandorr_wire::ServiceId;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, redirect::Policy};

use serde_json::json;

use crate::support::{PATIENCE, Stage, sample};

/// A site that trusts nobody, with two services that report.
async fn closed_site() -> Result<Stage> {
    let stage = Stage::with(|app| app.access.trusted = false).await?;
    for service in ["web-1", "db-1"] {
        stage.registry.register(&ServiceId::new(service)?, ServiceDetails::default())?;
        stage.publish(service, &[sample(1_000_000, 0, 60)]).await?;
    }
    Ok(stage)
}

/// Everybody who can come, each with a token; the first has none.
struct Everybody(Vec<(&'static str, Option<String>)>);

impl Everybody {
    fn of(stage: &Stage) -> Result<Self> {
        let (web, db) = (ServiceId::new("web-1")?, ServiceId::new("db-1")?);
        let registry = &stage.registry;
        let token = |token: &Token| Some(token.expose().to_owned());
        Ok(Self(vec![
            ("nobody", None),
            ("a guesser", Some("kmd_0".into())),
            ("a reader of all", token(&registry.create_reader("all", None)?)),
            ("a reader of web-1", token(&registry.create_reader("own", Some(&web))?)),
            ("a reader of db-1", token(&registry.create_reader("other", Some(&db))?)),
            ("an agent", token(&registry.rotate_token(&web, std::time::Duration::ZERO)?)),
            ("a reading script", token(&registry.create_script("graphs", false)?)),
            ("a managing script", token(&registry.create_script("deploy", true)?)),
        ]))
    }

    fn token(&self, who: &str) -> Option<&str> {
        self.0.iter().find(|(name, _)| *name == who)?.1.as_deref()
    }
}

/// What the rows promise, said once more and in other words.
fn may(who: &str, needs: Needs) -> bool {
    match needs {
        Needs::Nothing => true,
        Needs::Read => !["nobody", "a guesser", "an agent"].contains(&who),
        Needs::ReadAll => {
            ["a reader of all", "a reading script", "a managing script"].contains(&who)
        }
        Needs::Publish => ["an agent", "a managing script"].contains(&who),
        Needs::Manage => who == "a managing script",
    }
}

fn client() -> Result<Client> {
    Ok(Client::builder().redirect(Policy::none()).build()?)
}

/// A route's path with something in the place of its parameter.
fn filled(path: &str, parameter: &str) -> String {
    match (path.split_once('{'), path.split_once('}')) {
        (Some((before, _)), Some((_, after))) => format!("{before}{parameter}{after}"),
        _ => path.to_owned(),
    }
}

/// A request of a route for one service.
fn request(client: &Client, stage: &Stage, route: &Route, id: &str) -> RequestBuilder {
    client.request(route.method.clone(), stage.url(&filled(route.path, id)))
}

fn with(request: RequestBuilder, token: Option<&str>) -> RequestBuilder {
    match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    }
}

/// Turned away at the door: pages lead to the login, all else says no.
fn turned_away(answer: &Response) -> bool {
    let to_login = answer
        .headers()
        .get("location")
        .is_some_and(|to| to.to_str().is_ok_and(|to| to == "/login" || to.starts_with("/login?")));
    matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
        || (answer.status() == StatusCode::SEE_OTHER && to_login)
}

#[tokio::test]
async fn every_route_and_method_lets_in_whoever_may_and_nobody_else() -> Result<()> {
    let stage = closed_site().await?;
    let (everybody, client) = (Everybody::of(&stage)?, client()?);
    let before = stage.registry.services();
    for (who, token) in &everybody.0 {
        for route in routes().iter().filter(|route| !may(who, route.needs)) {
            let request = request(&client, &stage, route, "web-1");
            let answer = with(request, token.as_deref()).send().await?;
            let status = answer.status();
            assert!(turned_away(&answer), "{who}: {} {}: {status}", route.method, route.path);
            if route.method == Method::GET {
                let head = client.head(stage.url(&filled(route.path, "web-1")));
                let head = with(head, token.as_deref()).send().await?;
                assert!(turned_away(&head), "{who}: HEAD {}: {}", route.path, head.status());
            }
        }
    }
    assert_eq!(stage.registry.services(), before, "nobody of these could change anything");
    for (who, token) in &everybody.0 {
        for route in routes().iter().filter(|route| may(who, route.needs)) {
            // What changes things asks for a service that is not there.
            let id = if route.method == Method::GET { "web-1" } else { "no-such" };
            let id = if *who == "a reader of db-1" { "db-1" } else { id };
            let request = request(&client, &stage, route, id);
            let answer = with(request, token.as_deref()).send().await?;
            let status = answer.status();
            // Signing out leads to the login by itself.
            let away = turned_away(&answer) && route.path != "/logout";
            let served = !away && status != StatusCode::INTERNAL_SERVER_ERROR;
            assert!(served, "{who}: {} {}: {status}", route.method, route.path);
        }
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn no_page_of_another_site_changes_anything_at_any_address() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 0, 60)]).await?;
    let (client, before) = (client()?, stage.registry.services());
    let changes = || routes().into_iter().filter(|route| route.method != Method::GET);
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        for route in changes() {
            let answer =
                request(&client, &stage, &route, "web-1").header(name, value).send().await?;
            assert_eq!(answer.status(), 403, "{name}: {} {}", route.method, route.path);
        }
    }
    assert!(changes().count() > 15);
    assert_eq!(stage.registry.services(), before);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_reader_of_one_service_learns_nothing_of_another() -> Result<()> {
    let stage = closed_site().await?;
    let (everybody, client) = (Everybody::of(&stage)?, client()?);
    let token = everybody.token("a reader of db-1");
    for route in routes().iter().filter(|route| route.needs == Needs::Read) {
        for query in ["", "?service=web-1", "?group=x", "?view=service&service=web-1"] {
            let path = filled(route.path, "web-1");
            let asked = client.request(route.method.clone(), stage.url(&format!("{path}{query}")));
            let answer = with(asked, token).send().await?;
            let status = answer.status();
            if matches!(status.as_u16(), 400 | 403 | 404 | 426) {
                continue;
            }
            let mut body = answer.bytes_stream();
            // A stream goes on for ever: its first part tells all.
            let first = tokio::time::timeout(PATIENCE, body.next()).await?.context("no body")??;
            let text = String::from_utf8_lossy(&first);
            assert!(status.is_success(), "{path}{query}: {status}");
            assert!(!text.contains("web-1"), "{path}{query}: {text}");
        }
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_is_open_to_everybody_is_known_by_name() {
    let open: Vec<_> = routes()
        .into_iter()
        .filter(|route| route.needs == Needs::Nothing)
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let expected = [
        "GET /login",
        "POST /login",
        "POST /logout",
        "GET /healthz",
        "GET /readyz",
        "GET /openapi.json",
        "GET /api/health",
        "POST /theme",
        "GET /assets/{name}",
        "GET /favicon.ico",
        "GET /mqtt",
    ];
    assert_eq!(open, expected);
}

#[tokio::test]
async fn why_it_is_not_ready_is_told_to_those_who_read_everything() -> Result<()> {
    let stage = Stage::with(|app| {
        app.access.trusted = false;
        app.ready = Arc::new(|| Readiness {
            parts: vec![Part { name: "broker", problem: Some("10.0.0.7 refuses us".into()) }],
        });
    })
    .await?;
    for service in ["web-1", "db-1"] {
        stage.registry.register(&ServiceId::new(service)?, ServiceDetails::default())?;
    }
    let (everybody, client) = (Everybody::of(&stage)?, client()?);
    for (who, token) in &everybody.0 {
        let answer = with(client.get(stage.url("/readyz")), token.as_deref()).send().await?;
        assert_eq!(answer.status(), 503, "{who}");
        let said: serde_json::Value = answer.json().await?;
        let expected = if may(who, Needs::ReadAll) {
            let parts = json!([{"name": "broker", "problem": "10.0.0.7 refuses us"}]);
            json!({"status": "not ready", "parts": parts})
        } else {
            json!({"status": "not ready"})
        };
        assert_eq!(said, expected, "{who}");
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn credentials_come_as_bearer_or_basic_and_what_is_wrong_is_told() -> Result<()> {
    let stage = closed_site().await?;
    let (everybody, client) = (Everybody::of(&stage)?, client()?);
    let token = everybody.token("a reader of all").context("a token")?;
    let current = || client.get(stage.url("/api/traffic/current"));
    let status = async |request: RequestBuilder| -> Result<(u16, String)> {
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let body: serde_json::Value = answer.json().await?;
        Ok((status, body["error"]["code"].as_str().unwrap_or_default().to_owned()))
    };
    assert_eq!(status(current().bearer_auth(token)).await?.0, 200);
    assert_eq!(status(current().basic_auth("all", Some(token))).await?.0, 200);
    let wrong_name = status(current().basic_auth("own", Some(token))).await?;
    assert_eq!(wrong_name, (401, "wrong_credentials".into()));
    assert_eq!(status(current()).await?, (401, "login_required".into()));
    let digest = current().header("authorization", "Digest x");
    assert_eq!(status(digest).await?, (401, "unreadable_credentials".into()));
    // A token in an address is for WebSockets alone.
    let query = client.get(stage.url(&format!("/api/traffic/current?token={token}")));
    assert_eq!(status(query).await?, (401, "login_required".into()));
    let answer = current().send().await?;
    let asks: Vec<_> = answer.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(asks.len(), 2, "{asks:?}");
    let script = current().header("sec-fetch-mode", "cors").send().await?;
    let asks: Vec<_> = script.headers().get_all("www-authenticate").iter().collect();
    assert_eq!(asks, ["Bearer realm=\"komandorr\""], "no box of the browser's own");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_credential_that_is_taken_back_ends_its_streams() -> Result<()> {
    let stage = closed_site().await?;
    let registry = &stage.registry;
    let reader = registry.create_reader("graphs", None)?;
    let session = registry.open_session(ADMIN, "a browser")?;
    let (client, url) = (client()?, stage.url("/api/traffic/stream"));
    let cookie = format!("komandorr_session={}", session.expose());
    let streams = [
        client.get(&url).bearer_auth(reader.expose()).send().await?,
        client.get(&url).header("cookie", cookie).send().await?,
    ];
    let mut bodies = streams.map(Response::bytes_stream);
    for body in &mut bodies {
        tokio::time::timeout(PATIENCE, body.next()).await?.context("no first event")??;
    }
    registry.remove_reader("graphs")?;
    registry.close_all_sessions()?;
    stage.publish("web-1", &[sample(2_000_000, 0, 1)]).await?;
    for body in &mut bodies {
        let rest = tokio::time::timeout(PATIENCE, body.next()).await?;
        assert!(rest.is_none(), "{rest:?}");
    }
    drop(bodies);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_tell_ends_with_its_credential_too() -> Result<()> {
    let stage = closed_site().await?;
    let reader = stage.registry.create_reader("graphs", None)?;
    let request = client()?.get(stage.url("/api/traffic/stream?service=web-1"));
    let mut body = request.bearer_auth(reader.expose()).send().await?.bytes_stream();
    tokio::time::timeout(PATIENCE, body.next()).await?.context("no first event")??;
    stage.registry.remove_reader("graphs")?;
    // Others go on: each of their frames tells this reader nothing.
    let mut speed = 1_000_000;
    let publish = async {
        let mut often = tokio::time::interval(std::time::Duration::from_millis(200));
        loop {
            often.tick().await;
            speed += 1000;
            if let Err(error) = stage.publish("db-1", &[sample(speed, 0, 60)]).await {
                return error;
            }
        }
    };
    tokio::select! {
        rest = tokio::time::timeout(PATIENCE, body.next()) => assert!(rest?.is_none()),
        failed = publish => return Err(failed),
    }
    drop(body);
    stage.close().await?;
    Ok(())
}
