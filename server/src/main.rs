//! `komandorr`: broker, collector and site in one process.

mod access;
mod broker_figures;
mod cli;
mod demo;
mod listen;
mod mqtt_door;
mod serve;
mod settings;
mod signals;
mod source;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match begin(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let line = format!("{error:#}").replace('\n', " ");
            // Nowhere is left to say that this failed.
            drop(writeln!(io::stderr(), "komandorr: {line}"));
            ExitCode::FAILURE
        }
    }
}

fn begin(cli: &Cli) -> anyhow::Result<()> {
    if cli.print_config {
        io::stdout().write_all(komandorr_config::DEFAULT_FILE.as_bytes())?;
        return Ok(());
    }
    let settings = cli.settings()?;
    settings.start_logging()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = match &cli.command {
        None | Some(Command::Serve) => runtime.block_on(serve::serve(settings)),
        Some(Command::Demo { simulate }) => runtime.block_on(demo::demo(settings, *simulate)),
    };
    // A query may still hold a thread of the pool; it changes nothing.
    runtime.shutdown_background();
    ended
}
