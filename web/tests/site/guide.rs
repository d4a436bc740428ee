//! The commands of docs/api.md, run against the site.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    time::timeout,
};

use crate::support::{PATIENCE, Stage, sample};

const GUIDE: &str = include_str!("../../../docs/api.md");

/// A block of commands, and what the comment before it says.
struct Block {
    comment: &'static str,
    commands: &'static str,
}

/// All of them, in order.
fn blocks() -> Vec<Block> {
    let before = GUIDE.split("```sh\n");
    let after = GUIDE.split("```sh\n").skip(1);
    let block = |(before, after): (&'static str, &'static str)| Block {
        comment: before.trim_end().lines().last().unwrap_or_default(),
        commands: after.split("```").next().unwrap_or_default(),
    };
    before.zip(after).map(block).collect()
}

/// What a comment of one kind says.
fn said<'a>(comment: &'a str, kind: &str) -> Option<&'a str> {
    comment.strip_prefix("<!-- ")?.strip_suffix(" -->")?.strip_prefix(kind)?.strip_prefix(": ")
}

#[tokio::test]
async fn every_command_of_the_guide_works() -> Result<()> {
    let stage = Stage::open().await?;
    stage.publish("web-1", &[sample(1_000_000, 250_000, 60)]).await?;
    let folder = tempfile::tempdir()?;
    let mut ran = 0;
    for Block { comment, commands } in blocks() {
        if said(comment, "not run").is_some() {
            continue;
        }
        ran += 1;
        let here = commands.replace("http://localhost:3000", &stage.url(""));
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &here]).current_dir(folder.path());
        shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        if let Some(words) = said(comment, "goes on") {
            let mut shell = shell.spawn()?;
            let mut lines = BufReader::new(shell.stdout.take().context("a pipe")?).lines();
            let heard = async {
                while let Some(line) = lines.next_line().await? {
                    if line.contains(words) {
                        return Ok(());
                    }
                }
                anyhow::bail!("it ended without \"{words}\": {commands}")
            };
            timeout(PATIENCE, heard).await??;
            continue;
        }
        let output = timeout(PATIENCE, shell.output()).await??;
        let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        ensure!(output.status.success(), "{commands}: {err}{out}");
        let words = said(comment, "shows").unwrap_or_default();
        ensure!(out.contains(words), "{commands} does not show \"{words}\": {out}");
    }
    assert!(ran > 10, "only {ran} blocks were found");
    stage.close().await?;
    Ok(())
}
