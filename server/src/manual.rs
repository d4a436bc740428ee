//! Manual pages and shell completions of both programs, made from their
//! command lines.

use std::{fs, path::Path};

use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;

/// Writes a folder for each program, with `man1/` and one for each shell.
pub(crate) fn write(dir: &Path) -> anyhow::Result<()> {
    let wrote = write_all(dir);
    wrote.with_context(|| format!("cannot write the manual to {}", dir.display()))
}

fn write_all(dir: &Path) -> anyhow::Result<()> {
    for program in [Cli::command(), komandorr_agent::cli::Cli::command()] {
        let dir = dir.join(program.get_name());
        let pages = dir.join("man1");
        fs::create_dir_all(&pages)?;
        clap_mangen::generate_to(program.clone(), &pages)?;
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            complete(program.clone(), shell, &dir)?;
        }
    }
    Ok(())
}

fn complete(mut program: Command, shell: Shell, dir: &Path) -> anyhow::Result<()> {
    let dir = dir.join(shell.to_string());
    fs::create_dir_all(&dir)?;
    let name = program.get_name().to_owned();
    clap_complete::generate_to(shell, &mut program, name, &dir)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_programs_get_their_pages_and_completions() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        for (program, flag, command) in
            [("komandorr", "print-config", "demo"), ("komandorr-agent", "max-bandwidth", "check")]
        {
            // roff writes a hyphen as \-.
            let page = read(&format!("{program}/man1/{program}.1")).replace("\\-", "-");
            assert!(page.contains(&format!("--{flag}")), "{page}");
            assert!(read(&format!("{program}/man1/{program}-{command}.1")).contains(".TH"));
            for file in [
                format!("{program}/bash/{program}.bash"),
                format!("{program}/zsh/_{program}"),
                format!("{program}/fish/{program}.fish"),
            ] {
                let text = read(&file);
                assert!(text.contains(flag) && text.contains(command), "{file}");
            }
        }
    }
}
