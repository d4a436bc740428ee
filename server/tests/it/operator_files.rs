//! What the operator's commands write to files, and what scripts read of them.

use std::process::Command;

use anyhow::{Context, Result};
use komandorr_wire::{Sample, encode_one};
use serde_json::{Value, json};

use crate::{
    operator::{CLOSED, Operated, mode},
    support::komandorr,
};

#[tokio::test]
async fn exports_and_backups_are_files_that_are_there_whole_or_not_at_all() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[CLOSED]).await?;
    let token = it.ok(&["service", "add", "web-1"]).await?;
    let payload = encode_one(&Sample { up: 5000, interval_ms: 1000, ..Sample::default() });
    it.server.publish_as("web-1", token.trim(), payload).await?;
    let printed = it.ok(&["export", "--step", "raw"]).await?;
    let lines: Vec<&str> = printed.lines().collect();
    assert!(lines.len() == 2 && lines[1].contains("5000"), "{printed}");
    it.ok(&["export", "--format", "parquet", "--service", "web-1", "-o", "web-1.parquet"]).await?;
    assert!(std::fs::read(folder.path().join("web-1.parquet"))?.starts_with(b"PAR1"));
    let none = it.refused(&["export", "--service", "nobody", "-o", "nobody.csv"]).await?;
    assert!(none.contains("nobody"), "{none}");
    it.ok(&["backup", "copy.duckdb"]).await?;
    let copy = folder.path().join("copy.duckdb");
    assert_eq!(mode(&copy)?, 0o600);
    assert_eq!(std::fs::read(&copy)?.get(8..12), Some(&b"DUCK"[..]));
    std::fs::write(&copy, "mine")?;
    let there = it.refused(&["backup", "copy.duckdb"]).await?;
    assert!(there.contains("copy.duckdb"), "{there}");
    assert_eq!(std::fs::read(&copy)?, b"mine");
    it.ok(&["backup", "copy.duckdb", "--overwrite"]).await?;
    assert_eq!(std::fs::read(&copy)?.get(8..12), Some(&b"DUCK"[..]));
    let own = it.refused(&["backup", "komandorr.duckdb", "--overwrite"]).await?;
    assert!(own.contains("komandorr.duckdb belongs to the running server"), "{own}");
    let folder_itself = it.refused(&["export", "-o", "."]).await?;
    assert!(folder_itself.contains("is a folder"), "{folder_itself}");
    for entry in std::fs::read_dir(folder.path())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        assert!(!name.contains("part") && !name.contains("nobody"), "{name} is left");
    }
    Ok(())
}

#[tokio::test]
async fn an_export_goes_where_a_link_leads_and_replaces_no_pipe() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[]).await?;
    let (link, real, pipe) = ("latest.csv", "real.csv", "pipe");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at(real), "old")?;
    std::os::unix::fs::symlink(at(real), at(link))?;
    it.ok(&["export", "-o", link]).await?;
    assert!(std::fs::symlink_metadata(at(link))?.is_symlink());
    assert_ne!(std::fs::read(at(real))?, b"old");
    assert!(Command::new("mkfifo").arg(at(pipe)).status()?.success());
    let writing = ["export", "-o", pipe];
    let (taken, wrote) = tokio::join!(tokio::fs::read(at(pipe)), it.ok(&writing));
    wrote?;
    assert_eq!(taken?, std::fs::read(at(real))?);
    assert!(!std::fs::metadata(at(pipe))?.is_file());
    let no_file = it.refused(&["backup", "--overwrite", pipe]).await?;
    assert!(no_file.contains("pipe is no file"), "{no_file}");
    Ok(())
}

#[tokio::test]
async fn each_command_answers_scripts_in_json() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[]).await?;
    it.server
        .publish("web-1", encode_one(&Sample { up: 5000, interval_ms: 1000, ..Sample::default() }))
        .await?;
    let answer = async |command: &[&str]| -> Result<Value> {
        let said = it.ok(&[&["--json"], command].concat()).await?;
        serde_json::from_str(&said).with_context(|| format!("{command:?}: {said}"))
    };
    let backup = answer(&["backup", "copy.duckdb"]).await?;
    let bytes = std::fs::metadata(folder.path().join("copy.duckdb"))?.len();
    assert_eq!(backup, json!({"file": "copy.duckdb", "bytes": bytes}));
    let points = answer(&["export", "--step", "raw"]).await?;
    assert_eq!(points["series"][0]["points"][0]["up_bytes"], 5000, "{points}");
    let export = answer(&["export", "--step", "raw", "-o", "points.json"]).await?;
    let written = std::fs::read(folder.path().join("points.json"))?;
    assert_eq!(export, json!({"file": "points.json", "bytes": written.len()}));
    let written: Value = serde_json::from_slice(&written)?;
    assert_eq!(written["series"][0]["points"], points["series"][0]["points"]);
    let both = it.refused(&["--json", "export", "--format", "csv"]).await?;
    assert!(both.contains("contradict"), "{both}");
    assert_eq!(answer(&["service", "remove", "web-1"]).await?, json!({"removed": "web-1"}));
    Ok(())
}

#[tokio::test]
async fn an_export_whose_reader_has_read_enough_is_no_error() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let it = Operated::start(folder.path(), &[]).await?;
    it.server
        .publish("web-1", encode_one(&Sample { up: 5000, interval_ms: 1000, ..Sample::default() }))
        .await?;
    let (reading, writing) = std::io::pipe()?;
    drop(reading);
    let arguments = it.with_settings(&["export", "--step", "raw"]);
    let export = komandorr(&arguments).current_dir(folder.path()).stdout(writing).spawn()?;
    let output = export.wait_with_output().await?;
    assert!(output.status.success(), "{}", output.status);
    Ok(())
}
