//! The operator's commands as processes, against a real server.

use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Output, Stdio},
};

use anyhow::{Context, Result, ensure};
use komandorr_wire::{Sample, encode_one};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    time::timeout,
};

use crate::support::{PATIENCE, Server, complaint, komandorr, run};

/// A server with the settings that its commands need to find it.
pub(crate) struct Operated<'a> {
    folder: &'a Path,
    pub(crate) server: Server,
    settings: Vec<String>,
}

impl<'a> Operated<'a> {
    pub(crate) async fn start(folder: &'a Path, with: &[&str]) -> Result<Self> {
        let server = Server::serve_with(folder, with).await?;
        let listen = server.http.split("://").nth(1).context("no address")?.to_owned();
        let database = folder.join("komandorr.duckdb");
        let mut settings: Vec<String> = with.iter().map(ToString::to_string).collect();
        settings.push(format!("storage.path={}", database.display()));
        settings.push(format!("http.listen={listen}"));
        Ok(Self { folder, server, settings })
    }

    /// Runs a command; what it writes to stdout and stderr.
    async fn output(&self, command: &[&str]) -> Result<Output> {
        run(&self.with_settings(command), self.folder).await
    }

    /// A command with the settings of this server.
    pub(crate) fn with_settings<'b>(&'b self, command: &[&'b str]) -> Vec<&'b str> {
        let settings = self.settings.iter().flat_map(|setting| ["--set", setting]);
        command.iter().copied().chain(settings).collect()
    }

    pub(crate) async fn ok(&self, command: &[&str]) -> Result<String> {
        let output = self.output(command).await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{command:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    pub(crate) async fn refused(&self, command: &[&str]) -> Result<String> {
        let output = self.output(command).await?;
        ensure!(output.status.code() == Some(1), "{command:?} ended {:?}", output.status);
        ensure!(output.stdout.is_empty(), "{command:?} wrote to stdout");
        complaint(&output)
    }

    async fn get(&self, path: &str, token: &str) -> Result<reqwest::Response> {
        let url = format!("{}{path}", self.server.http);
        Ok(reqwest::Client::new().get(url).bearer_auth(token).send().await?)
    }
}

pub(crate) fn mode(path: &Path) -> Result<u32> {
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o777)
}

/// A server that asks everybody for credentials.
pub(crate) const CLOSED: &str = "access.trust_loopback=false";

#[tokio::test]
async fn services_are_added_listed_given_tokens_and_removed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[CLOSED]).await?;
    assert_eq!(mode(&folder.path().join("komandorr.duckdb.operator-token"))?, 0o600);
    let add =
        ["service", "add", "web-1", "--name", "Web", "--group", "Edge", "--capacity", "1Gbps"];
    let token = it.ok(&add).await?;
    assert!(token.starts_with("kmd_") && token.lines().count() == 1, "{token}");
    let table = it.ok(&["service", "list"]).await?;
    assert!(table.starts_with("ID     NAME  GROUP  STATE"), "{table}");
    assert!(table.contains("web-1  Web   Edge   new"), "{table}");
    let list: Value = serde_json::from_str(&it.ok(&["service", "list", "--json"]).await?)?;
    assert_eq!(list[0]["capacity_bytes_per_second"], 125_000_000);
    assert_eq!(list[0]["max_bandwidth_undoubled"], false);
    it.ok(&["service", "add", "old-1", "--max-bandwidth-undoubled"]).await?;
    let list: Value = serde_json::from_str(&it.ok(&["service", "list", "--json"]).await?)?;
    assert_eq!(list[0]["max_bandwidth_undoubled"], true);
    let answer: Value =
        serde_json::from_str(&it.ok(&["service", "token", "web-1", "--json"]).await?)?;
    assert_ne!(answer["token"].as_str().context("a token")?, token.trim());
    let again = it.refused(&["service", "add", "web-1"]).await?;
    assert!(again.contains("\"web-1\" exists already"), "{again}");
    assert_eq!(it.ok(&["service", "remove", "web-1"]).await?, "");
    let gone = it.refused(&["service", "token", "web-1"]).await?;
    assert!(gone.contains("there is no service \"web-1\""), "{gone}");
    Ok(())
}

