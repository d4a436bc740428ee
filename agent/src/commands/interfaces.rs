//! `komandorr-agent interfaces`: what is there, and what is counted.

use std::io::{self, Write};

use anyhow::Context;

use crate::{
    select::{self, Chosen, Selection},
    source::{Link, Reading, Source},
};

/// Writes the table of this machine's interfaces to `out`.
pub fn interfaces(
    selection: &Selection,
    capacity: Option<u64>,
    source: &mut dyn Source,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let links = source.links().context("cannot read this machine's network interfaces")?;
    let readings = source.read().context("cannot read the interfaces' counters")?;
    let chosen = selection.choose(&links);
    let text = table(&links, &readings, &chosen);
    out.write_all(text.as_bytes())?;
    match select::capacity(capacity, &links, &chosen) {
        Some(capacity) => writeln!(out, "\nCapacity: {} per direction", rate(capacity))?,
        None => writeln!(
            out,
            "\nCapacity: unknown, so no percentage is shown; --max-bandwidth sets it"
        )?,
    }
    if let Some(warning) = &chosen.warning {
        writeln!(out, "Warning: {warning}")?;
    }
    out.flush().or_else(|e| if e.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(e) })?;
    Ok(())
}

/// The table as text: one line an interface.
pub fn table(links: &[Link], readings: &[Reading], chosen: &Chosen) -> String {
    let head = ["NAME", "ROLE", "SPEED", "SENT", "RECEIVED", "COUNTED", "WHY"];
    let mut rows = vec![head.map(str::to_owned)];
    for (link, choice) in links.iter().zip(&chosen.choices) {
        let reading = readings.iter().find(|reading| reading.name == link.name);
        let detail = if link.detail.is_empty() {
            choice.why.clone()
        } else {
            format!("{} ({})", choice.why, link.detail)
        };
        rows.push([
            link.name.to_string(),
            link.role.to_string(),
            link.speed.map_or_else(|| "-".to_owned(), rate),
            reading.map_or_else(|| "-".to_owned(), |reading| volume(reading.up)),
            reading.map_or_else(|| "-".to_owned(), |reading| volume(reading.down)),
            if choice.counted { "yes" } else { "no" }.to_owned(),
            detail,
        ]);
    }
    let widths: Vec<usize> = (0..head.len())
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|c| c.chars().count()).max())
        .map(|width| width.unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
        text.push_str(cells.collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

/// A link's speed as network people write it.
fn rate(bytes_per_second: u64) -> String {
    let bits = u128::from(bytes_per_second) * 8;
    match bits {
        1_000_000_000.. => format!("{} Gbit/s", tenths(bits, 1_000_000_000)),
        1_000_000.. => format!("{} Mbit/s", tenths(bits, 1_000_000)),
        _ => format!("{} kbit/s", tenths(bits, 1000)),
    }
}

/// A volume, decimal as everywhere.
fn volume(bytes: u64) -> String {
    let bytes = u128::from(bytes);
    match bytes {
        1_000_000_000_000.. => format!("{} TB", tenths(bytes, 1_000_000_000_000)),
        1_000_000_000.. => format!("{} GB", tenths(bytes, 1_000_000_000)),
        1_000_000.. => format!("{} MB", tenths(bytes, 1_000_000)),
        1000.. => format!("{} KB", tenths(bytes, 1000)),
        _ => format!("{bytes} B"),
    }
}

/// `value / unit` with one decimal, which is left out when it is zero.
fn tenths(value: u128, unit: u128) -> String {
    let tenths = value * 10 / unit;
    if tenths.is_multiple_of(10) {
        (tenths / 10).to_string()
    } else {
        format!("{}.{}", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_and_volumes_read_well() {
        assert_eq!(rate(125_000_000), "1 Gbit/s");
        assert_eq!(rate(312_500_000), "2.5 Gbit/s");
        assert_eq!(rate(12_500_000), "100 Mbit/s");
        assert_eq!(volume(999), "999 B");
        assert_eq!(volume(1_250_000_000), "1.2 GB");
        assert_eq!(volume(u64::MAX), "18446744 TB");
    }
}
