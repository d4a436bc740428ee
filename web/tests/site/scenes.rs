//! Every page in every state that a person can meet, for whoever looks at all
//! of them: the pictures and the test of accessibility.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result};
use komandorr_collector::registry::ServiceDetails;
use komandorr_web::Config;
use komandorr_wire::ServiceId;

use crate::{
    browser::Browser,
    support::{FLEET, Host, Stage, now_ms, play, sample},
};

/// What lies below a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// A fleet at work, with a silent and a new service.
    Busy,
    /// Nothing was ever added.
    Empty,
    /// One service since some minutes.
    Young,
    /// The database is damaged, and a part of the server panics when asked.
    Broken,
    /// What the only service sends is acknowledged, but no history is made of it.
    Behind,
    /// One service, and a password before it.
    Locked,
}

impl Ground {
    pub(crate) const ALL: [Self; 6] =
        [Self::Busy, Self::Empty, Self::Young, Self::Broken, Self::Behind, Self::Locked];
}

/// What is done with a page before one looks at it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Act {
    Look,
    /// Texts go into fields; Enter after the last one leads to an element.
    Fill(&'static [(&'static str, &'static str)], &'static str),
    /// A click that leads to an element.
    Click(&'static str, &'static str),
    /// An element is opened, or gets the focus.
    Open(&'static str),
    Focus(&'static str),
}

/// A page in a state.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) ground: Ground,
    pub(crate) path: &'static str,
    pub(crate) act: Act,
}

const fn scene(name: &'static str, ground: Ground, path: &'static str, act: Act) -> Scene {
    Scene { name, ground, path, act }
}

use Act::{Click, Fill, Focus, Look, Open};
use Ground::{Behind, Broken, Busy, Empty, Locked, Young};

const ENTER: &str = "\u{e007}";
const PASSWORD: &str = "correct horse battery";

/// All of them.
pub(crate) const SCENES: [Scene; 46] = [
    scene("dashboard", Busy, "/", Look),
    scene("dashboard-by-month", Busy, "/?sort=month", Look),
    scene("dashboard-group", Busy, "/?group=Core", Look),
    scene("dashboard-nothing-found", Busy, "/?q=amsterdan", Look),
    scene("dashboard-values", Busy, "/", Open("#fleet details")),
    scene("dashboard-pointed", Busy, "/", Focus("#fleet .frame")),
    scene("service", Busy, "/services/edge-fra-01", Look),
    scene("service-hour", Busy, "/services/edge-fra-01?range=hour", Look),
    scene("service-week", Busy, "/services/edge-fra-01?range=week&per=week", Look),
    scene("service-month", Busy, "/services/edge-fra-01?range=month&per=month", Look),
    scene("service-year", Busy, "/services/edge-fra-01?range=year", Look),
    scene("service-custom", Busy, "/services/edge-fra-01?range=custom", Look),
    scene("service-pointed", Busy, "/services/edge-fra-01", Focus(".frame")),
    scene("service-no-capacity", Busy, "/services/gateway-zrh?range=hour", Look),
    scene("service-silent", Busy, "/services/backup-hel-01", Look),
    scene("service-new", Busy, "/services/lab-router", Look),
    scene(
        "service-wrong-range",
        Busy,
        "/services/edge-fra-01?from=2026-11-21T08:00&to=2026-11-20T08:00",
        Look,
    ),
    scene("service-no-data", Busy, "/services/edge-fra-01?from=2020-01-01&to=2020-01-03", Look),
    scene(
        "service-wrong",
        Busy,
        "/services/edge-fra-01",
        Fill(&[("#f-group", " West"), ("#f-cap", "fast")], "#e-cap"),
    ),
    scene("service-remove", Busy, "/services/edge-fra-01/remove", Look),
    scene(
        "service-token",
        Busy,
        "/services/vpn-lon-01",
        Click("form[action$='/token'] button", ".cmd"),
    ),
    scene("analytics", Busy, "/analytics", Look),
    scene("analytics-group", Busy, "/analytics?of=group:Edge&weeks=1", Look),
    scene("analytics-service", Busy, "/analytics?of=service:mirror-nbg-01", Look),
    scene("add", Busy, "/add", Look),
    scene("add-wrong", Busy, "/add", Fill(&[("#a-id", "edge-fra-01")], "#e-id")),
    scene("added", Busy, "/add", Fill(&[("#a-id", "edge-waw-03"), ("#a-n", "Warsaw")], ".cmd")),
    scene("status", Busy, "/status", Look),
    scene("docs", Busy, "/docs", Look),
    scene("not-found", Busy, "/nothing-here", Look),
    scene("wrong-range", Busy, "/services/edge-fra-01?range=never", Look),
    scene("dashboard-empty", Empty, "/", Look),
    scene("analytics-empty", Empty, "/analytics", Look),
    scene("status-empty", Empty, "/status", Look),
    scene("dashboard-young", Young, "/", Look),
    scene("service-young", Young, "/services/edge-fra-01", Look),
    scene("analytics-young", Young, "/analytics", Look),
    scene("store-broken", Broken, "/services/edge-fra-01", Look),
    scene("server-broken", Broken, "/status", Look),
    scene("status-behind", Behind, "/status", Look),
    scene("access", Busy, "/access", Look),
    scene("access-made", Busy, "/access", Fill(&[("#r-n", "home-assistant")], ".cmd")),
    scene("access-wrong", Busy, "/access", Fill(&[("#t-n", "-")], "#e-t")),
    scene("login", Locked, "/login", Look),
    scene("login-wrong", Locked, "/login", Fill(&[("#l-p", "guessed")], "#e-l")),
    scene("logged-in", Locked, "/login", Fill(&[("#l-p", PASSWORD)], ".card")),
];

