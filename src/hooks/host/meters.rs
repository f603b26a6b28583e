//! `metrics`: a policy's own counters, gauges and histograms.

use super::Host;
use super::arguments::{as_number, number, number_or, text, wrong, wrong_field};
use crate::hooks::services::{Meter, Wanted};
use mlua::{Lua, Table, UserData, UserDataMethods, Value};

/// Upper ends of a histogram's buckets when the script names none: times in seconds.
pub(crate) const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];
/// How many labels a series may have, and how many buckets.
const MOST: usize = 32;
/// How long the name of a metric or a label may be, and a label's value.
const LONGEST: usize = 128;
/// What Prometheus puts behind the names of metrics of some kinds: two metrics would get one name.
const ENDINGS: [&str; 6] = ["_total", "_sum", "_count", "_bucket", "_created", "_info"];
/// Labels that exist already.
const TAKEN: [&str; 3] = ["policy", "le", "quantile"];

impl UserData for Meter {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("inc", |_, this, by: Value| {
            let by = number_or(&by, 1.0, "inc", 1, "by")?;
            match this {
                Meter::Counter(counter) if by >= 0.0 => drop(counter.inc_by(by)),
                Meter::Counter(_) => {
                    return Err(mlua::Error::runtime(
                        "inc: a counter does not count down; use a gauge",
                    ));
                }
                Meter::Gauge(gauge) => drop(gauge.inc_by(by)),
                Meter::Histogram(_) => {
                    return Err(mlua::Error::runtime("inc: a histogram has observe(value)"));
                }
            }
            Ok(())
        });
        methods.add_method("set", |_, this, value: Value| match this {
            Meter::Gauge(gauge) => {
                gauge.set(number(&value, "set", 1, "value")?);
                Ok(())
            }
            _ => Err(mlua::Error::runtime("set: only a gauge can be set")),
        });
        methods.add_method("observe", |_, this, value: Value| match this {
            Meter::Histogram(histogram) => {
                histogram.observe(number(&value, "observe", 1, "value")?);
                Ok(())
            }
            _ => Err(mlua::Error::runtime("observe: only a histogram observes")),
        });
    }
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    for kind in ["counter", "gauge", "histogram"] {
        let held = host.clone();
        let make = lua.create_function(move |_, (name, labels): (Value, Value)| {
            let called = format!("metrics.{kind}");
            let name = text(&name, &called, 1, "name")?;
            check_metric(&name).map_err(|why| mlua::Error::runtime(format!("{called}: {why}")))?;
            let labels = match &labels {
                Value::Nil => None,
                Value::Table(table) => Some(table),
                other => return Err(wrong(other, &called, 2, "labels", "a table of labels")),
            };
            let wanted = match kind {
                "counter" => Wanted::Counter,
                "gauge" => Wanted::Gauge,
                _ => Wanted::Histogram(buckets(labels, &called)?),
            };
            let labels = read_labels(labels, kind == "histogram", &called)?;
            let series = held
                .services
                .meters()
                .series(&held.policy, &name, labels, &wanted);
            series.map_err(|why| mlua::Error::runtime(format!("{called}: {why}")))
        })?;
        module.raw_set(kind, make)?;
    }
    module.set_readonly(true);
    Ok(module)
}

/// Whether a metric of a policy may have this name.
///
/// # Errors
/// Why not.
pub(crate) fn check_metric(name: &str) -> Result<(), String> {
    check_name(name, "a metric")?;
    match ENDINGS.iter().find(|ending| name.ends_with(**ending)) {
        None => Ok(()),
        Some(ending) => Err(format!(
            "`{name}` ends in `{ending}`, which Prometheus adds by itself; leave it out"
        )),
    }
}

/// Whether a series may have this label besides `before` others.
///
/// # Errors
/// Why not.
pub(crate) fn check_label(name: &str, value: &str, before: usize) -> Result<(), String> {
    check_name(name, "a label")?;
    if TAKEN.contains(&name) {
        return Err(format!("the label `{name}` is taken; give it another name"));
    }
    if value.len() > LONGEST {
        return Err(format!(
            "the label `{name}` has a value of {} bytes, {LONGEST} are allowed",
            value.len()
        ));
    }
    if before == MOST {
        return Err(format!("there are more than {MOST} labels"));
    }
    Ok(())
}

fn check_name(name: &str, of: &str) -> Result<(), String> {
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let rest = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if first && rest && name.len() <= LONGEST {
        return Ok(());
    }
    let name: String = name.chars().take(LONGEST).collect();
    Err(format!(
        "`{name}` is no name of {of}: letters, digits and _, a letter first, {LONGEST} of them at most"
    ))
}

fn read_labels(
    labels: Option<&Table>,
    has_buckets: bool,
    called: &str,
) -> mlua::Result<Vec<(String, String)>> {
    let mut read = Vec::new();
    for pair in labels.into_iter().flat_map(mlua::Table::pairs::<Value, Value>) {
        let (name, value) = pair?;
        let name = name.to_string()?;
        if has_buckets && name == "buckets" {
            continue;
        }
        let said = |why| mlua::Error::runtime(format!("{called}: {why}"));
        check_label(&name, "", 0).map_err(said)?;
        let plain = matches!(
            value,
            Value::String(_) | Value::Number(_) | Value::Integer(_) | Value::Boolean(_)
        );
        if !plain {
            return Err(wrong_field(
                &value,
                called,
                &name,
                "a string, a number or a boolean",
            ));
        }
        let value = value.to_string()?;
        check_label(&name, &value, read.len()).map_err(said)?;
        read.push((name, value));
    }
    read.sort();
    Ok(read)
}

fn buckets(labels: Option<&Table>, called: &str) -> mlua::Result<Vec<f64>> {
    let given: Value = labels.map_or(Ok(Value::Nil), |labels| labels.raw_get("buckets"))?;
    let list = match &given {
        Value::Nil => return Ok(BUCKETS.to_vec()),
        Value::Table(list) if (1..=MOST).contains(&list.raw_len()) => list,
        other => {
            let wanted = format!("a list of 1 to {MOST} numbers");
            return Err(wrong_field(other, called, "buckets", &wanted));
        }
    };
    let mut ends = Vec::new();
    for end in list.sequence_values::<Value>() {
        let end = end?;
        let end = as_number(&end)
            .ok_or_else(|| wrong_field(&end, called, "buckets", "a list of finite numbers"))?;
        ends.push(end);
    }
    if !ends.is_sorted_by(|a, b| a < b) {
        return Err(mlua::Error::runtime(format!(
            "{called}: `buckets` must rise from each to the next"
        )));
    }
    Ok(ends)
}