#[tokio::test]
async fn readers_and_scripts_get_tokens_that_work_until_they_are_removed() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[CLOSED]).await?;
    it.ok(&["service", "add", "web-1"]).await?;
    let reader = it.ok(&["reader", "add", "tv", "--service", "web-1"]).await?;
    let script = it.ok(&["token", "add", "deploy", "--manage"]).await?;
    let current = it.get("/api/traffic/current", reader.trim()).await?;
    assert_eq!(current.status(), 200);
    assert_eq!(it.get("/api/readers/", reader.trim()).await?.status(), 403);
    assert_eq!(it.get("/api/readers/", script.trim()).await?.status(), 200);
    assert!(it.ok(&["reader", "list"]).await?.contains("tv    web-1    20"));
    assert!(it.ok(&["token", "list"]).await?.contains("deploy  manage  20"));
    it.ok(&["reader", "remove", "tv"]).await?;
    it.ok(&["token", "remove", "deploy"]).await?;
    assert_eq!(it.get("/api/traffic/current", reader.trim()).await?.status(), 401);
    assert_eq!(it.get("/api/readers/", script.trim()).await?.status(), 401);
    let unknown = it.refused(&["reader", "remove", "no/such"]).await?;
    assert!(unknown.contains("there is no reader \"no/such\""), "{unknown}");
    Ok(())
}

#[tokio::test]
async fn a_made_password_is_told_once_and_the_command_makes_another() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let arguments =
        ["--set", "http.listen=127.0.0.1:0", "--set", "mqtt.listen=127.0.0.1:0", "--set", CLOSED];
    let mut child = komandorr(&arguments).current_dir(folder.path()).spawn()?;
    let mut log = BufReader::new(child.stderr.take().context("no log")?).lines();
    let mut heard = String::new();
    let listening = async {
        while let Some(line) = log.next_line().await? {
            heard.push_str(&line);
            heard.push('\n');
            if let Some((_, address)) = line.split_once("the site is at http://") {
                return Ok(address.to_owned());
            }
        }
        anyhow::bail!("it ended")
    };
    let address = timeout(PATIENCE, listening).await??;
    let made = heard.split("with the password ").nth(1).and_then(|rest| rest.split(' ').next());
    let made = made.with_context(|| format!("no password in {heard}"))?.to_owned();
    let status = async |password: &str| -> Result<u16> {
        let client = reqwest::Client::new();
        let current = client.get(format!("http://{address}/api/traffic/current"));
        Ok(current.basic_auth("admin", Some(password)).send().await?.status().as_u16())
    };
    assert_eq!(status(&made).await?, 200);
    let listen = format!("http.listen={address}");
    let output = run(&["password", "--set", &listen], folder.path()).await?;
    let next = String::from_utf8(output.stdout)?.trim().to_owned();
    assert_eq!((status(&next).await?, status(&made).await?), (200, 401));
    let mut typed = komandorr(&["password", "--stdin", "--set", &listen]);
    let mut typed = typed.current_dir(folder.path()).stdin(Stdio::piped()).spawn()?;
    let mut stdin = typed.stdin.take().context("no stdin")?;
    stdin.write_all(b"battery staple\n").await?;
    drop(stdin);
    let output = timeout(PATIENCE, typed.wait_with_output()).await??;
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(status("battery staple").await?, 200);
    Ok(())
}

#[tokio::test]
async fn a_password_of_the_settings_holds_and_a_changed_one_ends_sessions() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let login = async |it: &Operated<'_>, password: &str| -> Result<reqwest::Response> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let request = client.build()?.post(format!("{}/login", it.server.http));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        Ok(request.body(format!("name=admin&password={password}")).send().await?)
    };
    let page = async |it: &Operated<'_>, cookie: &str| -> Result<u16> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let request = client.build()?.get(format!("{}/", it.server.http));
        Ok(request.header("cookie", cookie).send().await?.status().as_u16())
    };
    let restart = async |password: &str| -> Result<Operated<'_>> {
        let password = format!("admin.password={password}");
        Operated::start(folder.path(), &[CLOSED, &password]).await
    };
    let stop = async |mut it: Operated<'_>| -> Result<()> {
        it.server.signal("TERM")?;
        it.server.ended().await.map(drop)
    };
    let it = restart("00123456").await?;
    let entered = login(&it, "00123456").await?;
    assert_eq!(entered.status(), 303);
    let cookie = entered.headers()["set-cookie"].to_str()?.split(';').next().unwrap_or_default();
    assert_eq!(page(&it, cookie).await?, 200);
    stop(it).await?;
    let it = restart("00123456").await?;
    assert_eq!(page(&it, cookie).await?, 200, "a restart logs nobody out");
    stop(it).await?;
    let it = restart("another-one").await?;
    assert_eq!(page(&it, cookie).await?, 303, "another password does");
    assert_eq!(login(&it, "another-one").await?.status(), 303);
    Ok(())
}

