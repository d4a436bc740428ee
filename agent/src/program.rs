//! The program around the library: arguments, signals, exit codes.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use anyhow::Context;
use clap::Parser;
use tokio_util::sync::CancellationToken;

use crate::{
    Notify,
    cli::{Cli, Command, Options},
    commands, run_notifying, source,
};

/// What ended the program.
enum Failure {
    /// Wrong usage: exit code 2.
    Usage(clap::Error),
    /// Anything else: exit code 1.
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<clap::Error> for Failure {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

/// The whole program: reads the arguments of the process, does what they ask
/// for, and says how it ended.
pub fn main() -> ExitCode {
    match begin() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(error)) => usage(&error),
        Err(Failure::Failed(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn begin() -> Result<(), Failure> {
    let Cli { command, options } = Cli::try_parse()?;
    let mut out = io::stdout();
    match command {
        Some(Command::Interfaces) => {
            let (selection, capacity) = (options.selection(), options.max_bandwidth);
            commands::interfaces(&selection, capacity, &mut *source::system(), &mut out)?;
            Ok(())
        }
        Some(Command::Check) => {
            let config = options.config()?;
            let mut source = source::system();
            let check = commands::check(&config, &mut *source, &mut out);
            Ok(runtime()?.block_on(check)?)
        }
        Some(Command::Health) => {
            Ok(commands::health(&options.state_dir(), options.interval, &mut out)?)
        }
        None => agent(&options),
    }
}

fn agent(options: &Options) -> Result<(), Failure> {
    let config = options.config()?;
    options.start_logging()?;
    let runtime = runtime()?;
    let stop = CancellationToken::new();
    let running = async {
        // Before anything else: a signal during the start counts as well.
        let signals = Signals::new().context("cannot listen to signals")?;
        let notify = Notify::from_environment();
        let agent = run_notifying(config, source::system(), stop.clone(), notify);
        tokio::select! {
            ended = agent => ended,
            () = signals.two(&stop) => anyhow::bail!("stopped at once by a second signal"),
        }
    };
    let ended = runtime.block_on(running);
    // A name resolution may hang in a thread that nobody can end.
    runtime.shutdown_background();
    Ok(ended?)
}

/// One thread does: the agent waits nearly all the time.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")
}

/// One line to stderr.
fn complain(text: &str) {
    let line = format!("komandorr-agent: {}\n", text.replace('\n', " "));
    // Nowhere is left to say that this failed.
    drop(io::stderr().write_all(line.as_bytes()));
}

fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // --help and --version; a closed pipe is no failure.
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    complain(first.trim_start_matches("error: "));
    ExitCode::from(2)
}

/// SIGTERM and SIGINT.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    #[cfg(not(unix))]
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn one(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn one(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// The first stops in order; returns at the second.
    async fn two(mut self, stop: &CancellationToken) {
        self.one().await;
        stop.cancel();
        self.one().await;
    }
}
