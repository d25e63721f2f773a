//! `usage`: prints how often keys were used and refused, from the counts that the endpoints write.
use std::collections::HashMap;

use serde_json::{Map, Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::{
    Failure, UsageArguments,
    output::{self, Output, brief},
    refused,
};
use crate::{
    domain::{
        moment::parse_past,
        text::{fitted, thousands, visible},
        usage::{UsageDimension, UsageGrouping, UsageRow},
    },
    keyring::{Keyring, KeyringError, StoreError},
};

pub(super) async fn run(
    keyring: &Keyring,
    arguments: &UsageArguments,
    output: &mut Output,
) -> Result<(), Failure> {
    if arguments.csv && output.json {
        return Err(refused("CSV or JSON, not both: leave --csv or --json out"));
    }
    let grouping: UsageGrouping = arguments.by.parse().map_err(Failure::Refused)?;
    let since = parse_past(&arguments.since, keyring.now(), false).map_err(refused)?;
    let key = match &arguments.key {
        Some(key) => Some(keyring.id_of(key).await?),
        None => None,
    };
    let scope = keyring.scope_of(arguments.agent.as_ref()).await?;
    let rows = keyring
        .usage_report(key.as_ref(), &scope, since, grouping)
        .await?;
    if output.json {
        let rows: Vec<Value> = rows.iter().map(|row| json_of(row, grouping)).collect();
        return output.json(&Value::Array(rows));
    }
    if arguments.csv {
        let mut writer = csv::Writer::from_writer(Vec::new());
        for line in
            std::iter::once(head(grouping)).chain(rows.iter().map(|row| cells(row, grouping)))
        {
            writer
                .write_record(&line)
                .map_err(|error| Failure::Failed(error.to_string()))?;
        }
        let bytes = writer
            .into_inner()
            .map_err(|error| Failure::Failed(error.to_string()))?;
        return output.bytes(&bytes);
    }
    if rows.is_empty() {
        let counted = keyring.counted_since().await?;
        output::print_notice(&match counted {
            None => "Nothing was counted yet: uses are counted once `claviger serve` or `claviger check` decides.".to_owned(),
            Some(since) => format!("No requests in this time; uses are counted since {}.", since.date()),
        });
        return Ok(());
    }
    let names = names(keyring, &rows, grouping).await?;
    table(&rows, grouping, &names, output)
}

/// Returns the names of the keys in a table for people, by their ids; those of revoked and damaged
/// keys are left out.
async fn names(
    keyring: &Keyring,
    rows: &[UsageRow],
    grouping: UsageGrouping,
) -> Result<HashMap<String, String>, Failure> {
    let mut names = HashMap::new();
    if !grouping.has(UsageDimension::Key) || !Output::is_terminal() {
        return Ok(names);
    }
    for row in rows {
        let Ok(id) = row.key.parse() else { continue };
        if names.contains_key(&row.key) {
            continue;
        }
        match keyring.key(&id).await {
            Ok(key) => {
                names.insert(row.key.clone(), brief(key.name()));
            }
            Err(KeyringError::Store(StoreError::Gone { .. } | StoreError::Corrupt { .. })) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(names)
}

fn head(grouping: UsageGrouping) -> Vec<String> {
    let words = grouping.dimensions().map(UsageDimension::word);
    words
        .chain(["allowed", "refused"])
        .map(str::to_owned)
        .collect()
}

fn cells(row: &UsageRow, grouping: UsageGrouping) -> Vec<String> {
    let texts = grouping.dimensions().map(|dimension| row.text(dimension));
    texts
        .chain([row.allowed.to_string(), row.refused.to_string()])
        .collect()
}

fn json_of(row: &UsageRow, grouping: UsageGrouping) -> Value {
    let mut fields = Map::new();
    for dimension in grouping.dimensions() {
        let text = row.text(dimension);
        let value = if text.is_empty() {
            Value::Null
        } else {
            json!(text)
        };
        fields.insert(dimension.word().to_owned(), value);
    }
    fields.insert("allowed".to_owned(), json!(row.allowed));
    fields.insert("refused".to_owned(), json!(row.refused));
    Value::Object(fields)
}

/// Prints the rows in columns; on a terminal with heads and a sum.
fn table(
    rows: &[UsageRow],
    grouping: UsageGrouping,
    names: &HashMap<String, String>,
    output: &mut Output,
) -> Result<(), Failure> {
    if !Output::is_terminal() {
        for row in rows {
            output.buffered(format!("{}\n", cells(row, grouping).join("\t")).as_bytes())?;
        }
        return output.flush();
    }
    let numbers = 2;
    let shown = |mut line: Vec<String>| {
        for cell in &mut line {
            *cell = if cell.is_empty() {
                "-".to_owned()
            } else {
                visible(cell)
            };
        }
        line
    };
    let text = |row: &UsageRow, dimension| match names.get(&row.key) {
        Some(name) if dimension == UsageDimension::Key => format!("{} {name}", row.key),
        _ => row.text(dimension),
    };
    let grouped = |row: &UsageRow| {
        let texts = grouping.dimensions().map(|dimension| text(row, dimension));
        let counts = [thousands(row.allowed), thousands(row.refused)];
        shown(texts.chain(counts).collect())
    };
    let (allowed, refused) = rows.iter().fold((0, 0), |(allowed, refused), row| {
        (allowed + row.allowed, refused + row.refused)
    });
    let mut sum = vec![String::new(); grouping.dimensions().count()];
    if let Some(first) = sum.first_mut() {
        "all".clone_into(first);
    }
    sum.extend([thousands(allowed), thousands(refused)]);
    let lines: Vec<Vec<String>> = std::iter::once(head(grouping))
        .chain(rows.iter().map(grouped))
        .chain([sum])
        .collect();
    let columns = lines[0].len();
    let width = |column: usize| lines.iter().map(|line| line[column].width()).max();
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    for line in &lines {
        let cells = line.iter().enumerate().map(|(at, cell)| {
            let wide = widths[at];
            if at >= columns - numbers {
                format!("{cell:>wide$}")
            } else {
                fitted(cell, wide)
            }
        });
        let text = cells.collect::<Vec<_>>().join("  ");
        output.buffered(format!("{}\n", text.trim_end()).as_bytes())?;
    }
    output.flush()
}