#[tokio::test]
async fn health_and_errors_are_one_line_and_an_exit_code() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[CLOSED]).await?;
    assert_eq!(it.ok(&["health"]).await?, "ready\n");
    let said: Value = serde_json::from_str(&it.ok(&["health", "--json"]).await?)?;
    assert_eq!(said["status"], "ready");
    let token = folder.path().join("komandorr.duckdb.operator-token");
    let right = std::fs::read_to_string(&token)?;
    std::fs::write(&token, "kmo_of_another_server")?;
    let wrong = it.refused(&["service", "list"]).await?;
    assert!(wrong.contains("does not know the token in"), "{wrong}");
    std::fs::remove_file(&token)?;
    let missing = it.refused(&["service", "list"]).await?;
    assert!(missing.contains("cannot read the operator's token"), "{missing}");
    assert!(missing.contains("storage.path"), "{missing}");
    std::fs::write(&token, right)?;
    it.server.signal("KILL")?;
    let Operated { mut server, settings, .. } = it;
    server.ended().await?;
    let settings = settings.iter().flat_map(|setting| ["--set", setting]);
    for command in ["health", "password"] {
        let arguments: Vec<&str> = [command].into_iter().chain(settings.clone()).collect();
        let output = run(&arguments, folder.path()).await?;
        assert_eq!(output.status.code(), Some(1));
        let said = complaint(&output)?;
        assert!(said.starts_with("komandorr: no server answers at 127.0.0.1:"), "{said}");
    }
    Ok(())
}

#[tokio::test]
async fn why_it_is_not_ready_is_told_to_the_operator_and_not_to_everybody() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let broker = listener.local_addr()?;
    // Nobody listens there any more.
    drop(listener);
    let setting = format!("mqtt.broker=mqtt://{broker}");
    let it = Operated::start(folder.path(), &[CLOSED, &setting]).await?;
    let why = format!("no connection to mqtt://{broker}");
    let anybody = reqwest::get(format!("{}/readyz", it.server.http)).await?;
    assert_eq!(anybody.status(), 503);
    assert_eq!(anybody.json::<Value>().await?, json!({"status": "not ready"}));
    let told = it.refused(&["health"]).await?;
    assert!(told.contains(&why), "{told}");
    std::fs::remove_file(folder.path().join("komandorr.duckdb.operator-token"))?;
    let told = it.refused(&["health"]).await?;
    assert!(told.contains("is not ready") && told.contains("with sudo"), "{told}");
    Ok(())
}

#[tokio::test]
async fn an_agents_token_is_handed_over_in_a_file_and_stays_as_long_as_it_is_valid() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("shared/host-token");
    let setting = format!("access.agent_token_files=host-1={}", file.display());
    let mut it = Operated::start(folder.path(), &[CLOSED, &setting]).await?;
    let first = std::fs::read_to_string(&file)?;
    assert_eq!(mode(&file)?, 0o640);
    let payload = encode_one(&Sample { up: 5000, interval_ms: 1000, ..Sample::default() });
    it.server.publish_as("host-1", first.trim(), payload).await?;
    it.server.signal("TERM")?;
    it.server.ended().await?;
    let it = Operated::start(folder.path(), &[CLOSED, &setting]).await?;
    assert_eq!(std::fs::read_to_string(&file)?, first);
    it.ok(&["service", "token", "host-1"]).await?;
    let Operated { mut server, .. } = it;
    server.signal("TERM")?;
    server.ended().await?;
    let _it = Operated::start(folder.path(), &[CLOSED, &setting]).await?;
    assert_ne!(std::fs::read_to_string(&file)?, first, "it was no longer valid");
    Ok(())
}

#[tokio::test]
async fn a_credential_that_is_taken_back_ends_its_connections() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[CLOSED]).await?;
    let agent = it.ok(&["service", "add", "web-1"]).await?;
    let reader = it.ok(&["reader", "add", "tv"]).await?;
    for (name, token, command) in [
        ("web-1", agent.trim(), ["service", "remove", "web-1"]),
        ("tv", reader.trim(), ["reader", "remove", "tv"]),
    ] {
        let mut connected = it.server.connect(name, token).await?;
        it.ok(&command).await?;
        connected.ended().await.with_context(|| name.to_owned())?;
    }
    Ok(())
}
