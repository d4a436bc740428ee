//! The command line.

use std::path::PathBuf;

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
        let mut sources = Sources {
            defaults: Vec::new(),
            file: self.config.clone(),
            environment: environment()?,
            flags: self.set.clone(),
        };
        if let Some(Command::Operator(_)) = self.command {
            installed::PLACE.complete(&mut sources)?;
        } else {
            installed::take_state_folder(&mut sources);
        }
        Ok(komandorr_config::load(&sources, Settings::check)?)
    }
}

/// A complaint about wrong usage without the lines that repeat what is right.
pub(crate) fn in_one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let repeats = |line: &&str| {
        ["Usage:", "For more information"].iter().any(|begin| line.starts_with(begin))
    };
    let said = text.lines().map(str::trim).take_while(|line| !repeats(line));
    let said: Vec<&str> = said.filter(|line| !line.is_empty()).collect();
    format!("{}; try --help", said.join(" ").trim_start_matches("error: "))
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
    fn wrong_usage_is_told_in_one_line() {
        let told = |line: &str| in_one_line(&Cli::try_parse_from(line.split(' ')).unwrap_err());
        assert_eq!(
            told("komandorr service add"),
            "the following required arguments were not provided: <ID>; try --help"
        );
        let misspelt = told("komandorr --jsn service list");
        assert!(misspelt.starts_with("unexpected argument '--jsn' found"), "{misspelt}");
        assert!(misspelt.contains("'--json'"), "{misspelt}");
        assert_eq!(
            told("komandorr demo --simulate many"),
            "invalid value 'many' for '--simulate <N>': invalid digit found in string; try --help"
        );
        assert_eq!(
            told("komandorr export --format xml"),
            "invalid value 'xml' for '--format <FORMAT>' [possible values: csv, parquet, json]; try --help"
        );
    }

    #[test]
    fn a_command_without_the_one_that_it_needs_says_which_there_are() {
        let whole = Cli::command();
        let nested: Vec<&str> = whole
            .get_subcommands()
            .filter(|command| command.has_subcommands())
            .map(clap::Command::get_name)
            .collect();
        assert_eq!(nested, ["service", "reader", "token"]);
        for name in nested {
            let error = Cli::try_parse_from(["komandorr", name]).unwrap_err();
            assert!(error.use_stderr(), "{name}: {error}");
            let told = in_one_line(&error);
            let missing =
                format!("'komandorr {name}' requires a subcommand but one was not provided");
            assert!(told.starts_with(&missing), "{told}");
            for known in ["add", "list", "remove"] {
                assert!(told.contains(known), "{told}");
            }
        }
    }
}
