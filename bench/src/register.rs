//! Services of a server that asks for credentials: registered through its API
//! with an operator token, each with a token of its own.

use std::path::Path;

use anyhow::{Context, ensure};
use komandorr_wire::ServiceId;
use serde::Deserialize;

/// User name and password of an MQTT client.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential {
    pub(crate) user: String,
    pub(crate) password: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credential").field("user", &self.user).finish_non_exhaustive()
    }
}

/// The server's API.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) site: String,
    client: reqwest::Client,
    token: Option<String>,
}

/// What the registration of a service answers.
#[derive(Deserialize)]
struct Registered {
    token: String,
}

impl Api {
    /// `token_file` holds the operator token, where the server asks for one.
    pub(crate) fn new(site: &str, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let token = token_file.map(|path| {
            let text = std::fs::read_to_string(path);
            text.with_context(|| format!("cannot read {}", path.display()))
        });
        let token = token.transpose()?.map(|text| text.trim().to_owned());
        let client = reqwest::Client::builder().build()?;
        Ok(Self { site: site.trim_end_matches('/').to_owned(), client, token })
    }

    /// Whether services have to be registered before they publish.
    pub(crate) fn has_token(&self) -> bool {
        self.token.is_some()
    }

    /// Asks for a path; whatever is no success is an error.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<reqwest::Response> {
        let what = || format!("GET {}{path}", self.site);
        let request = self.with_token(self.client.get(format!("{}{path}", self.site)));
        let answer = request.send().await.with_context(what)?;
        answer.error_for_status().with_context(what)
    }

    fn with_token(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Registers a service; its credential.
    pub(crate) async fn register(&self, service: &ServiceId) -> anyhow::Result<Credential> {
        let body =
            serde_json::json!({ "id": service, "name": service, "type": "server", "url": "" });
        let request = self.client.post(format!("{}/api/services/", self.site)).json(&body);
        let answer = self.with_token(request).send().await?;
        ensure!(
            answer.status().is_success(),
            "registering {service}: {} {}",
            answer.status(),
            answer.text().await.unwrap_or_default()
        );
        let Registered { token } = answer.json().await?;
        Ok(Credential { user: service.to_string(), password: token })
    }
}
