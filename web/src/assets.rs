//! Stylesheet, script and icon: in the program, under names that change with
//! their content, so that a browser asks for each version once.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};

use crate::{error::Failure, hash::hash, headers::Cache};

/// Bytes of the hash in a name: enough to tell versions apart.
const HASH_BYTES: usize = 6;

/// An embedded file.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Path on this site, with the hash of the content.
    pub(crate) path: String,
    kind: &'static str,
    content: &'static [u8],
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Assets {
    pub(crate) style: Asset,
    /// What the API's description needs beside it.
    pub(crate) docs: Asset,
    pub(crate) script: Asset,
    /// What charts have beside it.
    pub(crate) chart: Asset,
    pub(crate) icon: Asset,
}

pub(crate) static ASSETS: LazyLock<Assets> = LazyLock::new(|| Assets {
    style: Asset::new("app", "css", "text/css; charset=utf-8", include_bytes!("../assets/app.css")),
    docs: Asset::new(
        "docs",
        "css",
        "text/css; charset=utf-8",
        include_bytes!("../assets/docs.css"),
    ),
    script: Asset::new(
        "app",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("../assets/app.js"),
    ),
    chart: Asset::new(
        "chart",
        "js",
        "text/javascript; charset=utf-8",
        include_bytes!("../assets/chart.js"),
    ),
    icon: Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../assets/icon.svg")),
});

impl Asset {
    fn new(stem: &str, extension: &str, kind: &'static str, content: &'static [u8]) -> Self {
        let hash = hash(content, HASH_BYTES);
        Self { path: format!("/assets/{stem}-{hash}.{extension}"), kind, content }
    }

    fn answer(&self, cache: Cache) -> Response {
        let kind = HeaderValue::from_static(self.kind);
        let mut response = ([(header::CONTENT_TYPE, kind)], self.content).into_response();
        response.extensions_mut().insert(cache);
        response
    }
}

impl Assets {
    fn all(&self) -> [&Asset; 5] {
        [&self.style, &self.docs, &self.script, &self.chart, &self.icon]
    }
}

/// `GET /assets/{name}`
pub(crate) async fn asset(Path(name): Path<String>) -> Result<Response, Failure> {
    let wanted = |asset: &&Asset| asset.path.strip_prefix("/assets/") == Some(name.as_str());
    let assets = ASSETS.all();
    let asset = assets.into_iter().find(wanted).ok_or_else(Failure::no_page)?;
    Ok(asset.answer(Cache::Forever))
}

/// `GET /favicon.ico`, which browsers ask for unasked. Its name has no hash.
pub(crate) async fn favicon() -> Response {
    ASSETS.icon.answer(Cache::Day)
}
