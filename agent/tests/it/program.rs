//! The program: exit codes, one-line errors, signals.

use std::process::{Command, Output, Stdio};

use anyhow::Result;
use komandorr_agent::commands;

use crate::{
    broker::{Answer, Arrived, Broker},
    support::{Counters, Process, backlog, backlog_of, config, until},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_komandorr-agent");

fn agent(arguments: &[&str]) -> Result<Output> {
    Ok(Command::new(PROGRAM).args(arguments).env_clear().output()?)
}

/// The one line on stderr.
fn complaint(out: &Output) -> String {
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.starts_with("komandorr-agent: "), "{text}");
    text
}

#[test]
fn help_and_version_go_to_stdout() -> Result<()> {
    for (argument, part) in [("--help", "--max-bandwidth"), ("--version", "komandorr-agent 0")] {
        let out = agent(&[argument])?;
        assert_eq!(out.status.code(), Some(0));
        assert!(String::from_utf8(out.stdout)?.contains(part));
    }
    Ok(())
}

#[test]
fn wrong_usage_ends_with_2_and_one_line() -> Result<()> {
    for arguments in [&[][..], &["--nonsense"], &["--url=x"], &["--url=mqtt://x", "--interval=0"]] {
        let out = agent(arguments)?;
        assert_eq!(out.status.code(), Some(2), "{arguments:?}");
        complaint(&out);
    }
    Ok(())
}

#[test]
fn an_unknown_interface_ends_with_1_and_what_there_is() -> Result<()> {
    let state = tempfile::tempdir()?;
    let dir = format!("--state-dir={}", state.path().display());
    let out = agent(&["--url=mqtt://127.0.0.1:1", "--interface=eth77", &dir])?;
    assert_eq!(out.status.code(), Some(1));
    let text = complaint(&out);
    assert!(text.contains("no interface \"eth77\"") && text.contains("lo"), "{text}");
    Ok(())
}

#[test]
fn an_unusable_state_directory_ends_with_1_and_what_to_do() -> Result<()> {
    let out = agent(&["--url=mqtt://127.0.0.1:1", "--state-dir=/proc/nothing"])?;
    assert_eq!(out.status.code(), Some(1));
    assert!(complaint(&out).contains("--state-dir"));
    Ok(())
}

#[test]
fn a_check_names_the_step_that_fails() -> Result<()> {
    let out = agent(&["--url=mqtt://127.0.0.1:1", "check", "--interface=lo"])?;
    assert_eq!(out.status.code(), Some(1));
    assert!(complaint(&out).contains("connection refused"));
    assert!(String::from_utf8(out.stdout)?.contains("connection  failed"));
    let out = agent(&["--url=mqtt://no-such-host.invalid", "check", "--interface=lo"])?;
    assert!(complaint(&out).contains("cannot find the address of no-such-host.invalid"));
    let out = agent(&["--url=mqtt://x", "check", "--interface=eth77"])?;
    assert!(String::from_utf8(out.stdout)?.contains("interface   failed"));
    Ok(())
}

#[tokio::test]
async fn health_is_a_sample_of_late_and_needs_no_server() -> Result<()> {
    let state = tempfile::tempdir()?;
    let dir = format!("--state-dir={}", state.path().display());
    let health = || agent(&["health", "--interval=1", &dir]);
    assert!(complaint(&health()?).contains("no agent has ever used"));

    let running = Process::start(
        Command::new(PROGRAM)
            .args(["--url=mqtt://127.0.0.1:1", "--interface=lo", "--interval=1", &dir])
            .env_clear()
            .stderr(Stdio::null()),
    )?;
    until("the agent measures", || health().is_ok_and(|out| out.status.success())).await?;
    running.stop("KILL")?;
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_mins(1);
    for file in std::fs::read_dir(state.path())? {
        std::fs::File::options().append(true).open(file?.path())?.set_modified(long_ago)?;
    }
    let out = health()?;
    assert_eq!(out.status.code(), Some(1));
    assert!(complaint(&out).contains("s old: no agent runs there"), "{out:?}");
    Ok(())
}

