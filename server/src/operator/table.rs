//! JSON objects as a table for people.

use serde_json::Value;

/// The columns: heading, and field of each object.
#[derive(Debug)]
pub(super) struct Table(pub(super) &'static [(&'static str, &'static str)]);

impl Table {
    /// One line an object, below the headings.
    pub(super) fn of(&self, items: &[Value]) -> String {
        let head = self.0.iter().map(|(heading, _)| (*heading).to_owned()).collect();
        let cells = |item: &Value| self.0.iter().map(|(_, key)| cell(item.get(key))).collect();
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(items.iter().map(cells)).collect();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.0.len()).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}  "));
            format!("{}\n", cells.collect::<String>().trim_end())
        };
        rows.iter().map(line).collect()
    }
}

/// Control characters would reach the terminal: names are anybody's.
fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) if text.is_empty() => "-".to_owned(),
        Some(Value::String(text)) => {
            text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
        }
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_names_cannot_steer_the_terminal() {
        let table = Table(&[("ID", "id"), ("NAME", "name"), ("STATE", "state")]);
        let items = [
            json!({"id": "a", "name": "Überall", "state": null}),
            json!({"id": "edge-1", "name": "\u{1b}[2J", "state": "live"}),
        ];
        assert_eq!(
            table.of(&items),
            "ID      NAME     STATE\na       Überall  -\nedge-1  ?[2J     live\n"
        );
    }
}
