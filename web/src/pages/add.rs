//! Adding a service: an id and a name in, a token and ready commands out.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
};
use komandorr_collector::registry::{RegistryError, ServiceDetails};
use komandorr_wire::ServiceId;
use serde::Deserialize;

use super::{Link, Page, Shell, Visit, part, render};
use crate::{
    error::Failure,
    peer::Peer,
    site::{Shared, Site},
};

/// Longest name or group, in characters.
const LONGEST: usize = 100;

/// The form as it was typed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    group: String,
    /// What is wrong with the id.
    #[serde(skip)]
    error: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "add.html")]
struct AddPage {
    shell: Shell,
    form: Form,
    /// Once the service is made.
    made: Option<(ServiceId, Commands)>,
}

/// Tells that the first sample of a new service is there.
#[derive(Debug, Template)]
#[template(path = "arrived.html")]
struct Arrived<'a> {
    id: &'a ServiceId,
    arrived: bool,
}

/// A token with the commands that use it.
#[derive(Debug)]
pub(crate) struct Commands {
    pub(crate) token: String,
    /// The token has to be made known to another program.
    pub(crate) other_broker: bool,
    pub(crate) ways: Vec<Way>,
}

/// One way to run an agent.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) note: &'static str,
    pub(crate) text: String,
}

/// `GET /services/new`
pub(crate) async fn page(State(site): State<Shared>, uri: Uri, headers: HeaderMap) -> Page {
    let shell =
        Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "Add a service", None);
    render(&AddPage { shell, form: Form::default(), made: None })
}

/// `POST /services/new`
pub(crate) async fn create(
    State(site): State<Shared>,
    uri: Uri,
    (peer, headers): (Peer, HeaderMap),
    axum::Form(mut form): axum::Form<Form>,
) -> Result<Response, Failure> {
    let mut shell =
        Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "Add a service", None);
    let id = ServiceId::new(form.id.trim()).map_err(|error| error.to_string());
    let made = match id {
        Ok(id) => make(&site, (peer, &headers), id, &form).await?,
        Err(wrong) => Err(wrong),
    };
    match made {
        Ok((id, commands)) => {
            shell.stream = Link::to("/api/traffic/stream")
                .with("view", "service")
                .with("service", &id)
                .to_string();
            Ok(render(&AddPage { shell, form, made: Some((id, commands)) })?.into_response())
        }
        Err(wrong) => {
            form.error = Some(wrong);
            let page = render(&AddPage { shell, form, made: None })?;
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
    }
}

/// Registers it; the inner error is for the form.
async fn make(
    site: &Shared,
    from: (Peer, &HeaderMap),
    id: ServiceId,
    form: &Form,
) -> Result<Result<(ServiceId, Commands), String>, Failure> {
    let text = |text: &str| -> String { text.trim().chars().take(LONGEST).collect() };
    let group = Some(text(&form.group)).filter(|group| !group.is_empty());
    let details = ServiceDetails { name: text(&form.name), group, ..ServiceDetails::default() };
    let target = id.clone();
    match site.change(move |app| app.registry.create(&target, details)).await? {
        Ok((_, token)) => {
            let commands = commands(site, from, &id, token.expose());
            Ok(Ok((id, commands)))
        }
        Err(error @ RegistryError::Exists(_)) => Ok(Err(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// What is said while the first sample is awaited, and once it came.
pub(crate) fn arrival(id: &ServiceId, arrived: bool) -> String {
    part(&Arrived { id, arrived })
}

/// The commands that start an agent with its token.
pub(crate) fn commands(
    site: &Site,
    (peer, headers): (Peer, &HeaderMap),
    id: &ServiceId,
    token: &str,
) -> Commands {
    let url = site.app.agent_doors.url(peer, headers);
    let settings = format!("KOMANDORR_URL={url}\nKOMANDORR_SERVICE={id}\nKOMANDORR_TOKEN={token}");
    let indented = settings.replace('=', ": ").replace('\n', "\n      ");
    let flags = each_line(
        &settings, "  -e ", " \
",
    );
    let way = |name, note, text| Way { name, note, text };
    Commands {
        token: token.to_owned(),
        other_broker: site.app.agent_doors.is_other(),
        ways: vec![
            way(
                "Binary",
                "",
                format!("KOMANDORR_TOKEN={token} komandorr-agent --url {url} --service {id}"),
            ),
            way(
                "systemd",
                "Save as /etc/systemd/system/komandorr-agent.service, readable by root only, \
                 then: systemctl enable --now komandorr-agent",
                systemd(&settings),
            ),
            way(
                "Docker",
                "",
                format!(
                    "docker run -d --name komandorr-agent --restart unless-stopped \\\n  \
                     --network host -v komandorr-agent:/var/lib/komandorr-agent \\\n{flags}  komandorr-agent"
                ),
            ),
            way(
                "Compose",
                "",
                format!(
                    "services:\n  komandorr-agent:\n    image: komandorr-agent\n    \
                     network_mode: host\n    restart: unless-stopped\n    environment:\n      \
                     {indented}\n    volumes:\n      - komandorr-agent:/var/lib/komandorr-agent\n\
                     volumes:\n  komandorr-agent:"
                ),
            ),
        ],
    }
}

fn systemd(settings: &str) -> String {
    let environment = each_line(
        settings,
        "Environment=",
        "
",
    );
    format!(
        "[Unit]\nDescription=Komandorr agent\nWants=network-online.target\n\
         After=network-online.target\n\n[Service]\n{environment}\
         ExecStart=/usr/local/bin/komandorr-agent --state-dir /var/lib/komandorr-agent\n\
         StateDirectory=komandorr-agent\nDynamicUser=yes\nRestart=always\n\n[Install]\n\
         WantedBy=multi-user.target"
    )
}

/// Every line between two texts.
fn each_line(text: &str, before: &str, after: &str) -> String {
    text.lines().flat_map(|line| [before, line, after]).collect()
}