#[test]
fn health_knows_a_long_interval_from_the_samples() -> Result<()> {
    let (state, minute) = (tempfile::tempdir()?, std::time::Duration::from_mins(1));
    backlog_of(state.path(), 3, minute * 5)?;
    let dir = format!("--state-dir={}", state.path().display());
    // As somebody asks who does not know the service's settings.
    let health = |age| -> Result<Output> {
        let then = std::time::SystemTime::now() - minute * age;
        for file in std::fs::read_dir(state.path())? {
            std::fs::File::options().append(true).open(file?.path())?.set_modified(then)?;
        }
        agent(&["health", &dir])
    };
    assert_eq!(health(10)?.status.code(), Some(0));
    assert_eq!(health(16)?.status.code(), Some(1));
    Ok(())
}

#[tokio::test]
async fn a_checks_sample_tells_no_interval_no_bytes_and_no_agent() -> Result<()> {
    let (broker, state) = (Broker::start(|_, _| Answer::Store).await?, tempfile::tempdir()?);
    let config = config(&broker.url, state.path())?;
    commands::check(&config, &mut *Counters::default().source(), &mut Vec::new()).await?;
    let stored = broker.stored().concat();
    assert_eq!(stored.len(), 1);
    // The server takes none from a sample over a gap.
    assert!(stored.iter().all(|sample| sample.gap && sample.interval_ms == 1));
    // One that named an agent would be a second agent of the service.
    assert!(stored.iter().all(|s| s.agent.is_none() && (s.up, s.down) == (0, 0)));
    Ok(())
}

#[test]
fn the_table_tells_every_interface_and_why() -> Result<()> {
    let out = agent(&["interfaces"])?;
    assert_eq!(out.status.code(), Some(0));
    let text = String::from_utf8(out.stdout)?;
    let lo = text.lines().find(|line| line.starts_with("lo ")).unwrap_or_default();
    assert!(lo.contains("loopback") && lo.contains("never leaves the host"), "{text}");
    assert!(text.contains("Capacity:"));
    Ok(())
}

#[tokio::test]
async fn a_server_that_takes_only_the_status_is_not_called_connected() -> Result<()> {
    let state = tempfile::tempdir()?;
    let path = state.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path)?;
    manager.set_nonblocking(true)?;
    let spool = state.path().join("state");
    backlog(&spool, 3)?;
    let broker = Broker::start(|_, _| Answer::HangUp).await?;
    let process = Process::start(
        Command::new(PROGRAM)
            .env_clear()
            .env("NOTIFY_SOCKET", &path)
            .args(["--interface=lo", "--url", &broker.url])
            .arg(format!("--state-dir={}", spool.display()))
            .stderr(Stdio::null()),
    )?;
    let online = Arrived::Status("online".to_owned());
    let mut told = String::new();
    let mut buffer = [0; 512];
    until("two connections and what became of them", || {
        while let Ok(length) = manager.recv(&mut buffer) {
            told.push_str(&String::from_utf8_lossy(&buffer[..length]));
            told.push('\n');
        }
        told.matches("STATUS=lost the connection").count() >= 2
    })
    .await?;
    assert!(broker.arrived().iter().filter(|arrived| **arrived == online).count() >= 2);
    assert!(!told.contains("STATUS=connected"), "{told}");
    assert_eq!(process.stop("TERM")?, Some(0));
    Ok(())
}

#[tokio::test]
async fn a_signal_ends_the_agent_in_order_and_tells_the_service_manager() -> Result<()> {
    let state = tempfile::tempdir()?;
    let path = state.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path)?;
    manager.set_nonblocking(true)?;
    for signal in ["TERM", "INT"] {
        let mut command = Command::new(PROGRAM);
        command.env_clear().env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
        command.args(["--url=mqtt://127.0.0.1:1", "--interface=lo"]);
        command.arg(format!("--state-dir={}", state.path().join("state").display()));
        let process = Process::start(command.stderr(Stdio::null()))?;
        let mut told = String::new();
        let mut hear = |word: &str| {
            let mut buffer = [0; 512];
            while let Ok(length) = manager.recv(&mut buffer) {
                told.push_str(&String::from_utf8_lossy(&buffer[..length]));
                told.push('\n');
            }
            told.contains(word)
        };
        until("ready", || hear("READY=1")).await?;
        until("alive", || hear("WATCHDOG=1")).await?;
        assert_eq!(process.stop(signal)?, Some(0), "SIG{signal}");
        assert!(hear("STOPPING=1"));
    }
    Ok(())
}
