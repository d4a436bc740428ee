//! `komandorr export` and `komandorr backup`: what the server streams.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::ensure;
use clap::{Args, ValueEnum};
use komandorr_wire::ServiceId;
use serde_json::json;

use super::{
    Say,
    client::{self, Client},
    target::Target,
};

/// How an export is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Parquet,
    Json,
}

/// What to export.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Writes to this file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// How to write it; without: csv, or json with --json.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Begin, such as 2026-11-01T00:00:00Z; without: a day before the end.
    #[arg(long)]
    from: Option<String>,
    /// End; without: now.
    #[arg(long)]
    to: Option<String>,
    /// The only service; without: all.
    #[arg(long, value_name = "ID")]
    service: Option<ServiceId>,
    /// raw, 5m, 1h, 1d or 1w; without: what fits the range.
    #[arg(long)]
    step: Option<String>,
}

/// Where to copy the database to.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file; it must not exist yet.
    file: PathBuf,
    /// Replaces the file if it exists.
    #[arg(long)]
    overwrite: bool,
}

impl Export {
    pub(super) async fn run(
        &self,
        client: &Client,
        database: &Path,
        say: Say,
    ) -> anyhow::Result<()> {
        let format = match (self.format, say.as_json) {
            (format, true) => {
                let json = format.is_none_or(|format| format == Format::Json);
                ensure!(json, "--json and another --format contradict each other: leave one out");
                Format::Json
            }
            (format, false) => format.unwrap_or(Format::Csv),
        };
        let path = self.path(format);
        if let Some(file) = &self.output {
            let bytes = Target::of(file, database).await?.fill(client, &path).await?;
            return said(file, bytes, say);
        }
        match client.download(&path, &mut tokio::io::stdout()).await {
            // A reader that has read enough is no error.
            Err(error) if is_closed_pipe(&error) => Ok(()),
            ended => ended.map(drop),
        }
    }

    fn path(&self, format: Format) -> String {
        let format = match format {
            Format::Csv => "csv",
            Format::Parquet => "parquet",
            Format::Json => "json",
        };
        let service = self.service.as_ref().map(ServiceId::as_str);
        let fields = [
            ("from", self.from.as_deref()),
            ("to", self.to.as_deref()),
            ("service", service),
            ("step", self.step.as_deref()),
        ];
        let mut path = format!("/api/traffic/export?format={format}");
        for (key, value) in fields {
            if let Some(value) = value {
                path.extend(["&", key, "=", &client::segment(value)]);
            }
        }
        path
    }
}

impl Backup {
    pub(super) async fn run(
        &self,
        client: &Client,
        database: &Path,
        say: Say,
    ) -> anyhow::Result<()> {
        let target = Target::of(&self.file, database).await?;
        ensure!(!target.is_special(), "{} is no file: a backup needs one", self.file.display());
        let target = if self.overwrite { target } else { target.if_new().await? };
        let bytes = target.fill(client, "/api/backup").await?;
        said(&self.file, bytes, say)
    }
}

/// Says how much there is in a file now.
fn said(file: &Path, bytes: u64, say: Say) -> anyhow::Result<()> {
    let answer = json!({"file": file, "bytes": bytes});
    say.done(&format!("{bytes} bytes in {}", file.display()), &answer)
}

fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
