//! `komandorr-bench`: a running server under load, measured from outside.

mod agents;
mod cli;
mod events;
mod load;
mod onlookers;
mod packets;
mod place;
mod process;
mod read_back;
mod register;
mod report;
mod rows;
mod tally;
mod template;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    match begin(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let line = format!("{error:#}").replace('\n', " ");
            // Nowhere is left to say that this failed.
            drop(writeln!(io::stderr(), "komandorr-bench: {line}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether everything was as it should be.
fn begin(cli: &Cli) -> anyhow::Result<bool> {
    let threads = match &cli.command {
        Command::Load(load) => load.threads.into(),
        Command::Rows(_) => 2,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        match &cli.command {
            Command::Load(load) => load::run(load).await,
            Command::Rows(rows) => rows::run(rows).await.map(|()| true),
        }
    })
}
