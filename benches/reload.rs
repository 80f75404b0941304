//! Time from the write of a file to the new trust in force: `cargo bench --bench reload`. Prints figures, asserts no time.
//!
//! The real program, watched from outside by the generation that its admin address tells.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Beyond this, something is broken.
const PATIENCE: Duration = Duration::from_secs(20);

struct Edge(Child);

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn generation(admin: &str) -> u64 {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("mtls_edge_trust_generation ")).unwrap();
    line.parse().unwrap()
}

fn applications(count: usize, round: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let _ = writeln!(
            text,
            "[[application]]\nclient_id = \"a{number}\"\n[[application.credential]]\nname = \"c\"\nthumbprint = \"{round:032x}{number:032x}\""
        );
    }
    text
}

fn main() {
    let rounds = if std::env::args().any(|argument| argument == "--test") { 1 } else { 20 };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("edge");
    let program = env!("CARGO_BIN_EXE_mtls-edge");
    assert!(Command::new(program).arg("init").arg(&dir).stdout(Stdio::null()).status().unwrap().success());
    let config = dir.join("edge.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text
        .replace("0.0.0.0:8443", "127.0.0.1:0")
        .replace("127.0.0.1:9443", "127.0.0.1:0")
        .replace("\n[log]\n", "\n[log]\nformat = \"json\"\n");
    fs::write(&config, text).unwrap();
    for count in [10, 10_000] {
        fs::write(dir.join("applications.toml"), applications(count, 0)).unwrap();
        let mut edge = Edge(
            Command::new(program)
                .args(["run", "--config"])
                .arg(&config)
                .env_remove("RUST_LOG")
                .stderr(Stdio::piped())
                .spawn()
                .unwrap(),
        );
        let mut lines = BufReader::new(edge.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listening for the operator")).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let admin = line["address"].as_str().unwrap().to_owned();
        let drain = std::thread::spawn(move || lines.for_each(drop));
        let mut times = Vec::new();
        for round in 1..=rounds {
            let (before, text) = (generation(&admin), applications(count, round));
            let start = Instant::now();
            fs::write(dir.join("applications.toml"), text).unwrap();
            while generation(&admin) == before {
                assert!(start.elapsed() < PATIENCE, "the change is not taken up");
                std::thread::yield_now();
            }
            times.push(start.elapsed());
        }
        times.sort_unstable();
        println!(
            "reload of {count:>6} applications, write to in force: median {:>4} ms, longest {:>4} ms, of {rounds}",
            times[times.len() / 2].as_millis(),
            times[times.len() - 1].as_millis()
        );
        drop(edge);
        drain.join().unwrap();
    }
}
