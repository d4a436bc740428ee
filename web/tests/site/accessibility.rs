//! Every page in every state: axe-core in both themes, the four widths, the
//! console, and where its files come from.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    scenes::{Ground, SCENES, Scene, Set, feed, show},
    support::Stage,
};

/// axe-core, which `./check tools` installs with its other tools.
fn axe() -> Result<String> {
    let home = std::env::home_dir().context("no home folder")?;
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or(home.join(".cache"), PathBuf::from);
    let versions = cache.join("komandorr/tools/python/lib");
    let missing =
        || format!("axe-core is not in {}: run ./check spelling once", versions.display());
    let mut folders = std::fs::read_dir(&versions).with_context(missing)?;
    let script = "site-packages/axe_playwright_python/axe.min.js";
    let found =
        folders.find_map(|folder| std::fs::read_to_string(folder.ok()?.path().join(script)).ok());
    found.with_context(missing)
}

/// What axe-core finds on the page that a browser shows.
async fn violations(browser: &Browser, axe: &str) -> Result<Vec<String>> {
    browser.run(axe).await?;
    let found = browser
        .run_async(
            "axe.run(document, { resultTypes: ['violations'] }).then((result) => done(
                 result.violations.flatMap((violation) => violation.nodes.map((node) =>
                     `${violation.id}: ${node.html.slice(0, 160)}: ${node.failureSummary}`))),
                 (error) => done([String(error)]))",
        )
        .await?;
    let found = found.as_array().context("axe-core's answer")?;
    Ok(found.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

/// By how much the page is wider than the window at a few widths.
pub(crate) async fn overflow(browser: &Browser) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for width in [360, 768, 1280, 2560] {
        browser.width(width).await?;
        let wider = "const e = document.documentElement; return e.scrollWidth - e.clientWidth";
        let wider = browser.run(wider).await?;
        if wider != 0 {
            found.push(format!("{wider} px too wide at {width} px"));
        }
    }
    browser.width(1280).await?;
    Ok(found)
}

/// Errors on the console, but for the status of the page itself; and files
/// from elsewhere.
async fn complaints(browser: &Browser) -> Result<Vec<String>> {
    let own = |error: &String| {
        let of_page = !error.contains("/assets/") && !error.contains("/api/");
        of_page && error.contains("the server responded with a status of")
    };
    let mut found = browser.errors().await?;
    found.retain(|error| !own(error));
    let elsewhere = browser
        .run(
            "return performance.getEntriesByType('resource')
                 .filter((file) => !file.name.startsWith(location.origin)).map((file) => file.name)",
        )
        .await?;
    let elsewhere = elsewhere.as_array().cloned().unwrap_or_default();
    found.extend(elsewhere.iter().map(|file| format!("comes from elsewhere: {file}")));
    Ok(found)
}

/// What is wrong with some scenes.
async fn examine(stage: &Stage, scenes: impl Iterator<Item = &Scene>) -> Result<Vec<String>> {
    let (axe, browser) = (axe()?, Browser::open().await?);
    let mut found = Vec::new();
    for scene in scenes {
        let mut add = |theme: &str, wrong: Vec<String>| {
            found.extend(wrong.iter().map(|wrong| format!("{} {theme}: {wrong}", scene.name)));
        };
        browser.calm("dark").await?;
        show(&browser, stage, scene).await?;
        add("dark", violations(&browser, &axe).await?);
        add("", overflow(&browser).await?);
        add("", complaints(&browser).await?);
        browser.calm("light").await?;
        add("light", violations(&browser, &axe).await?);
    }
    browser.close().await?;
    Ok(found)
}

#[tokio::test]
async fn every_page_in_every_state_is_accessible_fits_and_does_not_complain() -> Result<()> {
    let mut found = Vec::new();
    for ground in Ground::ALL {
        let set = Set::open(ground, 2).await?;
        let scenes = SCENES.iter().filter(|scene| scene.ground == ground);
        tokio::select! {
            here = examine(&set.stage, scenes) => found.extend(here?),
            fed = feed(&set.stage, set.hosts.clone()) => fed?,
        }
        set.stage.close().await?;
    }
    assert!(found.is_empty(), "{} times:\n{}", found.len(), found.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_stream_that_comes_and_goes_is_spoken_of_every_half_minute() -> Result<()> {
    let stage = Stage::open().await?;
    let browser = Browser::open().await?;
    // A stream and a clock that do what the test says.
    let source = "const now = Date.now; window.late = 0; Date.now = () => now() + window.late;
         window.EventSource = class extends EventTarget {
             static OPEN = 1; static CLOSED = 2; readyState = 1;
             constructor() { super(); window.stream = this; }
             close() {}
         }";
    browser.devtools("Page.addScriptToEvaluateOnNewDocument", json!({"source": source})).await?;
    browser.goto(&stage.url("/status")).await?;
    browser.until_live().await?;
    let told = browser
        .run(
            "const lost = document.querySelector('#lost'), say = document.querySelector('#say');
             const lose = (seconds) => {
                 window.late += seconds * 1000;
                 window.stream.dispatchEvent(new Event('error'));
                 const told = [!lost.hidden, say.textContent.split('.')[0]];
                 say.textContent = '';
                 return told;
             };
             const first = lose(26);
             window.stream.dispatchEvent(new Event('alive'));
             return [first, [!lost.hidden, ''], lose(26), lose(1), lose(4)]",
        )
        .await?;
    let silent = json!([true, ""]);
    let spoken = json!([true, "Stream lost"]);
    assert_eq!(told, json!([spoken, [false, ""], silent, silent, spoken]));
    browser.close().await?;
    stage.close().await?;
    Ok(())
}
