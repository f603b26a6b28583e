//! Rows as JSON lines while they come, and one table in the end.

use serde::{Deserialize, Serialize};

/// One measured value.
#[derive(Clone, Serialize, Deserialize)]
pub struct Row {
    pub measure: String,
    pub unit: String,
    pub engine: String,
    pub value: f64,
}

/// Prints a row; the parent reads it from its child's output.
pub fn row(engine: &str, measure: impl Into<String>, unit: &str, value: f64) {
    let row = Row {
        measure: measure.into(),
        unit: unit.into(),
        engine: engine.into(),
        value,
    };
    println!("{}", serde_json::to_string(&row).unwrap_or_default());
}

/// A line a measure, a column an engine, the median where there is more than one value.
pub fn table(rows: &[Row]) -> String {
    let mut engines: Vec<&str> = Vec::new();
    let mut measures: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if !engines.contains(&row.engine.as_str()) {
            engines.push(&row.engine);
        }
        if !measures.contains(&(&row.measure, &row.unit)) {
            measures.push((&row.measure, &row.unit));
        }
    }
    let mut text = format!(
        "| | unit | {} |\n|---|---|{}\n",
        engines.join(" | "),
        "--:|".repeat(engines.len())
    );
    for (measure, unit) in measures {
        let cells = engines.iter().map(|&engine| {
            let of_this = rows
                .iter()
                .filter(|row| row.measure == measure && row.engine == engine);
            let mut values: Vec<f64> = of_this.map(|row| row.value).collect();
            values.sort_by(f64::total_cmp);
            values
                .get(values.len() / 2)
                .map_or("–".to_owned(), |&value| number(value))
        });
        let cells: Vec<String> = cells.collect();
        text += &format!("| {measure} | {unit} | {} |\n", cells.join(" | "));
    }
    text
}

fn number(value: f64) -> String {
    match value {
        v if v >= 1e6 => format!("{:.2}M", v / 1e6),
        v if v >= 1e4 => format!("{:.0}k", v / 1e3),
        v if v >= 1e3 => format!("{:.1}k", v / 1e3),
        v if v >= 10.0 || v == 0.0 => format!("{v:.0}"),
        v => format!("{v:.1}"),
    }
}
