//! What the documents have an operator do on a machine with systemd, done in a folder
//! that stands for it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::operator::mode;

const PAGE: &str = include_str!("../../../docs/install.md");

/// What stands in for programs that want root, systemd or a group.
const STAND_INS: [(&str, &str); 5] = [
    ("sudo", "exec \"$@\""),
    ("systemctl", ":"),
    // As if the group were there already.
    ("groupadd", "[ \"$1\" = -f ]"),
    ("chgrp", "shift; ls \"$@\""),
    ("install", "for last; do :; done; mkdir -p \"$last\""),
];

/// Follows the block of the page that names a file, with the machine's folders in
/// another one.
fn follow(machine: &Path, file: &str) -> Result<()> {
    let mut blocks = PAGE.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.contains(file)).with_context(|| file.to_owned())?;
    let inside = |script: String, place: &&str| script.replace(place, &format!("$MACHINE{place}"));
    let script = ["/etc/", "/mnt/", "/var/"].iter().fold(block.to_owned(), inside);
    let path = format!("{}:{}", machine.join("bin").display(), std::env::var("PATH")?);
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]).env("MACHINE", machine).env("PATH", path);
    let done = shell.output()?;
    ensure!(done.status.success(), "{file}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

#[test]
fn an_installed_server_moves_whole_and_may_have_a_certificate_too() -> Result<()> {
    let machine = tempfile::tempdir()?;
    let at = |place: &str| machine.path().join(place);
    for place in ["bin", "etc/komandorr", "mnt/big", "var/lib/komandorr"] {
        fs::create_dir_all(at(place))?;
    }
    for (name, does) in STAND_INS {
        let program = at("bin").join(name);
        fs::write(&program, format!("#!/bin/sh\n{does}\n"))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    }
    fs::write(at("etc/komandorr/key.pem"), "")?;
    let (shared, private) = (0o660, 0o600);
    let files = [
        ("komandorr.duckdb", shared),
        ("komandorr.duckdb.wal", shared),
        ("komandorr.duckdb.wal.checkpoint", shared),
        ("komandorr.duckdb.operator-token", private),
        ("komandorr.duckdb.mqtt-client", private),
    ];
    for (name, _) in files {
        let file = at("var/lib/komandorr").join(name);
        fs::write(&file, name)?;
        fs::set_permissions(&file, fs::Permissions::from_mode(private))?;
    }
    follow(machine.path(), "/mnt/big/komandorr")?;
    follow(machine.path(), "/etc/komandorr/key.pem")?;
    for (name, wanted) in files {
        let moved = at("mnt/big/komandorr").join(name);
        assert_eq!(fs::read_to_string(&moved).context(name)?, name);
        assert_eq!(mode(&moved)?, wanted, "{name}");
    }
    let mut told = String::new();
    for drop_in in fs::read_dir(at("etc/systemd/system/komandorr.service.d"))? {
        told += &fs::read_to_string(drop_in?.path())?;
    }
    assert_eq!(told.matches("SupplementaryGroups=komandorr-files").count(), 2, "{told}");
    assert!(told.contains("ReadWritePaths="), "one took the other's place: {told}");
    Ok(())
}
