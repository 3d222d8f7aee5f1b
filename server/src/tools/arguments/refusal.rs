//! The words of a refusal: what a field wants, what it got, what to do next.

use rmcp::model::JsonObject;
use serde_json::Value;

use super::names::meaning;

/// How much of a value that does not fit a refusal repeats.
pub(super) const SHOWN_CHARS: usize = 40;

/// What goes into a field that has no free text.
pub(super) fn hint(path: &str) -> Option<&'static str> {
    Some(match path {
        "session" => "give \"new\" or the handle that stands in a result, which begins with s_",
        "run" => "give the handle that stands in a result, which begins with r_",
        "snapshot" => "give the handle of a snapshot, which `session` with action \"list\" names",
        "path" => "give the name of a file, such as data/in.csv",
        "files" => "write [{\"path\": \"in.csv\", \"text\": \"…\"}]",
        "limits" => "write {\"wall_time_ms\": 5000}",
        _ if path.starts_with("files[") && path.ends_with(']') => "write {\"path\": \"in.csv\", \"text\": \"…\"}",
        _ => return None,
    })
}

pub(super) fn wanted(schema: &JsonObject) -> String {
    if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
        let names: Vec<_> = choices.iter().filter_map(Value::as_str).collect();
        return format!("one of {}", names.join(", "));
    }
    let kind = |schema: &JsonObject| schema.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    match kind(schema).as_str() {
        "integer" => "a whole number of at least 0".to_owned(),
        "array" => {
            let items = schema.get("items").and_then(Value::as_object).map(kind).unwrap_or_default();
            format!("an array of {items}s")
        }
        "object" => "an object".to_owned(),
        other => format!("a {other}"),
    }
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => format!("the number {}", short(&number.to_string())),
        Value::String(text) => format!("the string {:?}", short(text)),
        Value::Array(values) => format!("an array of {}", values.len()),
        Value::Object(object) => format!("an object of {}", object.len()),
    }
}

pub(super) fn short(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN_CHARS).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// What to write instead, where that can be told.
pub(super) fn next_step(value: &Value, schema: &JsonObject) -> Option<String> {
    let example = || schema.get("items").map(example).unwrap_or_default();
    if schema.contains_key("enum") {
        let choices: Vec<_> = schema["enum"].as_array()?.iter().filter_map(Value::as_str).collect();
        return meaning(value.as_str()?, &choices);
    }
    Some(match (schema.get("type")?.as_str()?, value) {
        ("integer", Value::String(text)) if text.trim().parse::<f64>().is_ok() => {
            format!("write {} without quotes", short(text.trim()))
        }
        ("integer", Value::String(text)) if text.trim_start().starts_with(|char: char| char.is_ascii_digit()) => {
            "write the number alone, in the unit that the name of the field ends in".into()
        }
        ("integer", Value::Number(number)) if number.as_f64().is_some_and(|value| value >= 1e15) => {
            "write a smaller one".into()
        }
        ("integer", Value::Number(number)) if number.as_f64().is_some_and(|value| value > 0.0) => "round it".into(),
        ("string", Value::Number(_) | Value::Bool(_)) => format!("write \"{}\"", short(&value.to_string())),
        ("string", Value::Array(_)) => "join its lines with \"\\n\" into one string".into(),
        ("string", Value::Object(_)) => "write its JSON as a string".into(),
        ("array" | "object", Value::String(text)) if text.trim_start().starts_with(['[', '{']) => {
            "send the JSON itself, not a string that holds it".into()
        }
        ("array", Value::String(text)) => format!("write [{:?}]", short(text)),
        ("array", _) => format!("write [{}]", example()),
        ("object", _) if schema.contains_key("additionalProperties") => {
            format!("write {{\"NAME\": {}}}", self::example(&schema["additionalProperties"]))
        }
        _ => return None,
    })
}

/// A value that a schema would take, for an example.
fn example(schema: &Value) -> String {
    match schema["type"].as_str() {
        Some("integer") => "1000".into(),
        Some("object") => {
            let names = schema["properties"].as_object().into_iter().flat_map(|properties| properties.keys());
            let fields: Vec<_> = names.take(2).map(|name| format!("\"{name}\": \"…\"")).collect();
            format!("{{{}}}", fields.join(", "))
        }
        _ => "\"…\"".into(),
    }
}
