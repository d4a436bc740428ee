//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};
use komandorr_config::Sources;

use crate::{installed, operator, settings::Settings};

/// Network traffic monitoring: broker, collector and site in one process.
#[derive(Debug, Parser)]
#[command(name = "komandorr", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    /// Settings file; without it komandorr.toml of this folder, where it exists.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A setting that beats file and environment, such as http.listen=127.0.0.1:8080.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
    /// Prints every setting with its default and its meaning.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Has the commands that ask the server answer in JSON, for scripts.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the server (the same as no command).
    Serve,
    /// Tries it out: everything in a temporary folder, with this machine's own traffic.
    Demo {
        /// This many simulated services beside the real one.
        #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=1000))]
        simulate: u16,
    },
    #[command(flatten)]
    Operator(operator::Command),
    /// Writes manual pages and shell completions of both programs, for packages.
    #[command(hide = true)]
    Manual {
        /// Folder that they are written to.
        dir: PathBuf,
    },
}

impl Cli {
    /// Loads the settings from everywhere.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let text = |part: std::ffi::OsString| part.into_string().ok();
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((text(name)?, text(value)?)))
            .collect();
        let file = self.config.clone().or_else(|| self.installed_file());
        let sources = Sources { file, environment, flags: self.set.clone() };
        let settings: Settings = komandorr_config::load(&sources)?;
        settings.check()?;
        Ok(settings)
    }

    /// A command of the operator means the installed server, unless there are
    /// settings in the working folder.
    fn installed_file(&self) -> Option<PathBuf> {
        let command = matches!(self.command, Some(Command::Operator(_)));
        let here = Path::new(komandorr_config::FILE_NAME).exists();
        let file = PathBuf::from(installed::SETTINGS);
        (command && !here && file.exists()).then_some(file)
    }
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
