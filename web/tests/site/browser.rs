//! Chromium, driven through `chromedriver`.

use std::{
    io::{Read as _, Write as _},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use fantoccini::{
    Client, ClientBuilder, Locator,
    elements::Element,
    error::{CmdError, ErrorStatus},
    wd::{Capabilities, WebDriverCompatibleCommand},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::{Instant, interval},
};

use crate::support::PATIENCE;

/// A browser with one page.
pub(crate) struct Browser {
    client: Client,
    /// How `chromedriver` is told to end the session.
    farewell: Farewell,
    /// Ends with the test.
    _driver: Child,
}

/// Ends the browser of a test that failed: it would outlive its driver.
struct Farewell {
    driver: String,
    session: String,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let Self { driver, session } = self;
        let Ok(mut stream) = std::net::TcpStream::connect(&*driver) else { return };
        let head = format!(
            "DELETE /session/{session} HTTP/1.1\r\nhost: {driver}\r\nconnection: close\r\n\r\n"
        );
        let told = stream
            .set_read_timeout(Some(PATIENCE))
            .and_then(|()| stream.write_all(head.as_bytes()))
            // Its answer comes when the browser has ended; not every driver closes then.
            .and_then(|()| stream.read(&mut [0; 512]));
        // Where that fails there is no driver, and so no browser of it.
        drop(told);
    }
}

/// A command of Chromium's own protocol, through `chromedriver`.
#[derive(Debug)]
struct Vendor {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(
        &self,
        base: &url::Url,
        session: Option<&str>,
    ) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

impl Browser {
    /// Starts `chromedriver` on a port that it chooses, and a browser in it.
    pub(crate) async fn open() -> Result<Self> {
        let mut driver = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("starting chromedriver: install the packages chromium and chromium-driver")?;
        let stdout = driver.stdout.take().context("chromedriver's output")?;
        let mut lines = BufReader::new(stdout).lines();
        let port = loop {
            let line = lines.next_line().await?.context("chromedriver ended")?;
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                break port.trim_end_matches('.').to_owned();
            }
        };
        let mut wanted = Capabilities::new();
        // Containers give Chromium neither a sandbox nor much shared memory.
        let arguments =
            ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"];
        wanted.insert("goog:chromeOptions".into(), json!({"args": arguments}));
        wanted.insert("goog:loggingPrefs".into(), json!({"browser": "ALL"}));
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        let session = client.session_id().await?.context("a session")?;
        let farewell = Farewell { driver: format!("127.0.0.1:{port}"), session };
        let browser = Self { client, farewell, _driver: driver };
        // Bars that take their place differ from system to system.
        browser.devtools("Emulation.setScrollbarsHidden", json!({"hidden": true})).await?;
        browser.width(1280).await?;
        Ok(browser)
    }

    async fn vendor(&self, path: &'static str, body: Value) -> Result<Value> {
        Ok(self.client.issue_cmd(Vendor { path, body }).await?)
    }

    /// A command of the developer tools' protocol, and its answer.
    pub(crate) async fn devtools(&self, command: &str, params: Value) -> Result<Value> {
        self.vendor("goog/cdp/execute", json!({"cmd": command, "params": params})).await
    }

    /// Width of the page in CSS pixels.
    pub(crate) async fn width(&self, width: u32) -> Result<()> {
        let metrics =
            json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        Ok(())
    }

    /// Opens another window, and drives that one from now on.
    pub(crate) async fn another(&self) -> Result<()> {
        let opened = self.client.new_window(false).await?;
        Ok(self.client.switch_to_window(opened.handle).await?)
    }

    /// Puts the window where nobody sees its page.
    pub(crate) async fn hide(&self) -> Result<()> {
        self.client.minimize_window().await?;
        self.until("document.hidden").await
    }

    /// Brings it back into sight.
    pub(crate) async fn unhide(&self) -> Result<()> {
        self.client.set_window_size(1280, 900).await?;
        self.until("!document.hidden").await
    }

    /// What the system prefers: `dark` or `light`.
    pub(crate) async fn prefers(&self, scheme: &str) -> Result<()> {
        self.media("", "prefers-color-scheme", scheme).await
    }

    /// The same for a visitor who wants no motion: nothing is caught halfway.
    pub(crate) async fn calm(&self, scheme: &str) -> Result<()> {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        self.devtools("Emulation.setEmulatedMedia", json!({"features": features})).await?;
        Ok(())
    }

    /// Shows the page as on a medium (`print`; empty: the screen), with a wish
    /// of the visitor's.
    pub(crate) async fn media(&self, media: &str, wish: &str, value: &str) -> Result<()> {
        let features = json!([{"name": wish, "value": value}]);
        let emulated = json!({"media": media, "features": features});
        self.devtools("Emulation.setEmulatedMedia", emulated).await?;
        Ok(())
    }

    /// A picture of the whole page, as PNG.
    #[allow(dead_code, reason = "for the example that takes pictures")]
    pub(crate) async fn picture(&self) -> Result<Vec<u8>> {
        use base64::Engine as _;
        let size = self.run("return [innerWidth, document.documentElement.scrollHeight]").await?;
        let clip = json!({"x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1});
        let wanted = json!({"format": "png", "captureBeyondViewport": true, "clip": clip});
        let answer = self.devtools("Page.captureScreenshot", wanted).await?;
        let data = answer["data"].as_str().context("a picture")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(data)?)
    }

    /// Pages run no script from now on.
    pub(crate) async fn without_scripts(&self) -> Result<()> {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({"value": true})).await?;
        Ok(())
    }

