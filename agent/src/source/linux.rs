//! Linux: counters from procfs, identities and roles from sysfs.
//!
//! One read of `/proc/net/dev` gives every counter in 64 bits at one moment;
//! sysinfo opens nine files an interface for the same numbers.

mod roles;

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    os::unix::fs::DirEntryExt,
    path::{Path, PathBuf},
};

use super::{Link, Load, LoadMeter, Reading, Source};

/// Room for the table of some thirty interfaces, bytes.
const TABLE: usize = 4096;
/// Bytes of a table of routes that are read at once.
const LINES: usize = 64 << 10;

/// Interfaces of a Linux host.
#[derive(Debug)]
pub struct Linux {
    sys: PathBuf,
    proc: PathBuf,
    /// Index of each name, as long as sysfs has the same node for it.
    known: HashMap<Box<str>, (u64, u32)>,
    /// The text of `/proc/net/dev`.
    table: String,
    load: LoadMeter,
}

impl Default for Linux {
    fn default() -> Self {
        Self::new()
    }
}

impl Linux {
    /// The interfaces of this process's network namespace.
    pub fn new() -> Self {
        Self::at(Path::new("/sys"), Path::new("/proc"))
    }

    /// The interfaces that `sys` and `proc` describe: the host's, mounted into
    /// a container, or a tree made for a test.
    pub fn at(sys: &Path, proc: &Path) -> Self {
        Self {
            sys: sys.join("class/net"),
            proc: proc.to_owned(),
            known: HashMap::new(),
            table: String::new(),
            load: LoadMeter::new(),
        }
    }

    /// Looks up the index of every interface. A node of sysfs that is another
    /// one than before belongs to another interface of the same name.
    fn identify(&mut self) -> io::Result<()> {
        let mut now = HashMap::with_capacity(self.known.len());
        for entry in fs::read_dir(&self.sys).map_err(|e| about(&e, &self.sys))? {
            let entry = entry.map_err(|e| about(&e, &self.sys))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let node = entry.ino();
            let name: Box<str> = name.into();
            let index = match self.known.get(&name) {
                Some(&(known, index)) if known == node => index,
                // Gone between listing and reading: left out this time.
                _ => match number(&entry.path().join("ifindex")) {
                    Some(index) => index,
                    None => continue,
                },
            };
            now.insert(name, (node, index));
        }
        self.known = now;
        Ok(())
    }
}

impl Source for Linux {
    fn read(&mut self) -> io::Result<Vec<Reading>> {
        self.identify()?;
        let path = self.proc.join("net/dev");
        // One buffer for ever, and one large read: the kernel makes the table
        // anew for each small one.
        self.table.clear();
        self.table.reserve(TABLE);
        let mut file = File::open(&path).map_err(|e| about(&e, &path))?;
        file.read_to_string(&mut self.table).map_err(|e| about(&e, &path))?;
        let lines = self.table.lines().filter_map(counters);
        let readings = lines.filter_map(|(name, down, up)| {
            // What /sys does not show belongs to another namespace's view.
            let &(_, index) = self.known.get(name)?;
            Some(Reading { name: name.into(), index, up, down })
        });
        Ok(readings.collect())
    }

    fn links(&mut self) -> io::Result<Vec<Link>> {
        self.identify()?;
        let routed = default_routes(&self.proc);
        let mut links: Vec<Link> = self
            .known
            .iter()
            .map(|(name, &(_, index))| {
                roles::describe(&self.sys, name, index, routed.contains(name))
            })
            .collect();
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    fn load(&mut self) -> Load {
        self.load.measure()
    }

    fn boot(&self) -> Box<str> {
        crate::clock::boot_id(&self.proc)
    }
}

/// Says which file an error is about.
fn about(error: &io::Error, path: &Path) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

/// Takes one line of `/proc/net/dev` apart: name, received, sent.
fn counters(line: &str) -> Option<(&str, u64, u64)> {
    let (name, numbers) = line.rsplit_once(':')?;
    let mut numbers = numbers.split_ascii_whitespace();
    let received = numbers.next()?.parse().ok()?;
    // Bytes sent stand behind eight columns of what was received.
    let sent = numbers.nth(7)?.parse().ok()?;
    Some((name.trim(), received, sent))
}

/// The interfaces through which a default route leaves, IPv4 or IPv6.
fn default_routes(proc: &Path) -> Vec<Box<str>> {
    let mut found: Vec<Box<str>> = Vec::new();
    let mut add = |name: &str| {
        if found.iter().all(|known| **known != *name) {
            found.push(name.into());
        }
    };
    each_line(&proc.join("net/route"), |line| {
        let mut columns = line.split_ascii_whitespace();
        // Destination, and six columns behind it the mask.
        if let (Some(name), Some("00000000")) = (columns.next(), columns.next())
            && columns.nth(5) == Some("00000000")
        {
            add(name);
        }
    });
    each_line(&proc.join("net/ipv6_route"), |line| {
        let mut columns = line.split_ascii_whitespace();
        // The kernel's own entry that rejects everything leads to `lo`.
        if let (Some(network), Some("00")) = (columns.next(), columns.next())
            && network.bytes().all(|b| b == b'0')
            && let Some(name) = columns.next_back().filter(|name| *name != "lo")
        {
            add(name);
        }
    });
    found
}

/// Reads a file line by line: the tables of a router of the internet's core have
/// a million of them, more than the agent's memory could hold. What cannot be read
/// has none.
fn each_line(path: &Path, mut take: impl FnMut(&str)) {
    let Ok(file) = File::open(path) else { return };
    let mut reader = BufReader::with_capacity(LINES, file);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        if let Ok(text) = std::str::from_utf8(&line) {
            take(text);
        }
        line.clear();
    }
}

/// The number in a file of sysfs.
fn number<T: std::str::FromStr>(path: &Path) -> Option<T> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
