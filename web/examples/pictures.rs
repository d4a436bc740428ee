//! Takes a picture of every page in every state, theme and width, for people
//! to look at: `cargo run -p komandorr-web --example pictures -- FOLDER [NAME]`
//! (NAME: only the scenes whose name begins so). Needs Chromium and its driver.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "invented speeds, for a person at a terminal"
)]

#[path = "../tests/site/browser.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod browser;
#[path = "../tests/site/scenes.rs"]
mod scenes;
#[path = "../tests/site/support.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod support;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use browser::Browser;
use scenes::{Ground, SCENES, Scene, Set, feed, show};
use support::Stage;

const THEMES: [&str; 2] = ["dark", "light"];
const WIDTHS: [u32; 4] = [360, 768, 1280, 2560];
/// About the width of a sheet of paper, CSS pixels.
const PAPER: u32 = 760;
const DAYS: i64 = 40;

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().context("say which folder")?);
    let wanted = arguments.next().unwrap_or_default();
    std::fs::create_dir_all(&folder)?;
    for ground in Ground::ALL {
        let of_ground = |scene: &&Scene| scene.ground == ground && scene.name.starts_with(&wanted);
        let scenes: Vec<&Scene> = SCENES.iter().filter(of_ground).collect();
        if scenes.is_empty() {
            continue;
        }
        let set = Set::open(ground, DAYS).await?;
        let hosts = set.hosts.clone();
        tokio::select! {
            taken = take_all(&folder, &set.stage, &scenes) => taken?,
            fed = feed(&set.stage, hosts) => fed?,
        }
        if ground == Ground::Young {
            lose(&folder, set.stage).await?;
        } else {
            set.stage.close().await?;
        }
    }
    Ok(())
}

async fn take_all(folder: &Path, stage: &Stage, scenes: &[&Scene]) -> Result<()> {
    let browser = Browser::open().await?;
    for scene in scenes {
        browser.width(1280).await?;
        browser.calm("dark").await?;
        show(&browser, stage, scene).await?;
        take(folder, &browser, scene.name).await?;
        browser.width(PAPER).await?;
        browser.media("print", "prefers-color-scheme", "light").await?;
        write(folder, &browser, &format!("{}-print", scene.name)).await?;
    }
    browser.close().await
}

/// A page whose server went away.
async fn lose(folder: &Path, stage: Stage) -> Result<()> {
    let browser = Browser::open().await?;
    let scene = SCENES.iter().find(|scene| scene.name == "dashboard-young").context("a scene")?;
    show(&browser, &stage, scene).await?;
    stage.close().await?;
    browser.until("!document.querySelector('#lost').hidden").await?;
    take(folder, &browser, "dashboard-lost").await?;
    browser.close().await
}

async fn take(folder: &Path, browser: &Browser, name: &str) -> Result<()> {
    for theme in THEMES {
        browser.calm(theme).await?;
        for width in WIDTHS {
            browser.width(width).await?;
            write(folder, browser, &format!("{name}-{theme}-{width}")).await?;
        }
    }
    Ok(())
}

async fn write(folder: &Path, browser: &Browser, name: &str) -> Result<()> {
    let file = folder.join(format!("{name}.png"));
    std::fs::write(&file, browser.picture().await?)?;
    println!("{}", file.display());
    Ok(())
}
