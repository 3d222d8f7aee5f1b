//! Arguments of a tool, held against its schema: what a client may leave out or
//! write in another way is forgiven, and a refusal names the field, what it
//! wants, what it got and what to do next.
//!
//! - [`names`]: names that are not ours, and what they stand for.
//! - [`refusal`]: the words of a refusal.
//! - [`input`]: files as callers give them.

mod input;
mod names;
mod refusal;

use rmcp::model::JsonObject;
use sandbox::Error;
use serde::de::DeserializeOwned;
use serde_json::{Number, Value};

pub(crate) use self::input::{content, decode_base64};
pub(crate) use self::names::unknown;
use self::refusal::{hint, next_step, short, shown, wanted};

/// Decodes the arguments of a tool with this schema.
///
/// # Errors
///
/// [`Error::InvalidRequest`] for the first argument that does not fit.
pub(crate) fn decode<T: DeserializeOwned>(schema: &JsonObject, arguments: JsonObject) -> Result<T, Error> {
    let fitted = fit_object("", arguments, schema)?;
    // Whatever the schema cannot say, such as the range of an integer type.
    serde_json::from_value(Value::Object(fitted))
        .map_err(|error| Error::invalid("arguments", format!("do not fit the schema: {error}")))
}

fn prefix(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}.") }
}

fn fit_object(path: &str, mut object: JsonObject, schema: &JsonObject) -> Result<JsonObject, Error> {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        // A map: any name, one kind of value.
        let Some(values) = schema.get("additionalProperties").and_then(Value::as_object) else { return Ok(object) };
        let fit = |(name, value): (String, Value)| {
            let path = format!("{}{}", prefix(path), short(&name));
            fit_value(&path, value, values).map(|fitted| Some((name, fitted?))).transpose()
        };
        return object.into_iter().filter_map(fit).collect();
    };
    let known: Vec<_> = properties.keys().map(String::as_str).collect();
    if let Some(name) = object.keys().find(|name| !properties.contains_key(*name)) {
        return Err(unknown(path, name, &known));
    }
    let required = schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut fitted = JsonObject::new();
    for (name, schema) in properties {
        let Some(schema) = schema.as_object() else { continue };
        let path = format!("{}{name}", prefix(path));
        let value = object.remove(name).map(|value| fit_value(&path, value, schema)).transpose()?.flatten();
        match value {
            Some(value) => drop(fitted.insert(name.clone(), value)),
            None if required.iter().any(|required| required == name) => {
                let hint = hint(&path).map(|hint| format!("; {hint}")).unwrap_or_default();
                return Err(Error::invalid(path, format!("is missing; it must be {}{hint}", wanted(schema))));
            }
            None => {}
        }
    }
    Ok(fitted)
}

/// The value as the schema wants it; `None` when it stands for an absent one.
fn fit_value(path: &str, value: Value, schema: &JsonObject) -> Result<Option<Value>, Error> {
    let refuse = |value: &Value| {
        let own = hint(path).filter(|_| !schema.contains_key("enum")).map(str::to_owned);
        let next = own.or_else(|| next_step(value, schema)).map(|next| format!("; {next}")).unwrap_or_default();
        Err(Error::invalid(path, format!("must be {}, got {}{next}", wanted(schema), shown(value))))
    };
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    Ok(Some(match (kind, value) {
        (_, Value::Null) => return Ok(None),
        ("object", Value::Object(object)) => Value::Object(fit_object(path, object, schema)?),
        ("array", Value::Array(values)) => {
            let Some(items) = schema.get("items").and_then(Value::as_object) else {
                return Ok(Some(Value::Array(values)));
            };
            let fit = |(index, value): (usize, Value)| {
                let path = format!("{path}[{index}]");
                // In a list, nothing is no entry that could be left out.
                fit_value(&path, value, items)?.map_or_else(|| refuse_null(&path, items), Ok)
            };
            Value::Array(values.into_iter().enumerate().map(fit).collect::<Result<_, _>>()?)
        }
        ("integer", Value::Number(number)) => match whole(&number) {
            Some(number) => Value::Number(number),
            None => return refuse(&Value::Number(number)),
        },
        ("string", Value::String(text)) => {
            let choices = schema.get("enum").and_then(Value::as_array);
            if choices.is_some_and(|choices| !choices.iter().any(|choice| *choice == text)) {
                return refuse(&Value::String(text));
            }
            Value::String(text)
        }
        ("boolean", value @ Value::Bool(_)) | ("", value) => value,
        (_, value) => return refuse(&value),
    }))
}

