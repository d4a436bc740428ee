//! Small files with a secret in them, which others on the machine cannot read.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::Path,
};

use rand::distr::{Alphanumeric, SampleString};

/// The owner alone.
const OWNER_READS: u32 = 0o600;
/// The owner, and its group: for a program under another user.
pub(super) const GROUP_READS: u32 = 0o640;
/// Longest secret that a file may hold, in bytes: more is some other file.
const LONGEST: usize = 4096;
/// Random characters of a token: some 256 bits.
const TOKEN: usize = 43;

/// The secret in a file that the owner alone can read; made where there is
/// none, and made anew where others could have read it.
pub(super) fn keep(path: &Path) -> io::Result<String> {
    if is_private(path)?
        && let Some(secret) = read(path)?
    {
        return Ok(secret);
    }
    let secret = format!("kmo_{}", Alphanumeric.sample_string(&mut rand::rng(), TOKEN));
    write(path, &secret, OWNER_READS)?;
    Ok(secret)
}

/// What is in a file; `None`: no such file, or nothing in it.
pub(super) fn read(path: &Path) -> io::Result<Option<String>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let secret = text.trim();
    Ok((!secret.is_empty() && secret.len() <= LONGEST).then(|| secret.to_owned()))
}

/// Writes a secret, all at once: a reader sees the former one or this one.
pub(super) fn write(path: &Path, secret: &str, mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = Path::new(&fresh);
    match fs::remove_file(fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    restrict(&mut options, mode);
    let mut file = options.open(fresh)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    fs::rename(fresh, path)
}

#[cfg(unix)]
fn restrict(options: &mut OpenOptions, mode: u32) {
    std::os::unix::fs::OpenOptionsExt::mode(options, mode);
}

#[cfg(not(unix))]
fn restrict(_: &mut OpenOptions, _: u32) {}

/// Whether nobody but the owner can read a file, where there is one.
#[cfg(unix)]
fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    const OTHERS: u32 = 0o077;
    match fs::metadata(path) {
        Ok(found) => Ok(found.permissions().mode() & OTHERS == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn is_private(path: &Path) -> io::Result<bool> {
    path.try_exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_kept_and_replaced_where_others_could_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/on/the/way");
        let first = keep(&path).unwrap();
        assert_eq!(keep(&path).unwrap(), first);
        assert!(is_private(&path).unwrap() && first.len() > 40);
        write(&path, &first, 0o644).unwrap();
        let second = keep(&path).unwrap();
        assert_ne!(second, first);
        assert!(is_private(&path).unwrap());
        fs::write(&path, "\n").unwrap();
        assert_ne!(keep(&path).unwrap(), second, "an empty file holds no secret");
    }
}
