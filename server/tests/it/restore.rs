//! A backup taken from a running server takes the place of its database.

use std::fs;

use anyhow::ensure;
use komandorr_wire::{AgentSeq, Sample, encode_one};

use crate::support::{Server, complaint, run};

fn numbered(seq: u64) -> Vec<u8> {
    encode_one(&Sample {
        up: 1000 * seq,
        interval_ms: 1000,
        agent: Some(AgentSeq { agent: "test".into(), seq: Some(seq) }),
        ..Sample::default()
    })
}

async fn sent(server: &Server) -> anyhow::Result<u64> {
    let current = server.get("/api/traffic/current?service=web-1").await?;
    Ok(current["services"][0]["up_bytes_total"].as_u64().unwrap_or_default())
}

#[tokio::test]
async fn a_killed_server_starts_from_a_backup_and_takes_what_comes_again() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::serve(folder.path()).await?;
    for seq in 1..=3 {
        server.publish("web-1", numbered(seq)).await?;
    }
    let backup = reqwest::get(format!("{}/api/backup", server.http)).await?.error_for_status()?;
    let backup = backup.bytes().await?;
    for seq in 4..=5 {
        server.publish("web-1", numbered(seq)).await?;
    }
    ensure!(sent(&server).await? == 15_000);
    server.signal("KILL")?;
    server.ended().await?;

    // The log that the killed server left is not the backup's: nothing of it
    // gets into the backup by mistake.
    let database = folder.path().join("komandorr.duckdb");
    let log = folder.path().join("komandorr.duckdb.wal");
    ensure!(log.exists(), "a killed server leaves its log");
    fs::write(&database, &backup)?;
    let setting = format!("storage.path={}", database.display());
    let listen = ["--set", "http.listen=127.0.0.1:0", "--set", "mqtt.listen=127.0.0.1:0"];
    let arguments = [&listen[..], &["--set", &setting]].concat();
    let refused = run(&arguments, folder.path()).await?;
    ensure!(refused.status.code() == Some(1), "{refused:?}");
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(text.contains("komandorr.duckdb.wal is the log of another file"), "{text}");
    let last =
        std::process::Output { stderr: text.lines().last().unwrap_or_default().into(), ..refused };
    complaint(&last)?;

    fs::remove_file(&log)?;
    let server = Server::serve(folder.path()).await?;
    ensure!(sent(&server).await? == 6000, "what the backup has");
    // Agents repeat what they do not know to be stored; here all of it.
    for seq in 1..=5 {
        server.publish("web-1", numbered(seq)).await?;
    }
    ensure!(sent(&server).await? == 15_000, "each number once");
    Ok(())
}
