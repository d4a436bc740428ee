//! A file that a command writes: there whole, or not at all.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail, ensure};
use tempfile::NamedTempFile;
use tokio::fs;

use super::client::Client;
use crate::signals::Signals;

/// What the names of the server's own files have behind that of its database.
const OWN: [&str; 5] = ["", ".wal", ".wal.checkpoint", ".operator-token", ".mqtt-client"];

/// Where to write.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// As it was named.
    file: &'a Path,
    /// What a link leads to; what is not there leads nowhere.
    place: PathBuf,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A file, there or not.
    File,
    /// A file that must not be there.
    NewFile,
    /// A device or a pipe, which is written to and not replaced.
    Special,
}

impl<'a> Target<'a> {
    /// Refuses folders, and what the server itself has open.
    pub(super) async fn of(file: &'a Path, database: &Path) -> anyhow::Result<Self> {
        let place = fs::canonicalize(file).await.unwrap_or_else(|_| file.to_owned());
        let found = fs::metadata(&place).await.ok();
        let is_folder = found.as_ref().is_some_and(std::fs::Metadata::is_dir);
        ensure!(!is_folder, "{} is a folder: name a file in it", file.display());
        for suffix in OWN {
            let mut own = database.as_os_str().to_owned();
            own.push(suffix);
            ensure!(
                resolved(&place).await != resolved(Path::new(&own)).await,
                "{} belongs to the running server: choose another name",
                file.display()
            );
        }
        let special = found.is_some_and(|found| !found.is_file());
        Ok(Self { file, place, kind: if special { Kind::Special } else { Kind::File } })
    }

    /// The same where nothing is there yet.
    pub(super) async fn if_new(self) -> anyhow::Result<Self> {
        let exists = fs::try_exists(&self.place).await?;
        ensure!(!exists, "{}", self.exists_already());
        Ok(Self { kind: Kind::NewFile, ..self })
    }

    pub(super) fn is_special(&self) -> bool {
        self.kind == Kind::Special
    }

    /// Downloads into it, and says how many bytes it has.
    pub(super) async fn fill(self, client: &Client, path: &str) -> anyhow::Result<u64> {
        let filled = if self.is_special() {
            let mut out = fs::OpenOptions::new().write(true).open(&self.place).await?;
            client.download(path, &mut out).await
        } else {
            self.replace(client, path).await
        };
        filled.with_context(|| format!("{} is not written", self.file.display()))
    }

    /// Downloads beside the file and then renames. Others cannot read it: the
    /// traffic of a house is nobody else's business.
    async fn replace(&self, client: &Client, path: &str) -> anyhow::Result<u64> {
        // Before the part is there, which a signal would leave behind.
        let mut signals = Signals::new().context("cannot listen for signals")?;
        // A name of its own: somebody else may be writing the same file.
        let part = tempfile::Builder::new()
            .prefix(".komandorr-")
            .suffix(".part")
            .tempfile_in(folder_of(&self.place))?;
        let mut out = fs::File::from_std(part.reopen()?);
        let bytes = tokio::select! {
            bytes = client.download(path, &mut out) => bytes?,
            () = signals.next() => bail!("stopped by a signal"),
        };
        out.sync_all().await?;
        self.keep(part)?;
        Ok(bytes)
    }

    fn keep(&self, part: NamedTempFile) -> anyhow::Result<()> {
        let kept = if self.kind == Kind::NewFile {
            part.persist_noclobber(&self.place)
        } else {
            part.persist(&self.place)
        };
        // The part goes with what the error holds of it.
        let failed = kept.map(drop).map_err(|failed| failed.error);
        failed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => anyhow!(self.exists_already()),
            _ => error.into(),
        })
    }

    fn exists_already(&self) -> String {
        format!("{} exists already: choose another name, or add --overwrite", self.file.display())
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The one way to a file, which need not be there.
async fn resolved(file: &Path) -> Option<PathBuf> {
    let folder = fs::canonicalize(folder_of(file)).await.ok()?;
    Some(folder.join(file.file_name()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_the_server_has_open_is_no_target_whatever_the_way_to_it() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = folder.path().join("k.duckdb");
        std::fs::write(&database, "")?;
        std::os::unix::fs::symlink(&database, folder.path().join("link"))?;
        let refused = async |name: &str| {
            let file = folder.path().join(name);
            let refused = Target::of(&file, &database).await.err();
            refused.map(|error| error.to_string()).unwrap_or_default()
        };
        for own in ["k.duckdb", "link", "./k.duckdb", "k.duckdb.wal", "k.duckdb.operator-token"] {
            assert!(refused(own).await.contains("belongs to the running server"), "{own}");
        }
        assert_eq!(refused("k.duckdb.bak").await, "");
        assert_eq!(refused("copy.duckdb").await, "");
        assert!(refused("").await.ends_with("is a folder: name a file in it"));
        Ok(())
    }

    #[tokio::test]
    async fn what_came_meanwhile_is_not_overwritten() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("copy");
        let target = Target::of(&file, Path::new("k.duckdb")).await?.if_new().await?;
        std::fs::write(&file, "another's")?;
        let refused = target.keep(NamedTempFile::new_in(folder.path())?).unwrap_err();
        assert!(refused.to_string().contains("exists already"), "{refused}");
        assert_eq!(std::fs::read_to_string(&file)?, "another's");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), 1, "the part is left behind");
        Ok(())
    }
}
