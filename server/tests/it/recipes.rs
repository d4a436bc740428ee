//! What the documents have an operator do on a machine with systemd or Docker, done in a
//! folder that stands for it.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use anyhow::{Context, Result, ensure};

use crate::operator::mode;

const INSTALL: &str = include_str!("../../../docs/install.md");
const MIGRATING: &str = include_str!("../../../docs/migrating.md");

/// What stands in for programs that want root, systemd, a group or an engine.
const STAND_INS: [(&str, &str); 6] = [
    ("sudo", "exec \"$@\""),
    ("systemctl", ":"),
    // As if the group were there already.
    ("groupadd", "[ \"$1\" = -f ]"),
    ("chgrp", "shift; ls \"$@\""),
    ("install", "for last; do :; done; mkdir -p \"$last\""),
    ("docker", DOCKER),
];

/// The server's volume is a folder, and what is copied to it stays as it came as well.
const DOCKER: &str = r#"
for last; do :; done
case "$1 $2" in
    "compose ps") echo server ;;
    "cp -") cd "$MACHINE" && tee copied.tar | tar -x --no-same-owner -C var/lib/komandorr ;;
    "compose exec") ls "$last" ;;
    "run --rm") rm "$last" ;;
    *) exit 1 ;;
esac"#;

/// A machine with the folders that the documents name, and with the stand-ins.
fn machine() -> Result<tempfile::TempDir> {
    let machine = tempfile::tempdir()?;
    for place in ["bin", "etc/komandorr", "mnt/big", "var/lib/komandorr"] {
        fs::create_dir_all(machine.path().join(place))?;
    }
    for (name, does) in STAND_INS {
        let program = machine.path().join("bin").join(name);
        fs::write(&program, format!("#!/bin/sh\n{does}\n"))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    }
    Ok(machine)
}

/// Follows the block of a page that names a file, with the machine's folders in another
/// one.
fn follow(page: &str, file: &str, machine: &Path) -> Result<()> {
    let mut blocks = page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = blocks.find(|block| block.contains(file)).with_context(|| file.to_owned())?;
    let inside = |script: String, place: &&str| script.replace(place, &format!("$MACHINE{place}"));
    let script = ["/etc/", "/mnt/", "/var/"].iter().fold(block.to_owned(), inside);
    let script = format!("PATH=$MACHINE/bin:$PATH\n{script}");
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]).env("MACHINE", machine);
    let done = shell.current_dir(machine).output()?;
    ensure!(done.status.success(), "{file}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

#[test]
fn an_installed_server_moves_whole_and_may_have_a_certificate_too() -> Result<()> {
    let machine = machine()?;
    let at = |place: &str| machine.path().join(place);
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
    follow(INSTALL, "/mnt/big/komandorr", machine.path())?;
    follow(INSTALL, "/etc/komandorr/key.pem", machine.path())?;
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

#[test]
fn an_import_in_docker_can_read_its_file_and_leaves_none_of_it() -> Result<()> {
    let machine = machine()?;
    let database = machine.path().join("komandorr.db");
    fs::write(&database, "hashes")?;
    fs::set_permissions(&database, fs::Permissions::from_mode(0o600))?;
    follow(MIGRATING, "/var/lib/komandorr/original.db", machine.path())?;
    let mut list = Command::new("tar");
    list.args(["-tv", "--numeric-owner", "-f", "copied.tar"]).current_dir(machine.path());
    let copied = String::from_utf8(list.output()?.stdout)?;
    assert!(copied.starts_with("-rw------- 65532/65532 "), "{copied}");
    assert_eq!(fs::read_dir(machine.path().join("var/lib/komandorr"))?.count(), 0);
    assert!(database.exists());
    Ok(())
}
