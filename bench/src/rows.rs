//! The same samples for another database: InfluxDB's line protocol in batches
//! over HTTP. Each writer has a service of its own and a clock that moves a
//! millisecond with each row, so that no row replaces another.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use anyhow::ensure;
use tokio::{task::JoinSet, time::sleep};

use crate::{
    cli::Rows,
    process::Process,
    report::{Report, Times, Used, float},
    tally::{Tally, unix_ms},
    template::{INTERVAL_MS, volumes},
};

const WARM_UP: Duration = Duration::from_secs(1);
/// Where the writers' clocks begin before now: rows of the future may be refused.
const DAY_MS: i64 = 86_400_000;

/// Writes until the time is over.
pub(crate) async fn run(rows: &Rows) -> anyhow::Result<()> {
    let tally = Arc::new(Tally::new()?);
    let client = reqwest::Client::builder().build()?;
    let mut tasks = JoinSet::new();
    for n in 0..rows.connections {
        let (client, tally, rows) = (client.clone(), Arc::clone(&tally), rows.clone());
        tasks.spawn(async move {
            tokio::select! {
                done = write(&client, &rows, &tally, n) => done,
                () = tally.over.cancelled() => Ok(()),
            }
        });
    }
    sleep(WARM_UP).await;
    let usage = || rows.server_pid.map(|pid| Process::Other(pid).usage()).transpose();
    let (server, bench) = (usage()?, Process::This.usage()?);
    let (begun, before) = (Instant::now(), tally.acknowledged.load(Relaxed));
    tally.measure(true);
    sleep(rows.duration).await;
    let (time, written) = (begun.elapsed(), tally.acknowledged.load(Relaxed) - before);
    let (server, bench) = (server.zip(usage()?), (bench, Process::This.usage()?));
    tally.over.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let seconds = time.as_secs_f64();
    let report = Report {
        what: format!("{} writers, {} rows a request, {}", rows.connections, rows.batch, rows.to),
        seconds,
        samples_per_second: float(written) / seconds,
        messages_per_second: float(written) / f64::from(rows.batch) / seconds,
        request: Times::of(&tally.pubacks.all()?),
        server: server.map(|(before, after)| Used::between(&before, &after, time, written)),
        bench: Some(Used::between(&bench.0, &bench.1, time, written)),
        ..Report::default()
    };
    report.write(rows.json.as_deref())
}

async fn write(client: &reqwest::Client, rows: &Rows, tally: &Tally, n: u32) -> anyhow::Result<()> {
    let service = format!("bench-{n}");
    let (mut seq, begin_ms) = (1_u64, unix_ms() - DAY_MS);
    let batch = u64::from(rows.batch);
    loop {
        let mut body = String::new();
        for seq in seq..seq + batch {
            line(&mut body, &service, seq, begin_ms);
        }
        let sent = Instant::now();
        let answer = client.post(&rows.to).body(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "{} answers {status}: {text}", rows.to);
        tally.acknowledge(usize::try_from(n)?, (1, batch), sent.elapsed());
        seq += batch;
    }
}

/// A sample with the values that [`crate::template`] gives it.
fn line(out: &mut String, service: &str, seq: u64, begin_ms: i64) {
    use std::fmt::Write as _;
    let (up, down) = volumes(seq);
    let at = begin_ms.saturating_add_unsigned(seq);
    let written = writeln!(
        out,
        "traffic,service={service} up={up},down={down},dt={INTERVAL_MS},cap=125000000,cpu=12.5,mem=41.5 {at}"
    );
    debug_assert!(written.is_ok(), "writing to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_what_a_sample_says() {
        let mut out = String::new();
        line(&mut out, "a", 1, 1000);
        assert_eq!(
            out,
            "traffic,service=a up=2009,down=150003,dt=1000,cap=125000000,cpu=12.5,mem=41.5 1001\n"
        );
    }
}
