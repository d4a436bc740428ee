//! `komandorr`: broker, collector and site in one process.

mod access;
mod broker_figures;
mod cli;
mod credentials;
mod demo;
mod home_assistant;
mod installed;
mod listen;
mod manual;
mod mqtt_door;
mod operator;
mod publish;
mod serve;
mod settings;
mod signals;
mod source;
mod tls_door;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match begin(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // --help and --version; a closed pipe is no failure.
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    complain(&cli::in_one_line(error));
    ExitCode::from(2)
}

/// One line to stderr.
fn complain(text: &str) {
    let line = text.replace('\n', " ");
    // Nowhere is left to say that this failed.
    drop(writeln!(io::stderr(), "komandorr: {line}"));
}

fn begin(cli: &Cli) -> anyhow::Result<()> {
    if cli.print_config {
        io::stdout().write_all(komandorr_config::DEFAULT_FILE.as_bytes())?;
        return Ok(());
    }
    let settings = cli.settings()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if let Some(Command::Operator(command)) = &cli.command {
        return runtime.block_on(operator::run(command, &settings, cli.json));
    }
    settings.start_logging()?;
    let ended = match &cli.command {
        None | Some(Command::Serve) => runtime.block_on(serve::serve(settings)),
        Some(Command::Demo { simulate }) => runtime.block_on(demo::demo(settings, *simulate)),
        Some(Command::Operator(_)) => Ok(()),
        Some(Command::Manual { dir }) => manual::write(dir),
    };
    // A query may still hold a thread of the pool; it changes nothing.
    runtime.shutdown_background();
    ended
}
