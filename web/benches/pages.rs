//! What a page costs the server, from the request to its last byte, with a week
//! of history of a small fleet. With our own code as in a release:
//!
//! ```text
//! CARGO_PROFILE_DEV_OPT_LEVEL=3 cargo bench --profile dev -p komandorr-web --bench pages
//! ```
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "invented speeds; a benchmark that cannot be set up ends"
)]

#[path = "../tests/site/browser.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod browser;
#[path = "../tests/site/scenes.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod scenes;
#[path = "../tests/site/support.rs"]
#[allow(dead_code, reason = "shared with the tests, which use more of it")]
mod support;

use std::sync::LazyLock;

use anyhow::{Result, ensure};
use scenes::Set;
use support::Stage;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// A site with a busy fleet, and a client that keeps its connection.
struct Site {
    runtime: Runtime,
    set: Set,
    client: reqwest::Client,
}

static SITE: LazyLock<Site> = LazyLock::new(|| match Site::open() {
    Ok(site) => site,
    Err(error) => panic!("no site: {error:#}"),
});

impl Site {
    fn open() -> Result<Self> {
        let runtime = Runtime::new()?;
        let set = runtime.block_on(async { scenes::busy(Stage::open().await?, 7).await })?;
        Ok(Self { runtime, set, client: reqwest::Client::new() })
    }

    async fn get(&self, path: &str) -> Result<usize> {
        let answer = self.client.get(self.set.stage.url(path)).send().await?;
        ensure!(answer.status().is_success(), "{path}: {}", answer.status());
        Ok(answer.bytes().await?.len())
    }
}

#[divan::bench(args = [
    "/",
    "/services/edge-fra-01",
    "/services/edge-fra-01?range=week",
    "/analytics",
    "/status",
    "/docs",
    "/api/traffic/current",
    "/metrics",
])]
fn page(path: &str) -> usize {
    match SITE.runtime.block_on(SITE.get(path)) {
        Ok(bytes) => bytes,
        Err(error) => panic!("{error:#}"),
    }
}