/// A stage with what plays on it.
pub(crate) struct Set {
    pub(crate) stage: Stage,
    /// Hosts that go on reporting.
    pub(crate) hosts: Vec<Playing>,
}

/// A host with the number and the end of its last sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Playing {
    pub(crate) host: Host,
    pub(crate) seq: u64,
    pub(crate) ended_ms: i64,
}

impl Playing {
    /// Its samples of five seconds up to a moment.
    fn until(&mut self, now_ms: i64) -> Vec<komandorr_wire::Sample> {
        let mut samples = Vec::new();
        while self.ended_ms + 5000 <= now_ms {
            self.seq += 1;
            self.ended_ms += 5000;
            samples.push(self.host.sample(self.ended_ms, 5, self.seq));
        }
        samples
    }
}

impl Set {
    /// Sets a ground up, with so many days of history.
    pub(crate) async fn open(ground: Ground, days: i64) -> Result<Self> {
        Ok(match ground {
            Busy => busy(Stage::open().await?, days).await?,
            Empty => Self { stage: Stage::open().await?, hosts: Vec::new() },
            Young => young(Stage::open().await?).await?,
            Locked => {
                let stage = Stage::with(|app| app.access.trusted = false).await?;
                stage.registry.set_password(PASSWORD)?;
                young(stage).await?
            }
            Broken => Self { stage: broken().await?, hosts: Vec::new() },
            Behind => young(behind().await?).await?,
        })
    }
}

/// The fleet on a stage.
pub(crate) async fn busy(stage: Stage, days: i64) -> Result<Set> {
    let mut hosts = Vec::new();
    for host in FLEET {
        let ended_ms = now_ms();
        let seq = play(&stage, &host, days, ended_ms, 0).await?;
        hosts.push(Playing { host, seq, ended_ms });
    }
    let silent = Host { id: "backup-hel-01", group: Some("Storage"), ..FLEET[2] };
    play(&stage, &silent, days, now_ms(), 130).await?;
    let long = "a-name-that-is-longer-than-its-place-and-then-some-more-of-it-01";
    stage.publish(long, &[sample(9000, 1, 86_400)]).await?;
    let lab = ServiceDetails { group: Some("Lab".into()), ..ServiceDetails::default() };
    stage.registry.register(&ServiceId::new("lab-router")?, lab)?;
    stage.publish_bytes("edge-fra-01", b"\x81\xa1v".to_vec()).await?;
    Ok(Set { stage, hosts })
}

