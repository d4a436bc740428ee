//! Tables as CSV files for a spreadsheet: numbers plain, unknown ones empty.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};

use crate::error::Failure;

/// A cell of a table, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell(String);

impl From<&str> for Cell {
    /// A text that begins like a formula is kept from being run as one.
    fn from(text: &str) -> Self {
        let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
        Self(if formula { format!("'{text}") } else { text.to_owned() })
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<i8> for Cell {
    fn from(number: i8) -> Self {
        Self(number.to_string())
    }
}

impl From<u32> for Cell {
    fn from(number: u32) -> Self {
        Self(number.to_string())
    }
}

impl From<u64> for Cell {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl From<Option<u64>> for Cell {
    fn from(number: Option<u64>) -> Self {
        Self(number.map(|number| number.to_string()).unwrap_or_default())
    }
}

impl From<Option<f64>> for Cell {
    /// With two decimals.
    fn from(number: Option<f64>) -> Self {
        let known = number.filter(|number| number.is_finite());
        Self(known.map(|number| format!("{number:.2}")).unwrap_or_default())
    }
}

/// A file of that name with a head and rows.
pub(crate) fn file<const N: usize>(
    name: &str,
    head: [&str; N],
    rows: impl Iterator<Item = [Cell; N]>,
) -> Result<Response, Failure> {
    let text = write(head, rows).map_err(|error| {
        tracing::error!(%error, "a table did not become CSV");
        Failure::internal()
    })?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, text).into_response())
}

fn write<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [Cell; N]>,
) -> csv::Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(head)?;
    for row in rows {
        writer.write_record(row.iter().map(|cell| cell.0.as_str()))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_quoted_where_they_must_be_and_never_formulas() {
        let rows = [
            [Cell::from("Paris, \"old\""), Cell::from(Some(1.005)), Cell::from(None::<u64>)],
            [Cell::from("=1+1"), Cell::from(Some(f64::NAN)), Cell::from(7u64)],
        ];
        let text = write(["name", "share", "bytes"], rows.into_iter()).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "name,share,bytes\n\"Paris, \"\"old\"\"\",1.00,\n'=1+1,,7\n");
    }
}
