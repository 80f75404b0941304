//! JSON lines of a start that has failed: the log may not be set up yet, and its filter and its file do not apply.

use serde_json::{Map, Value};

use super::{
    access, escape,
    log::{LogFormat, write_text},
};

/// Writes a line to standard error with the members of log lines in JSON. Members that are null are left out.
pub fn write_json(level: tracing::Level, message: &str, mut members: Map<String, Value>) {
    let mut timestamp = Vec::new();
    access::now(&mut timestamp);
    members.retain(|_, value| !value.is_null());
    members.insert("target".to_owned(), "mtls_edge::start".into());
    let members = Value::from(members).to_string();
    let line = format!(
        "{{\"timestamp\":\"{}\",\"level\":\"{level}\",\"message\":{},{}\n",
        String::from_utf8_lossy(&timestamp),
        Value::from(message),
        members.trim_start_matches('{'),
    );
    write_text(&String::from_utf8_lossy(&escape::line(line.as_bytes(), LogFormat::Json, false)));
}
