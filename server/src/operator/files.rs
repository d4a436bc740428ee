//! `komandorr export` and `komandorr backup`: what the server streams, into a
//! file that is there whole or not at all.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use komandorr_wire::ServiceId;
use tokio::fs;

use super::{
    Say,
    client::{self, Client},
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
    /// How to write it.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
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
    pub(super) async fn run(&self, client: &Client) -> anyhow::Result<()> {
        let path = self.path();
        match &self.output {
            Some(file) => save(client, &path, file).await.map(drop),
            None => client.download(&path, &mut tokio::io::stdout()).await.map(drop),
        }
    }

    fn path(&self) -> String {
        let format = match self.format {
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
    pub(super) async fn run(&self, client: &Client, say: Say) -> anyhow::Result<()> {
        let file = &self.file;
        ensure!(
            self.overwrite || !file.try_exists()?,
            "{} exists already: choose another name, or add --overwrite",
            file.display()
        );
        let bytes = save(client, "/api/backup", file).await?;
        say.done(&format!("{bytes} bytes in {}", file.display()));
        Ok(())
    }
}

/// Downloads beside the file and then renames. Others cannot read it: the
/// traffic of a house is nobody else's business.
async fn save(client: &Client, path: &str, file: &Path) -> anyhow::Result<u64> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let saved = download(client, path, &part).await;
    let saved = match saved {
        Ok(bytes) => fs::rename(&part, file).await.map(|()| bytes).map_err(Into::into),
        Err(error) => Err(error),
    };
    if saved.is_err() {
        drop(fs::remove_file(&part).await);
    }
    saved.with_context(|| format!("{} is not written", file.display()))
}

async fn download(client: &Client, path: &str, part: &Path) -> anyhow::Result<u64> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    options.mode(0o600);
    let mut out = options.open(part).await?;
    let bytes = client.download(path, &mut out).await?;
    out.sync_all().await?;
    Ok(bytes)
}