async fn young(stage: Stage) -> Result<Set> {
    let now = now_ms();
    let host = FLEET[0];
    let samples: Vec<_> =
        (1..=60u64).map(|seq| host.sample(now - (60 - seq as i64) * 5000, 5, seq)).collect();
    if stage.registry.get(host.id).is_none() {
        stage.registry.register(&ServiceId::new(host.id)?, ServiceDetails::default())?;
    }
    stage.publish(host.id, &samples).await?;
    Ok(Set { stage, hosts: vec![Playing { host, seq: 60, ended_ms: now }] })
}

/// A database that lost a column, under a server of which a part panics.
async fn broken() -> Result<Stage> {
    let stage = Stage::open().await?;
    play(&stage, &FLEET[0], 1, now_ms(), 0).await?;
    let (folder, address) = (stage.close_keeping().await?, "127.0.0.1:0".parse()?);
    let database = duckdb::Connection::open(folder.path().join("komandorr.duckdb"))?;
    for table in ["recent_volume", "five_minute_volume", "hour_volume"] {
        database.execute_batch(&format!("ALTER TABLE {table} DROP COLUMN up_peak"))?;
    }
    drop(database);
    let panics = |app: &mut komandorr_web::App| {
        app.ready = Arc::new(|| panic!("this part of the server is broken on purpose"));
    };
    Stage::over(folder, address, Config::default(), panics).await
}

/// A database of which a table is not as the server expects it.
async fn behind() -> Result<Stage> {
    let (folder, address) = (Stage::open().await?.close_keeping().await?, "127.0.0.1:0".parse()?);
    let database = duckdb::Connection::open(folder.path().join("komandorr.duckdb"))?;
    database.execute_batch("ALTER TABLE stored_range ADD COLUMN unexpected INTEGER")?;
    drop(database);
    Stage::over(folder, address, Config::default(), |_| {}).await
}

/// Publishes a sample of every host every five seconds, for ever. What a slow
/// machine leaves out comes with the next.
pub(crate) async fn feed(stage: &Stage, mut hosts: Vec<Playing>) -> Result<()> {
    let mut ticks = tokio::time::interval(Duration::from_millis(500));
    loop {
        for turn in 0..10 {
            ticks.tick().await;
            for (_, playing) in hosts.iter_mut().enumerate().filter(|(i, _)| i % 10 == turn) {
                let samples = playing.until(now_ms());
                for part in samples.chunks(500) {
                    stage.publish(playing.host.id, part).await?;
                }
            }
        }
    }
}

/// Brings a scene about in a browser.
pub(crate) async fn show(browser: &Browser, stage: &Stage, scene: &Scene) -> Result<()> {
    let shown = async {
        browser.goto(&stage.url(scene.path)).await?;
        live(browser).await?;
        match scene.act {
            Look => return Ok(()),
            Fill(fields, reached) => {
                for (i, (field, text)) in fields.iter().enumerate() {
                    let end = if i + 1 == fields.len() { ENTER } else { "" };
                    browser.keys(field, &format!("{text}{end}")).await?;
                }
                browser.until(&format!("document.querySelector(\"{reached}\")")).await?;
            }
            Click(button, reached) => {
                browser.click(button).await?;
                browser.until(&format!("document.querySelector(\"{reached}\")")).await?;
            }
            Open(details) => {
                browser.run(&format!("document.querySelector(\"{details}\").open = true")).await?;
            }
            Focus(element) => {
                let focus = "e.dataset.x = 55; e.focus()";
                browser
                    .run(&format!("const e = document.querySelector(\"{element}\"); {focus}"))
                    .await?;
            }
        }
        live(browser).await
    };
    shown.await.with_context(|| scene.name)
}

async fn live(browser: &Browser) -> Result<()> {
    let live = "document.querySelector('#stream .word')?.textContent === 'Live'";
    browser.until(&format!("document.body.dataset.stream === '' || {live}")).await
}
