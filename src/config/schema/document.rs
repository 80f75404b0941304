//! The JSON Schema (draft 7) of each file, for editors.

use serde_json::{Map, Value, json};
use toml::Table;

use super::{
    EDGE, REGISTRY,
    descriptions::Descriptions,
    key::{Form, Key, TableSchema},
};
use crate::vouch::Encoding;

/// The JSON Schema of `edge.toml`.
#[must_use]
pub fn edge_schema() -> Value {
    document("edge.toml of mtls-edge", EDGE)
}

/// The JSON Schema of `applications.toml`.
#[must_use]
pub fn applications_schema() -> Value {
    document("applications.toml of mtls-edge", REGISTRY)
}

fn document(title: &str, file: &'static TableSchema) -> Value {
    let mut schema = table(file, &Descriptions::new());
    schema.insert("$schema".to_owned(), "http://json-schema.org/draft-07/schema#".into());
    schema.insert("title".to_owned(), title.into());
    schema.into()
}

fn table(kind: &'static TableSchema, descriptions: &Descriptions) -> Map<String, Value> {
    let property = |key: &'static Key| {
        let mut schema = value(key, descriptions)?;
        if kind.is_of_edge() && matches!(key.form, Form::Example | Form::Choice(_)) {
            schema = or_variable(schema);
        }
        if let Some(description) =
            descriptions.of(kind, key).or_else(|| Some(key.table()?.heading.to_owned()))
        {
            schema.insert("description".to_owned(), description.into());
        }
        Some((key.name.to_owned(), schema.into()))
    };
    let properties: Map<String, Value> = kind.keys.iter().filter_map(property).collect();
    object([
        ("type", "object".into()),
        ("additionalProperties", false.into()),
        ("properties", properties.into()),
    ])
}

/// The values of a key. `None` if the edge does not support it.
fn value(key: &'static Key, descriptions: &Descriptions) -> Option<Map<String, Value>> {
    let of_table = |kind| Value::from(table(kind, descriptions));
    Some(match key.form {
        Form::Example => like(&example(key)?),
        Form::Choice(names) => object([("type", "string".into()), ("enum", names.into())]),
        Form::Choices(names) => object([
            ("type", "array".into()),
            ("minItems", 1.into()),
            ("uniqueItems", true.into()),
            ("items", json!({ "type": "string", "enum": names })),
        ]),
        Form::TextOrTexts => {
            let list = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
            object([("anyOf", json!([{ "type": "string" }, list]))])
        }
        Form::Table(kind) => table(kind, descriptions),
        Form::Tables(kind) => object([("type", "array".into()), ("items", of_table(kind))]),
        Form::TextsOrTables(kind) => {
            let items = json!({ "anyOf": [{ "type": "string" }, of_table(kind)] });
            object([("type", "array".into()), ("items", items)])
        }
        Form::TableByName(kind) => {
            object([("type", "object".into()), ("additionalProperties", of_table(kind))])
        }
        Form::TextByName => {
            object([("type", "object".into()), ("additionalProperties", json!({ "type": "string" }))])
        }
        Form::EncodingByName => {
            let encodings = json!({ "type": "string", "enum": Encoding::names().collect::<Vec<_>>() });
            object([("type", "object".into()), ("additionalProperties", encodings)])
        }
    })
}

/// Also a variable, where not each string is a value.
fn or_variable(schema: Map<String, Value>) -> Map<String, Value> {
    const VARIABLE: &str = r"^\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}$";
    let is_any = schema.get("enum").is_none()
        && !matches!(schema.get("type").and_then(Value::as_str), Some("integer" | "number" | "boolean"));
    if is_any {
        return schema;
    }
    object([("anyOf", json!([schema, { "type": "string", "pattern": VARIABLE }]))])
}

/// The example of a key as a value.
fn example(key: &Key) -> Option<toml::Value> {
    let text = format!("example = {}", key.example);
    text.parse::<Table>().ok()?.remove("example")
}

/// All values of the same type.
fn like(example: &toml::Value) -> Map<String, Value> {
    match example {
        toml::Value::Integer(_) => object([("type", "integer".into())]),
        toml::Value::Float(_) => object([("type", "number".into())]),
        toml::Value::Boolean(_) => object([("type", "boolean".into())]),
        toml::Value::Datetime(_) => object([("type", "string".into()), ("format", "date-time".into())]),
        toml::Value::Array(items) => {
            let items = items.first().map(like).unwrap_or_default();
            object([("type", "array".into()), ("items", items.into())])
        }
        toml::Value::String(_) => object([("type", "string".into())]),
        toml::Value::Table(_) => object([("type", "object".into())]),
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Map<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
