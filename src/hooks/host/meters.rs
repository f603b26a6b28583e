//! `metrics`: a policy's own counters, gauges and histograms.

use super::Host;
use super::arguments::{text, wrong};
use crate::hooks::services::{Meter, Wanted};
use mlua::{Lua, Table, UserData, UserDataMethods, Value};

/// Upper ends of a histogram's buckets when the script names none: times in seconds.
const BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 60.0];
/// How many labels and buckets a series may have.
const MOST: usize = 32;

impl UserData for Meter {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method("inc", |_, this, by: Option<f64>| {
            let by = by.unwrap_or(1.0);
            match this {
                Meter::Counter(counter) if by >= 0.0 => drop(counter.inc_by(by)),
                Meter::Counter(_) => {
                    return Err(mlua::Error::runtime("a counter does not count down; use a gauge"));
                }
                Meter::Gauge(gauge) => drop(gauge.inc_by(by)),
                Meter::Histogram(_) => return Err(mlua::Error::runtime("a histogram has observe(value)")),
            }
            Ok(())
        });
        methods.add_method("set", |_, this, value: f64| match this {
            Meter::Gauge(gauge) => {
                gauge.set(value);
                Ok(())
            }
            _ => Err(mlua::Error::runtime("only a gauge can be set")),
        });
        methods.add_method("observe", |_, this, value: f64| match this {
            Meter::Histogram(histogram) => {
                histogram.observe(value);
                Ok(())
            }
            _ => Err(mlua::Error::runtime("only a histogram has observe")),
        });
    }
}

pub(super) fn module(lua: &Lua, host: &Host) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    for kind in ["counter", "gauge", "histogram"] {
        let held = host.clone();
        let make = lua.create_function(move |_, (name, options): (Value, Value)| {
            let called = format!("metrics.{kind}");
            let name = text(&name, &called, 1, "name")?;
            let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
            if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                return Err(mlua::Error::runtime(format!(
                    "{called}: `{}` is no name of a metric: letters, digits and _, a letter first",
                    &*name
                )));
            }
            let options = match &options {
                Value::Nil => None,
                Value::Table(table) => Some(table.clone()),
                other => return Err(wrong(other, &called, 2, "labels", "a table of labels")),
            };
            let wanted = match kind {
                "counter" => Wanted::Counter,
                "gauge" => Wanted::Gauge,
                _ => Wanted::Histogram(buckets(options.as_ref())?),
            };
            let mut labels = vec![("policy".to_owned(), held.policy.to_string())];
            for pair in options.iter().flat_map(mlua::Table::pairs::<String, Value>) {
                let (label, value) = pair?;
                if label == "buckets" {
                    continue;
                }
                if labels.len() >= MOST {
                    return Err(mlua::Error::runtime(format!("{called}: more than {MOST} labels")));
                }
                labels.push((label, value.to_string()?));
            }
            labels.sort();
            let series = held.services.meters().series(&name, labels, wanted);
            series.map_err(|why| mlua::Error::runtime(format!("{called}: {why}")))
        })?;
        module.raw_set(kind, make)?;
    }
    module.set_readonly(true);
    Ok(module)
}

fn buckets(options: Option<&Table>) -> mlua::Result<Vec<f64>> {
    let given: Option<Vec<f64>> = match options {
        Some(options) => options.raw_get("buckets")?,
        None => None,
    };
    let mut buckets = given.unwrap_or_else(|| BUCKETS.to_vec());
    buckets.truncate(MOST);
    buckets.retain(|bucket| bucket.is_finite());
    buckets.sort_by(f64::total_cmp);
    Ok(buckets)
}
