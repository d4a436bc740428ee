//! Logging in, staying logged in and logging out, over HTTP and in a browser.

use anyhow::{Context, Result};
use komandorr_collector::registry::ADMIN;
use reqwest::{Client, RequestBuilder, Response, redirect::Policy};

use crate::{
    browser::Browser,
    support::{FLEET, PATIENCE, Stage, now_ms},
};

const PASSWORD: &str = "correct horse";

/// A site that trusts nobody, with a password.
async fn closed_site() -> Result<Stage> {
    let stage = Stage::with(|app| app.access.trusted = false).await?;
    stage.registry.set_password(PASSWORD)?;
    Ok(stage)
}

fn client() -> Result<Client> {
    Ok(Client::builder().redirect(Policy::none()).build()?)
}

fn login(client: &Client, stage: &Stage, password: &str, next: &str) -> RequestBuilder {
    let form = format!("name=admin&password={}&next={next}", password.replace(' ', "+"));
    let request = client.post(stage.url("/login")).body(form);
    request.header("content-type", "application/x-www-form-urlencoded")
}

fn location(answer: &Response) -> &str {
    answer.headers().get("location").and_then(|to| to.to_str().ok()).unwrap_or_default()
}

/// The session's cookie as a browser sends it back.
fn cookie(answer: &Response) -> Result<String> {
    let set = answer.headers().get("set-cookie").context("no cookie")?.to_str()?;
    Ok(set.split(';').next().unwrap_or_default().to_owned())
}

async fn status(client: &Client, stage: &Stage, path: &str, cookie: &str) -> Result<u16> {
    let answer = client.get(stage.url(path)).header("cookie", cookie).send().await?;
    Ok(answer.status().as_u16())
}