    pub(crate) async fn goto(&self, url: &str) -> Result<()> {
        Ok(self.client.goto(url).await?)
    }

    /// Runs a script in the page.
    pub(crate) async fn run(&self, script: &str) -> Result<Value> {
        Ok(self.client.execute(script, Vec::new()).await?)
    }

    /// Runs an asynchronous script: it calls `done(result)`.
    pub(crate) async fn run_async(&self, script: &str) -> Result<Value> {
        let script = format!("const done = arguments[arguments.length - 1];\n{script}");
        Ok(self.client.execute_async(&script, Vec::new()).await?)
    }

    /// The first element; it may still be on its way.
    async fn element(&self, css: &str) -> Result<Element> {
        let wait = self.client.wait().at_most(PATIENCE);
        wait.for_element(Locator::Css(css)).await.with_context(|| css.to_owned())
    }

    /// Does something with the first element, or with what has taken its place because
    /// the page renews itself meanwhile.
    async fn at<T>(
        &self,
        css: &str,
        act: impl AsyncFn(Element) -> Result<T, CmdError>,
    ) -> Result<T> {
        loop {
            match act(self.element(css).await?).await {
                Err(CmdError::Standard(error))
                    if error.error == ErrorStatus::StaleElementReference => {}
                done => return Ok(done?),
            }
        }
    }

    /// Text of the first element, as a reader sees it.
    pub(crate) async fn text(&self, css: &str) -> Result<String> {
        self.at(css, async |element| element.text().await).await
    }

    pub(crate) async fn texts(&self, css: &str) -> Result<Vec<String>> {
        let mut texts = Vec::new();
        for element in self.client.find_all(Locator::Css(css)).await? {
            texts.push(element.text().await?);
        }
        Ok(texts)
    }

    pub(crate) async fn attribute(&self, css: &str, name: &str) -> Result<String> {
        Ok(self.at(css, async |element| element.attr(name).await).await?.unwrap_or_default())
    }

    pub(crate) async fn click(&self, css: &str) -> Result<()> {
        self.at(css, async |element| element.click().await).await
    }

    /// Types into a field, or presses keys at it.
    pub(crate) async fn keys(&self, css: &str, keys: &str) -> Result<()> {
        self.at(css, async |element| element.send_keys(keys).await).await
    }

    /// Presses a key wherever the focus is.
    pub(crate) async fn press(&self, key: &str) -> Result<()> {
        Ok(self.client.active_element().await?.send_keys(key).await?)
    }

    pub(crate) async fn url(&self) -> Result<String> {
        Ok(self.client.current_url().await?.to_string())
    }

    /// Performs pointer actions.
    pub(crate) async fn drag(&self, from: (i64, i64), to: (i64, i64)) -> Result<()> {
        use fantoccini::actions::{InputSource, MOUSE_BUTTON_LEFT, MouseActions, PointerAction};
        let at =
            |(x, y): (i64, i64)| PointerAction::MoveTo { duration: None, x: x as f64, y: y as f64 };
        let press = PointerAction::Down { button: MOUSE_BUTTON_LEFT };
        let release = PointerAction::Up { button: MOUSE_BUTTON_LEFT };
        let middle = (i64::midpoint(from.0, to.0), from.1);
        let actions = MouseActions::new("mouse".into())
            .then(at(from))
            .then(press)
            .then(at(middle))
            .then(at(to))
            .then(release);
        Ok(self.client.perform_actions(actions).await?)
    }

    /// Waits until a script answers true.
    pub(crate) async fn until(&self, condition: &str) -> Result<()> {
        let (begun, script) = (Instant::now(), format!("return !!({condition})"));
        let mut again = interval(Duration::from_millis(50));
        loop {
            again.tick().await;
            // While a page is being replaced there is nothing to ask.
            let met = match self.client.execute(&script, Vec::new()).await {
                Ok(met) => met == json!(true),
                Err(error) if gone(&error) => false,
                Err(error) => return Err(error.into()),
            };
            if met {
                return Ok(());
            }
            if begun.elapsed() > PATIENCE {
                let page = self.client.source().await.unwrap_or_default();
                let head: String = page.chars().take(3000).collect();
                bail!("never true: {condition}\n{head}");
            }
        }
    }

    /// Waits until the page says that it follows its stream.
    pub(crate) async fn until_live(&self) -> Result<()> {
        self.until("document.querySelector('#stream .word').textContent === 'Live'").await
    }

    /// Waits until the address contains a text.
    pub(crate) async fn until_url(&self, part: &str) -> Result<()> {
        self.until(&format!(
            "location.href.includes('{part}') && document.readyState === 'complete'"
        ))
        .await
    }

    /// Errors that the page wrote to the console.
    pub(crate) async fn errors(&self) -> Result<Vec<String>> {
        let log = self.vendor("se/log", json!({"type": "browser"})).await?;
        let entries = log.as_array().cloned().unwrap_or_default();
        let severe = entries.iter().filter(|entry| entry["level"] == "SEVERE");
        Ok(severe.map(|entry| entry["message"].to_string()).collect())
    }

    pub(crate) async fn close(self) -> Result<()> {
        let Self { client, farewell, _driver } = self;
        tokio::task::spawn_blocking(move || drop(farewell)).await?;
        // Already ended; what is left of it here goes.
        drop(client);
        Ok(())
    }
}

fn gone(error: &CmdError) -> bool {
    match error {
        CmdError::Standard(error) => {
            matches!(
                error.error,
                ErrorStatus::JavascriptError
                    | ErrorStatus::StaleElementReference
                    | ErrorStatus::UnknownError
            )
        }
        _ => false,
    }
}
