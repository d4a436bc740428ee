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
        ensure!(!is_special(file).await, "{} is no file: a backup needs one", file.display());
        let bytes = save(client, "/api/backup", file).await?;
        say.done(&format!("{bytes} bytes in {}", file.display()));
        Ok(())
    }
}

/// Downloads into a file, and says how many bytes it has. What is no file, such as
/// a device, is written to and not replaced.
async fn save(client: &Client, path: &str, file: &Path) -> anyhow::Result<u64> {
    // What a link leads to is meant; what is not there leads nowhere.
    let place = fs::canonicalize(file).await.unwrap_or_else(|_| file.to_owned());
    let saved = if is_special(&place).await {
        let mut out = fs::OpenOptions::new().write(true).open(&place).await?;
        client.download(path, &mut out).await
    } else {
        replace(client, path, &place).await
    };
    saved.with_context(|| format!("{} is not written", file.display()))
}

async fn is_special(file: &Path) -> bool {
    fs::metadata(file).await.is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Downloads beside a file and then renames. Others cannot read it: the traffic of
/// a house is nobody else's business.
async fn replace(client: &Client, path: &str, file: &Path) -> anyhow::Result<u64> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    // A name of its own: somebody else may be writing the same file.
    let part = tempfile::Builder::new()
        .prefix(".komandorr-")
        .suffix(".part")
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    let mut out = fs::File::from_std(part.reopen()?);
    let bytes = client.download(path, &mut out).await?;
    out.sync_all().await?;
    part.persist(file)?;
    Ok(bytes)
}