#[tokio::test]
async fn a_page_leads_to_the_login_and_the_login_back_to_the_page() -> Result<()> {
    let (stage, client) = (closed_site().await?, client()?);
    let turned = client.get(stage.url("/status?x=1")).send().await?;
    assert_eq!(
        (turned.status().as_u16(), location(&turned)),
        (303, "/login?next=%2Fstatus%3Fx%3D1")
    );
    let form = client.get(stage.url(location(&turned))).send().await?.text().await?;
    assert!(form.contains("name=\"next\" value=\"/status?x=1\""), "{form}");
    let entered = login(&client, &stage, PASSWORD, "/status?x=1").send().await?;
    assert_eq!((entered.status().as_u16(), location(&entered)), (303, "/status?x=1"));
    let set = entered.headers()["set-cookie"].to_str()?.to_owned();
    for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(set.contains(part), "{set}");
    }
    assert!(!set.contains("Secure"), "it came over plain HTTP: {set}");
    let cookie = cookie(&entered)?;
    assert_eq!(status(&client, &stage, "/status", &cookie).await?, 200);
    assert_eq!(status(&client, &stage, "/api/traffic/current", &cookie).await?, 200);
    for elsewhere in ["https://evil.example", "//evil.example", "/\\evil.example"] {
        let entered = login(&client, &stage, PASSWORD, elsewhere).send().await?;
        assert_eq!(location(&entered), "/", "{elsewhere}");
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn wrong_guesses_keep_the_name_and_slow_their_address_down_alone() -> Result<()> {
    let stage = Stage::configured(
        |app| app.access.trusted = false,
        |config| config.trusted_proxies = "127.0.0.1".parse().unwrap_or_default(),
    )
    .await?;
    stage.registry.set_password(PASSWORD)?;
    let client = client()?;
    let from = |address: &str, password: &str| {
        login(&client, &stage, password, "").header("x-forwarded-for", address)
    };
    let wrong = from("192.0.2.1", "hunter22").send().await?;
    assert_eq!(wrong.status(), 401);
    let page = wrong.text().await?;
    assert!(page.contains("name or password is wrong") && page.contains("value=\"admin\""));
    assert!(!page.contains("hunter22"));
    // Each guess waits longer; soon it is told to come back later, and the
    // right password is too, unless this machine has slept meanwhile.
    let mut told = None;
    for _ in 0..20 {
        if from("192.0.2.1", "hunter22").send().await?.status() == 429 {
            told = Some(from("192.0.2.1", PASSWORD).send().await?);
        }
        if told.as_ref().is_some_and(|told| told.status() == 429) {
            break;
        }
    }
    let told = told.context("nobody is told to wait")?;
    assert_eq!(told.status(), 429, "even the right one has to wait");
    assert!(told.headers()["retry-after"].to_str()?.parse::<u32>()? > 0);
    let other = from("192.0.2.2", PASSWORD).send().await?;
    assert_eq!(other.status(), 303, "another address does not wait");
    // A program with a stale password does not keep people out, and back.
    let basic = client.get(stage.url("/api/traffic/current")).basic_auth(ADMIN, Some(PASSWORD));
    let basic = basic.header("x-forwarded-for", "192.0.2.1").send().await?;
    assert_eq!(basic.status(), 200);
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn behind_a_proxy_with_tls_the_cookie_is_for_tls_alone() -> Result<()> {
    let stage = Stage::configured(
        |app| app.access.trusted = true,
        |config| config.trusted_proxies = "127.0.0.0/8".parse().unwrap_or_default(),
    )
    .await?;
    stage.registry.set_password(PASSWORD)?;
    let client = client()?;
    let page = client.get(stage.url("/")).header("host", "traffic.example").send().await?;
    assert_eq!(page.status(), 303, "whoever comes through the proxy logs in, loopback or not");
    let entered = login(&client, &stage, PASSWORD, "")
        .header("host", "traffic.example")
        .header("origin", "https://traffic.example")
        .header("x-forwarded-proto", "https");
    let entered = entered.send().await?;
    assert_eq!(entered.status(), 303);
    assert!(entered.headers()["set-cookie"].to_str()?.contains("; Secure"));
    assert_eq!(entered.headers()["strict-transport-security"], "max-age=31536000");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn sessions_end_by_signing_out_everywhere_and_with_the_password() -> Result<()> {
    let (stage, client) = (closed_site().await?, client()?);
    let enter = async || cookie(&login(&client, &stage, PASSWORD, "").send().await?);
    let (one, two, three) = (enter().await?, enter().await?, enter().await?);
    let post = async |path: &str, cookie: &str, body: &'static str| {
        let request = client.post(stage.url(path)).header("cookie", cookie).body(body);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.send().await
    };
    assert_eq!(location(&post("/logout", &one, "").await?), "/login");
    assert_eq!(status(&client, &stage, "/", &one).await?, 303);
    assert_eq!(status(&client, &stage, "/", &two).await?, 200);
    let body = "current=wrong+one&password=battery+staple";
    let wrong = post("/access/password", &two, body).await?;
    assert_eq!(wrong.status(), 422);
    assert!(wrong.text().await?.contains("the current password is wrong"));
    let body = "current=correct+horse&password=battery+staple";
    let changed = post("/access/password", &two, body).await?;
    assert_eq!(changed.status(), 303);
    let fresh = cookie(&changed)?;
    assert_eq!(status(&client, &stage, "/", &two).await?, 303);
    assert_eq!(status(&client, &stage, "/", &three).await?, 303);
    assert_eq!(status(&client, &stage, "/", &fresh).await?, 200);
    assert_eq!(post("/access/sessions/end-all", &fresh, "").await?.status(), 303);
    assert_eq!(status(&client, &stage, "/", &fresh).await?, 303);
    assert!(stage.registry.sessions().is_empty());
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_page_that_tells_an_error_follows_the_stream_of_whoever_is_let_in() -> Result<()> {
    let (stage, client) = (closed_site().await?, client()?);
    let page = async |cookie: &str| {
        let request = client.get(stage.url("/nothing-here")).header("cookie", cookie);
        request.send().await?.text().await
    };
    let stranger = page("").await?;
    assert!(stranger.contains("Not found") && stranger.contains("data-stream=\"\""), "{stranger}");
    let cookie = cookie(&login(&client, &stage, PASSWORD, "").send().await?)?;
    let known = page(&cookie).await?;
    assert!(known.contains("data-stream=\"/api/traffic/stream?view=clock\""), "{known}");
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_page_whose_session_has_ended_says_so_and_asks_no_more() -> Result<()> {
    let stage = closed_site().await?;
    let browser = Browser::open().await?;
    browser.goto(&stage.url("/access")).await?;
    browser.keys("#l-p", PASSWORD).await?;
    browser.click(".login .btn").await?;
    browser.until_url("/access").await?;
    browser.until_live().await?;
    stage.registry.close_all_sessions()?;
    stage.publish("web-1", &[FLEET[0].sample(now_ms(), 5, 1)]).await?;
    browser.until("document.querySelector('#lost').textContent.startsWith('Logged out: ')").await?;
    assert_eq!(browser.run("return document.querySelector('#lost').hidden").await?, false);
    assert_eq!(browser.text("#stream .word").await?, "As of");
    browser.close().await?;
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_flood_of_logins_leaves_the_site_answering() -> Result<()> {
    let stage = Stage::configured(
        |app| app.access.trusted = false,
        |config| config.trusted_proxies = "127.0.0.1".parse().unwrap_or_default(),
    )
    .await?;
    stage.registry.set_password(PASSWORD)?;
    let client = client()?;
    let mut flood = tokio::task::JoinSet::new();
    for n in 0..100_u8 {
        let guess = login(&client, &stage, "hunter22", "");
        let guess = guess.header("x-forwarded-for", format!("192.0.2.{n}"));
        flood.spawn(async move { guess.send().await.map(|answer| answer.status().as_u16()) });
    }
    // Everything else answers meanwhile: no check holds an async thread.
    for _ in 0..20 {
        let alive = client.get(stage.url("/healthz")).timeout(PATIENCE);
        assert_eq!(alive.send().await?.status(), 200);
    }
    for answer in flood.join_all().await {
        let status = answer?;
        assert!([401, 503].contains(&status), "{status}");
    }
    stage.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_person_logs_in_makes_a_reader_and_signs_out_without_scripts() -> Result<()> {
    let stage = closed_site().await?;
    stage.publish("web-1", &[FLEET[0].sample(now_ms(), 5, 1)]).await?;
    let browser = Browser::open().await?;
    browser.without_scripts().await?;
    browser.goto(&stage.url("/access")).await?;
    assert!(browser.url().await?.contains("/login?next=%2Faccess"));
    browser.keys("#l-p", "wrong horse").await?;
    browser.click(".login .btn").await?;
    assert!(browser.text("#e-l").await?.contains("wrong"));
    assert_eq!(browser.attribute("#l-n", "value").await?, "admin");
    browser.keys("#l-p", PASSWORD).await?;
    browser.click(".login .btn").await?;
    browser.until_url("/access").await?;
    browser.keys("#r-n", "home-assistant").await?;
    browser.click("#readers .form .btn").await?;
    let token = browser.text(".cmd code").await?;
    assert!(stage.registry.named("home-assistant", &token).is_some(), "{token}");
    browser.keys("#r-n", "home-assistant").await?;
    browser.click("#readers .form .btn").await?;
    assert!(browser.text("#e-r").await?.contains("exists already"));
    browser.click("#readers td .btn").await?;
    browser.until_url("/access#readers").await?;
    assert!(stage.registry.readers().is_empty());
    browser.click("form[action='/logout'] .btn").await?;
    browser.until_url("/login").await?;
    assert!(stage.registry.sessions().is_empty());
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
