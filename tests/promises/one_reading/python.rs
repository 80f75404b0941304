//! Compares the models of Python with Python itself.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use base64::{Engine, engine::general_purpose::STANDARD};

use super::{hostile, models};

/// Reads lines of base64, and prints the result of `parse_qs` for each as JSON.
const SCRIPT: &str = r"
import base64, json, sys, urllib.parse
for line in sys.stdin:
    text = base64.b64decode(line)
    # As Django: bytes are taken for characters, so that nothing is lost before they are decoded.
    pairs = urllib.parse.parse_qs(text.decode('latin-1'), keep_blank_values=True, encoding='latin-1', separator='&')
    read = lambda s: s.encode('latin-1').decode('utf-8', 'replace')
    print(json.dumps(sorted({read(v) for k, all in pairs.items() if read(k) == 'client_id' for v in all if v})))
";

#[test]
fn the_model_of_python_reads_what_python_reads() {
    let forms: Vec<Vec<u8>> = hostile(2_000).map(|request| request.body).collect();
    let mut python = Command::new("python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this test needs python3");
    let lines: String = forms.iter().map(|form| STANDARD.encode(form) + "\n").collect();
    let mut stdin = python.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let answers: Vec<Vec<String>> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(answers.len(), forms.len());
    for (form, answer) in forms.iter().zip(answers) {
        let model: Vec<String> = models::parse_qs(form, b"&").into_iter().collect();
        assert_eq!(model, answer, "{}", String::from_utf8_lossy(form));
    }
}
