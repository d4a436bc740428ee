//! Ready commands that start an agent with its token, each its own way.

use axum::http::HeaderMap;
use komandorr_wire::ServiceId;

use crate::{peer::Peer, site::Site};

/// A token with the commands that use it.
#[derive(Debug)]
pub(crate) struct Commands {
    pub(crate) token: String,
    /// The token has to be made known to another program.
    pub(crate) other_broker: bool,
    /// The address for other machines, where that of the commands is this one's.
    pub(crate) elsewhere: Option<String>,
    pub(crate) ways: Vec<Way>,
}

/// One way to run an agent.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) name: &'static str,
    pub(crate) note: &'static str,
    pub(crate) text: String,
}

/// Said of the recipes whose image the reader has to make first.
const IMAGE: &str = "The image is in no registry: docs/docker.md in Komandorr's folder tells how to \
                     build it and bring it to this machine.";

/// Said of the recipe for systemd. A unit in /etc hides that of a package.
const SYSTEMD: &str = "As root, with systemd 247 or newer. The token's file is readable by root \
                       only; systemd hands it to the agent. Who has installed the Debian package \
                       has a unit already: there the token goes into /etc/komandorr/agent.token \
                       and the two settings into /etc/komandorr/agent.env, and nothing else is \
                       made.";

/// Variables of the agent, by name; the token's is the last.
type Settings<'a> = [(&'static str, &'a str); 3];

/// Where the token lies for systemd, as for the unit of the package.
const TOKEN_FILE: &str = "/etc/komandorr/agent.token";

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
        elsewhere: site.app.agent_doors.elsewhere(peer),
        ways: vec![
            way(
                "Binary",
                "",
                format!("KOMANDORR_TOKEN={token} komandorr-agent --url {url} --service {id}"),
            ),
            way("systemd", SYSTEMD, systemd(&settings)),
            way("Docker", IMAGE, docker(&settings)),
            way("Compose", IMAGE, compose(&settings)),
        ],
    }
}

/// Everybody may read a unit, so the token has a file of its own. The program
/// without its folder: systemd finds it where the package puts it as well as
/// where people do.
fn systemd(settings: &Settings<'_>) -> String {
    let [open @ .., (_, token)] = settings;
    let environment = each(open, |name, value| format!("Environment={name}={value}\n"));
    format!(
        "install -D -m 600 /dev/null {TOKEN_FILE}\necho {token} >{TOKEN_FILE}\n\
         cat >/etc/systemd/system/komandorr-agent.service <<'END'\n\
         [Unit]\nDescription=Komandorr agent\nAfter=network.target\n\
         StartLimitIntervalSec=0\n\n[Service]\n{environment}\
         LoadCredential=token:{TOKEN_FILE}\n\
         ExecStart=komandorr-agent --token-file ${{CREDENTIALS_DIRECTORY}}/token\n\
         StateDirectory=komandorr-agent\nDynamicUser=yes\nRestart=always\n\
         RestartSec=2\n\n[Install]\n\
         WantedBy=multi-user.target\nEND\n\
         systemctl enable komandorr-agent\nsystemctl restart komandorr-agent"
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
fn each(settings: &[(&'static str, &str)], piece: impl Fn(&str, &str) -> String) -> String {
    settings.iter().map(|(name, value)| piece(name, value)).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, process::Command};

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
    fn the_unit_starts_the_program_as_the_one_of_the_package_does() {
        let commands = systemd(&SETTINGS);
        let packaged = include_str!("../../../../deploy/komandorr-agent.service");
        for line in [
            "ExecStart=komandorr-agent --token-file ${CREDENTIALS_DIRECTORY}/token",
            "LoadCredential=token:/etc/komandorr/agent.token",
            "StateDirectory=komandorr-agent",
            "DynamicUser=yes",
            // After the network at a stop: what passes until then is counted.
            "After=network.target",
            // However often it ends, it is started again.
            "StartLimitIntervalSec=0",
            "Restart=always",
            "RestartSec=2",
        ] {
            assert!(commands.lines().any(|found| found == line), "{line}: {commands}");
            assert!(packaged.lines().any(|found| found == line), "{line}: {packaged}");
        }
        assert!(commands.contains("\nEnvironment=KOMANDORR_URL=https://a.example/?b=c\n"));
        assert!(commands.contains("\nEnvironment=KOMANDORR_SERVICE=007\n"), "{commands}");
    }

    #[test]
    fn the_token_lies_in_a_file_of_its_owner_alone_and_not_in_the_unit() {
        let folder = tempfile::tempdir().unwrap();
        let at = |place: &str| folder.path().join(place);
        fs::create_dir_all(at("systemd/system")).unwrap();
        let here = systemd(&SETTINGS).replace("/etc/", &format!("{}/", folder.path().display()));
        // Nothing is started.
        let script = format!("umask 000\nsystemctl() {{ echo \"$@\"; }}\n{here}");
        let done = Command::new("bash").args(["-euc", &script]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
        assert_eq!(done.stdout, b"enable komandorr-agent\nrestart komandorr-agent\n");
        let token = at("komandorr/agent.token");
        assert_eq!(fs::read_to_string(&token).unwrap(), "kmd_1\n");
        assert_eq!(fs::metadata(&token).unwrap().permissions().mode() & 0o777, 0o600);
        let unit = fs::read_to_string(at("systemd/system/komandorr-agent.service")).unwrap();
        assert!(unit.ends_with("WantedBy=multi-user.target\n"), "{unit}");
        assert!(!unit.contains("kmd_1"), "everybody may read it: {unit}");
    }
}
