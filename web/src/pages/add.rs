//! Adding a service: an id and a name in, a token and ready commands out.

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Redirect, Response},
};
use komandorr_collector::registry::{RegistryError, ServiceDetails};
use komandorr_wire::ServiceId;
use serde::Deserialize;

use super::{Link, Page, Shell, Visit, form::Wrong, part, render};
use crate::{
    error::Failure,
    peer::Peer,
    site::{Shared, Site},
};

/// Where the form lies.
pub(crate) const PATH: &str = "/add";
/// Where it lay before, below `/services/`: like a service of that id.
const FORMER: &str = "new";

/// The form as it was typed.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Form {
    #[serde(default)]
    id: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    group: String,
    #[serde(skip)]
    wrong: Wrong,
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

/// `GET /add`
pub(crate) async fn page(State(site): State<Shared>, uri: Uri, headers: HeaderMap) -> Page {
    let shell =
        Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "Add a service", None);
    render(&AddPage { shell, form: Form::default(), made: None })
}

/// `POST /add`
pub(crate) async fn create(
    State(site): State<Shared>,
    uri: Uri,
    (peer, headers): (Peer, HeaderMap),
    axum::Form(mut form): axum::Form<Form>,
) -> Result<Response, Failure> {
    let mut shell =
        Shell::new(&Visit { site: &site, uri: &uri, headers: &headers }, "Add a service", None);
    let made = match form.details() {
        Some((id, details)) => make(&site, (peer, &headers), id, details, &mut form.wrong).await?,
        None => None,
    };
    let Some((id, commands)) = made else {
        let page = render(&AddPage { shell, form, made: None })?;
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response());
    };
    shell.stream =
        Link::to("/api/traffic/stream").with("view", "service").with("service", &id).to_string();
    Ok(render(&AddPage { shell, form, made: Some((id, commands)) })?.into_response())
}

/// Leads from the form's former address to it, with what was sent, as long as
/// no service is called so.
pub(crate) fn moved(site: &Site, id: &str) -> Option<Redirect> {
    let moved = id == FORMER && site.app.registry.get(id).is_none();
    moved.then(|| Redirect::temporary(PATH))
}

impl Form {
    /// What was typed; what is wrong is noted.
    fn details(&mut self) -> Option<(ServiceId, ServiceDetails)> {
        let name = self.wrong.text("name", &self.name);
        let group = Some(self.wrong.text("group", &self.group)).filter(|group| !group.is_empty());
        let id = ServiceId::new(self.id.trim());
        let id = id.map_err(|error| self.wrong.note("id", error.to_string())).ok()?;
        let details = ServiceDetails { name, group, ..ServiceDetails::default() };
        self.wrong.is_empty().then_some((id, details))
    }
}

/// Registers it; where the id is taken that is noted.
async fn make(
    site: &Shared,
    from: (Peer, &HeaderMap),
    id: ServiceId,
    details: ServiceDetails,
    wrong: &mut Wrong,
) -> Result<Option<(ServiceId, Commands)>, Failure> {
    let target = id.clone();
    match site.change(move |app| app.registry.create(&target, details)).await? {
        Ok((_, token)) => {
            let commands = commands(site, from, &id, token.expose());
            Ok(Some((id, commands)))
        }
        Err(error @ RegistryError::Exists(_)) => {
            wrong.note("id", error.to_string());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What is said while the first sample is awaited, and once it came.
pub(crate) fn arrival(id: &ServiceId, arrived: bool) -> String {
    part(&Arrived { id, arrived })
}

/// Said of the recipes whose image the reader has to make first.
const IMAGE: &str = "The image is in no registry: docs/docker.md in Komandorr's folder tells how to \
                     build it and bring it to this machine.";

/// Variables of the agent, by name.
type Settings<'a> = [(&'static str, &'a str); 3];

/// The commands that start an agent with its token.
pub(crate) fn commands(
    site: &Site,
    (peer, headers): (Peer, &HeaderMap),
    id: &ServiceId,
    token: &str,
) -> Commands {
    let url = site.app.agent_doors.url(peer, headers);
    let settings = [
        ("KOMANDORR_URL", url.as_str()),
        ("KOMANDORR_SERVICE", id.as_str()),
        ("KOMANDORR_TOKEN", token),
    ];
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
            way("Docker", IMAGE, docker(&settings)),
            way("Compose", IMAGE, compose(&settings)),
        ],
    }
}

/// The program without its folder: systemd finds it where the package puts it
/// as well as where people do.
fn systemd(settings: &Settings<'_>) -> String {
    let environment = each(settings, |name, value| format!("Environment={name}={value}\n"));
    format!(
        "[Unit]\nDescription=Komandorr agent\nWants=network-online.target\n\
         After=network-online.target\n\n[Service]\n{environment}\
         ExecStart=komandorr-agent\n\
         StateDirectory=komandorr-agent\nDynamicUser=yes\nRestart=always\n\n[Install]\n\
         WantedBy=multi-user.target"
    )
}

fn docker(settings: &Settings<'_>) -> String {
    let flags = each(settings, |name, value| format!("  -e {name}={value} \\\n"));
    format!(
        "docker run -d --name komandorr-agent --restart unless-stopped \\\n  \
         --network host -v komandorr-agent:/var/lib/komandorr-agent \\\n{flags}  komandorr-agent"
    )
}

/// Values in quotes: a service may be called 007 or true.
fn compose(settings: &Settings<'_>) -> String {
    let environment = each(settings, |name, value| format!("      {name}: \"{value}\"\n"));
    format!(
        "services:\n  komandorr-agent:\n    image: komandorr-agent\n    network_mode: host\n    \
         restart: unless-stopped\n    environment:\n{environment}    volumes:\n      \
         - komandorr-agent:/var/lib/komandorr-agent\nvolumes:\n  komandorr-agent:"
    )
}

/// A piece of text for each setting.
fn each(settings: &Settings<'_>, piece: impl Fn(&str, &str) -> String) -> String {
    settings.iter().map(|(name, value)| piece(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: Settings<'static> = [
        ("KOMANDORR_URL", "https://a.example/?b=c"),
        ("KOMANDORR_SERVICE", "007"),
        ("KOMANDORR_TOKEN", "kmd_1"),
    ];

    #[test]
    fn the_docker_command_has_a_line_for_each_variable() {
        let wanted = "docker run -d --name komandorr-agent --restart unless-stopped \\
  --network host -v komandorr-agent:/var/lib/komandorr-agent \\
  -e KOMANDORR_URL=https://a.example/?b=c \\
  -e KOMANDORR_SERVICE=007 \\
  -e KOMANDORR_TOKEN=kmd_1 \\
  komandorr-agent";
        assert_eq!(docker(&SETTINGS), wanted);
    }

    #[test]
    fn values_stand_in_the_compose_file_as_they_are() {
        let file = compose(&SETTINGS);
        for line in [
            "    environment:",
            "      KOMANDORR_URL: \"https://a.example/?b=c\"",
            "      KOMANDORR_SERVICE: \"007\"",
            "      KOMANDORR_TOKEN: \"kmd_1\"",
            "    volumes:",
        ] {
            assert!(file.lines().any(|found| found == line), "{line}: {file}");
        }
    }

    #[test]
    fn the_unit_starts_the_program_wherever_it_was_installed() {
        let unit = systemd(&SETTINGS);
        assert!(unit.lines().any(|line| line == "ExecStart=komandorr-agent"), "{unit}");
        assert!(unit.lines().any(|line| line == "Environment=KOMANDORR_TOKEN=kmd_1"), "{unit}");
    }
}
