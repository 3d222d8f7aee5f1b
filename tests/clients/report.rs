//! What came of trials, as a table.

use std::fmt;

use crate::trial::Trial;

/// Prints trials.
#[derive(Debug)]
pub(crate) struct Report<'a>(pub(crate) &'a [Trial]);

const HEADINGS: [&str; 8] =
    ["client", "version", "model's wire", "MCP", "text arrived", "image arrived", "bytes sent", "bytes got"];

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![HEADINGS.map(str::to_owned)];
        rows.extend(self.0.iter().map(row));
        let widths: Vec<_> = (0..HEADINGS.len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default())
            .collect();
        for (index, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(&widths) {
                write!(formatter, "| {cell:width$} ")?;
            }
            writeln!(formatter, "|")?;
            if index == 0 {
                for width in &widths {
                    write!(formatter, "| {} ", "-".repeat(*width))?;
                }
                writeln!(formatter, "|")?;
            }
        }
        for trial in self.0 {
            if !trial.hosts.is_empty() {
                writeln!(formatter, "{} also asked for {}: refused", trial.client.name, trial.hosts.join(", "))?;
            }
            if !trial.complaint.is_empty() {
                writeln!(formatter, "{}: {}", trial.client.name, trial.complaint)?;
            }
        }
        Ok(())
    }
}

fn row(trial: &Trial) -> [String; 8] {
    let arrived = |arrival: &Result<(), String>| match arrival {
        Ok(()) => "yes".to_owned(),
        Err(reason) => format!("no: {reason}"),
    };
    [
        trial.client.name.to_owned(),
        trial.client.version.to_owned(),
        trial.client.wire.name().to_owned(),
        trial.protocol.clone().unwrap_or_else(|| "not seen".to_owned()),
        arrived(&trial.text),
        arrived(&trial.image),
        trial.bytes.map_or_else(String::new, |(sent, _)| sent.to_string()),
        trial.bytes.map_or_else(String::new, |(_, got)| got.to_string()),
    ]
}
