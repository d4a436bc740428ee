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
        let environment = environment()?;
        let exists = |path: &str| Path::new(path).exists();
        let (mut file, mut flags) = (self.config.clone(), self.set.clone());
        if self.means_installed(&environment, exists) {
            file = Some(installed::SETTINGS.into());
            // As its unit says.
            flags.push(("storage.path".to_owned(), installed::DATABASE.to_owned()));
        }
        let sources = Sources { file, environment, flags };
        let settings: Settings = komandorr_config::load(&sources)?;
        settings.check()?;
        Ok(settings)
    }

    /// A command of the operator means the installed server, unless anything tells
    /// of another one.
    fn means_installed(
        &self,
        environment: &[(String, String)],
        exists: impl Fn(&str) -> bool,
    ) -> bool {
        let told = |(name, _): &(String, String)| {
            ["KOMANDORR_STORAGE_", "KOMANDORR_HTTP_"].iter().any(|place| name.starts_with(place))
        };
        matches!(self.command, Some(Command::Operator(_)))
            && self.config.is_none()
            && self.set.is_empty()
            && !environment.iter().any(told)
            && !exists(komandorr_config::FILE_NAME)
            && exists(installed::SETTINGS)
    }
}

/// The environment as text. What is none is refused where it may be a setting: a
/// password that was left out would be another one.
fn environment() -> anyhow::Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => texts.push((name, value)),
            Err(_) if name.starts_with("KOMANDORR_") => {
                anyhow::bail!("the environment variable {name} is not valid UTF-8");
            }
            Err(_) => {}
        }
    }
    Ok(texts)
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

    #[test]
    fn only_without_any_setting_a_command_means_the_installed_server() {
        let means = |line: &str, variable: &str, here: bool| {
            let cli = Cli::parse_from(line.split(' '));
            let environment = [(variable.to_owned(), String::new())];
            cli.means_installed(&environment, |path| here || path == installed::SETTINGS)
        };
        assert!(means("komandorr service list", "PATH", false));
        assert!(means("komandorr health", "KOMANDORR_LOG_FILTER", false));
        assert!(!means("komandorr service list", "PATH", true));
        assert!(!means("komandorr service list", "KOMANDORR_STORAGE_PATH", false));
        assert!(!means("komandorr service list", "KOMANDORR_HTTP_LISTEN", false));
        assert!(!means("komandorr --config x.toml service list", "PATH", false));
        assert!(!means("komandorr --set storage.path=x service list", "PATH", false));
        assert!(!means("komandorr", "PATH", false));
    }
}