fn refuse_null(path: &str, schema: &JsonObject) -> Result<Value, Error> {
    Err(Error::invalid(path, format!("must be {}, got null; leave it out", wanted(schema))))
}

/// A whole number of at least 0, also where it is written as `5000.0`.
fn whole(number: &Number) -> Option<Number> {
    if number.is_u64() {
        return Some(number.clone());
    }
    // The largest double below 2^64.
    const LARGEST: f64 = 18_446_744_073_709_549_568.0;
    let value = number.as_f64()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
    ((0.0..=LARGEST).contains(&value) && value.fract() == 0.0).then(|| (value as u64).into())
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "decoded to see whether it can be")]
    struct Sample {
        code: String,
        session: Option<String>,
        offset: Option<u64>,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: std::collections::BTreeMap<String, String>,
        #[serde(default)]
        files: Vec<Inner>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "decoded to see whether it can be")]
    struct Inner {
        path: String,
        text: Option<String>,
    }

    fn sample(arguments: Value) -> Result<Sample, String> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        decode(&super::super::schema::<Sample>(), arguments).map_err(|error| error.to_string())
    }

    #[test]
    fn what_stands_for_nothing_is_absent_and_a_whole_number_is_one() {
        let given = json!({"code": "1", "session": null, "args": null, "offset": 5000.0, "env": {"A": null},
            "files": [{"path": "a", "text": null}]});
        let sample = sample(given).unwrap();
        assert_eq!((sample.session, sample.offset, sample.env.len()), (None, Some(5000), 0));
        assert!(sample.files[0].text.is_none());
    }

    #[test]
    fn a_refusal_names_the_field_what_it_wants_and_got_and_what_to_do() {
        for (arguments, expected) in [
            (json!({}), "code is missing; it must be a string"),
            (json!({"code": null}), "code is missing; it must be a string"),
            (json!({"code": 5}), "code must be a string, got the number 5; write \"5\""),
            (json!({"code": ["a"]}), "code must be a string, got an array of 1; join its lines"),
            (
                json!({"code": "", "offset": "50"}),
                "offset must be a whole number of at least 0, got the string \"50\"; write 50 without quotes",
            ),
            (
                json!({"code": "", "offset": 1.5}),
                "offset must be a whole number of at least 0, got the number 1.5; round",
            ),
            (json!({"code": "", "offset": -3}), "offset must be a whole number of at least 0, got the number -3"),
            (
                json!({"code": "", "args": "-v"}),
                "args must be an array of strings, got the string \"-v\"; write [\"-v\"]",
            ),
            (json!({"code": "", "args": [null]}), "args[0] must be a string, got null; leave it out"),
            (json!({"code": "", "args": [true]}), "args[0] must be a string, got true; write \"true\""),
            (json!({"code": "", "env": ["A=1"]}), "env must be an object, got an array of 1; write {\"NAME\": \"…\"}"),
            (json!({"code": "", "env": {"PORT": 80}}), "env.PORT must be a string, got the number 80; write \"80\""),
            (
                json!({"code": "", "files": {"a": "b"}}),
                "files must be an array of objects, got an object of 1; write [{\"path\": \"in.csv\", \"text\": \"…\"}]",
            ),
            (json!({"code": "", "args": "[\"a\"]"}), "send the JSON itself, not a string"),
            (
                json!({"code": "", "session": 5}),
                "session must be a string, got the number 5; give \"new\" or the handle",
            ),
            (json!({"code": "", "offset": "5s"}), "write the number alone, in the unit"),
            (json!({"code": "", "offset": 1e300}), "write a smaller one"),
            (json!({"code": "", "files": ["a.txt"]}), "files[0] must be an object, got the string \"a.txt\""),
            (json!({"code": "", "files": [{}]}), "files[0].path is missing; it must be a string"),
            (json!({"code": "", "files": [{"name": "a"}]}), "files[0].name is no field here; use `path`"),
            (json!({"script": "1"}), "script is no argument here; use `code`; there are"),
            (json!({"code": "", "sesion": "x"}), "sesion is no argument here; use `session`"),
            (json!({"code": "", "zzz": 1}), "zzz is no argument here; there are args, code,"),
            (json!({"code": "", "cwd": "/x"}), "cwd is no argument here; every run starts in /workspace"),
        ] {
            let error = sample(arguments.clone()).unwrap_err();
            assert!(error.contains(expected), "{arguments}: {error}");
        }
    }
}
