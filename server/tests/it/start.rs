//! Starting and stopping: what is wrong is said in one line, and the exit code
//! tells it to scripts.

use std::{net::TcpListener, path::Path, process::Stdio};

use anyhow::Context;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::UnixDatagram,
    time::timeout,
};

use crate::support::{PATIENCE, Server, complaint, komandorr, run};

/// Starts on free ports with one setting that cannot be; what it says of it.
async fn refused(setting: &str, folder: &Path) -> anyhow::Result<String> {
    let free = ["http.listen=127.0.0.1:0", "mqtt.listen=127.0.0.1:0", "log.filter=off", setting];
    let arguments: Vec<&str> = free.into_iter().flat_map(|setting| ["--set", setting]).collect();
    let output = run(&arguments, folder).await?;
    assert_eq!(output.status.code(), Some(1));
    complaint(&output)
}

#[tokio::test]
async fn a_taken_port_names_the_setting() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let taken = TcpListener::bind("127.0.0.1:0")?;
    let listen = format!("mqtt.listen={}", taken.local_addr()?);
    let output =
        run(&["--set", &listen, "--set", "http.listen=127.0.0.1:0"], folder.path()).await?;
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output)?;
    assert!(complaint.starts_with("komandorr: cannot listen on 127.0.0.1:"), "{complaint}");
    assert!(complaint.contains("mqtt.listen"), "{complaint}");
    assert!(!folder.path().join("data").exists(), "nothing is made before all is well");
    Ok(())
}

#[tokio::test]
async fn an_unwritable_data_folder_is_named() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    // Not even root can make a folder there.
    let complaint = refused("storage.path=/proc/komandorr/komandorr.duckdb", folder.path()).await?;
    assert!(
        complaint.contains("/proc/komandorr") && complaint.contains("storage.path"),
        "{complaint}"
    );
    Ok(())
}

#[tokio::test]
async fn a_database_of_another_program_stops_the_start() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::create_dir(folder.path().join("data"))?;
    std::fs::write(folder.path().join("data/komandorr.duckdb"), "no database at all".repeat(1000))?;
    let complaint = refused("storage.path=data/komandorr.duckdb", folder.path()).await?;
    assert!(complaint.contains("data/komandorr.duckdb"), "{complaint}");
    Ok(())
}

#[tokio::test]
async fn wrong_settings_name_their_place() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("komandorr.toml"), "[http]\nlisten = \"here\"\n")?;
    let output = run(&[], folder.path()).await?;
    assert_eq!(output.status.code(), Some(1));
    let complaint = complaint(&output)?;
    assert!(complaint.starts_with("komandorr: komandorr.toml: `http.listen`"), "{complaint}");
    let output = run(&["--set", "http.lisen=1"], folder.path()).await?;
    assert!(String::from_utf8_lossy(&output.stderr).contains("http.lisen"));
    // It would be taken for a part of the program, and all others be silent.
    std::fs::remove_file(folder.path().join("komandorr.toml"))?;
    let output = run(&["--set", "log.filter=warning"], folder.path()).await?;
    assert_eq!(output.status.code(), Some(1));
    let complaint = self::complaint(&output)?;
    assert!(
        complaint.contains("the command line: `log.filter`: \"warning\" is no level"),
        "{complaint}"
    );
    Ok(())
}

#[tokio::test]
async fn a_made_password_is_shown_whatever_is_logged() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let settings = ["access.trust_loopback=false", "log.filter=error"];
    let settings =
        settings.into_iter().chain(["http.listen=127.0.0.1:0", "mqtt.listen=127.0.0.1:0"]);
    let arguments: Vec<&str> = settings.flat_map(|setting| ["--set", setting]).collect();
    let mut server =
        komandorr(&arguments).current_dir(folder.path()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(server.stderr.take().context("no stderr")?).lines();
    let said = timeout(PATIENCE, lines.next_line()).await??.unwrap_or_default();
    assert!(said.starts_with("log in as admin with the password "), "{said}");
    Ok(())
}

#[tokio::test]
async fn wrong_usage_is_code_two_and_help_is_not_an_error() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let wrong: [(&[&str], &str); 4] = [
        (&["--no-such-flag"], "'--no-such-flag'"),
        (&["demo", "--simulate", "many"], "'many'"),
        (&["service", "add"], "<ID>"),
        (&["service"], "[subcommands: add, list, remove, token, help]"),
    ];
    for (arguments, named) in wrong {
        let output = run(arguments, folder.path()).await?;
        assert_eq!(output.status.code(), Some(2));
        let complaint = complaint(&output)?;
        assert!(complaint.contains(named), "{complaint}");
    }
    for flag in ["--help", "--version", "--print-config"] {
        let output = run(&[flag], folder.path()).await?;
        assert_eq!(output.status.code(), Some(0));
        assert!(!output.stdout.is_empty());
    }
    Ok(())
}

#[tokio::test]
async fn both_signals_stop_cleanly_and_at_once() -> anyhow::Result<()> {
    for signal in ["TERM", "INT"] {
        let folder = tempfile::tempdir()?;
        let mut server = Server::serve(folder.path()).await?;
        // An open stream must not hold it up.
        let stream = reqwest::get(format!("{}/api/traffic/stream", server.http)).await?;
        let begun = std::time::Instant::now();
        server.signal(signal)?;
        let status = server.ended().await?;
        assert_eq!(status.code(), Some(0), "after SIG{signal}");
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
        drop(stream);
    }
    Ok(())
}

#[tokio::test]
async fn the_service_manager_is_told_when_it_is_ready() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let socket = folder.path().join("notify");
    let manager = UnixDatagram::bind(&socket)?;
    let server =
        komandorr(&["--set", "http.listen=127.0.0.1:0", "--set", "mqtt.listen=127.0.0.1:0"])
            .current_dir(folder.path())
            .env("NOTIFY_SOCKET", &socket)
            .stderr(Stdio::null())
            .spawn()?;
    let mut told = [0; 64];
    let length = timeout(PATIENCE, manager.recv(&mut told)).await??;
    assert_eq!(&told[..length], b"READY=1");
    drop(server);
    Ok(())
}
