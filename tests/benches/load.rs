//! What the load test prints and writes.

use std::{
    io,
    path::Path,
    process::{Command, Stdio},
};

use clap::{Parser, ValueEnum};
use serde_json::Value;

use crate::{
    harness::{
        self,
        contender::{Contender, Job},
        edge::Edge,
        options::Options,
        rows::Row,
        sample::Sample,
        table::{Measured, Table},
    },
    scale,
};

fn options(folder: &Path, arguments: &[&str]) -> Options {
    let file = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let files = ["--json".to_owned(), file("figures.json"), "--svg".to_owned(), file("chart.svg")];
    let arguments = arguments.iter().map(|argument| (*argument).to_owned());
    let all = ["load", "--test"].map(str::to_owned).into_iter().chain(files).chain(arguments);
    Options::parse_from(all).sized()
}

fn run(title: &str, contenders: &[Box<dyn Contender>], options: &Options) -> Table {
    harness::run(title, contenders, &options.rows(), options).unwrap()
}

fn json(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("figures.json")).unwrap()).unwrap()
}

/// Every text of the chart, and the number of bars, read by another XML parser.
fn chart(folder: &Path) -> (Vec<String>, usize) {
    let script = "import sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
svg = '{http://www.w3.org/2000/svg}'
assert root.tag == svg + 'svg', root.tag
bars = [bar for bar in root.iter(svg + 'rect') if bar.get('x')]
assert all(0 < float(bar.get('width')) <= 480 and float(bar.get('y')) < float(root.get('height')) for bar in bars)
print(len(bars))
print('\\n'.join(text.text for text in root.iter(svg + 'text')))";
    let mut command = Command::new("python3");
    let output = command.args(["-c", script]).arg(folder.join("chart.svg")).output().expect("python3 runs");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = text.lines().map(str::to_owned);
    let bars = lines.next().unwrap().parse().unwrap();
    (lines.collect(), bars)
}

#[test]
fn every_row_is_in_the_table_json_and_chart() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), &[]);
    let table = run("all rows", &options.edges(), &options);
    let text = table.to_string();
    harness::write_files(&options, &[table]).unwrap();
    let json = json(folder.path());
    let (texts, bars) = chart(folder.path());

    let found = &json["tables"][0];
    assert_eq!(found["title"], "all rows");
    assert!(found["versions"]["mtls-edge"].as_str().unwrap().starts_with("mtls-edge "), "{found}");
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), Row::value_variants().len());
    assert_eq!(bars, rows.len());
    for (row, found) in Row::value_variants().iter().zip(rows) {
        assert_eq!(found["row"], row.title());
        assert_eq!(found["unit"], row.unit().suffix());
        let edge = &found["contenders"]["mtls-edge"];
        assert!(edge["figure"].as_f64().is_some_and(|figure| figure > 0.0), "{found}");
        assert_eq!(edge["rounds"].as_array().map(Vec::len), Some(1), "{found}");
        assert!(edge["operations"].as_u64().is_some_and(|count| count > 0), "{found}");
        // Handshakes have the rustls baseline of the same run.
        let is_handshake = matches!(row, Row::Full | Row::FullRsa | Row::FullPq | Row::Resumed);
        assert_eq!(
            found["rustls_baseline"].as_f64().is_some_and(|baseline| baseline > 0.0),
            is_handshake,
            "{found}"
        );
        let figure = format!("{:.1} {}", edge["figure"].as_f64().unwrap(), row.unit().suffix());
        assert!(texts.contains(&row.title().to_owned()) && texts.contains(&figure), "{figure}: {texts:?}");
        let line = text.lines().find(|line| line.starts_with(row.title())).unwrap();
        assert!(line.contains(&figure), "{line}");
    }
}

#[test]
fn scale_rows_are_measured_beside_their_base() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let options = options(folder.path(), &["--rows", "kept"]);
    let scaled = scale::measure(&options).unwrap();
    let title = scaled.title.clone();
    harness::write_files(&options, &[run("one", &options.edges(), &options), scaled]).unwrap();
    let json = json(folder.path());
    let contenders = json["tables"][1]["rows"][0]["contenders"].as_object().unwrap();
    let names: Vec<_> = contenders.keys().map(String::as_str).collect();
    assert_eq!(names, ["1,000 apps", "100,000 apps", "2 workers", "https", "https, HTTP/2", "mtls-edge"]);
    for figures in contenders.values() {
        assert!(figures["figure"].as_f64().is_some_and(|figure| figure > 0.0), "{figures}");
        assert!(figures["operations_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{figures}");
    }
    let (texts, bars) = chart(folder.path());
    assert_eq!(bars, 7);
    assert!(texts.contains(&"one".to_owned()) && texts.contains(&title), "{texts:?}");
}

/// A contender that is never started.
struct Peer;

impl Contender for Peer {
    fn name(&self) -> &'static str {
        "peer"
    }

    fn version(&self) -> io::Result<String> {
        Ok("peer 1".to_owned())
    }

    fn command(&self, _: &Job<'_>) -> io::Result<Command> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn certificate_header(&self) -> &'static str {
        "x-certificate"
    }
}

fn sample(figure: f64, count: u64) -> Sample {
    Sample { figure, rate: 1.0, count, median: None, caveat: None }
}

#[test]
fn unsupported_rows_are_marked_and_have_no_figure() {
    let folder = tempfile::tempdir().unwrap();
    let mut kept = Measured::new(Row::Kept, None, &[&Edge::default(), &Peer]);
    kept.add(0, Ok(sample(20.0, 10)));
    kept.add(1, Err("it has no such thing".to_owned()));
    let contenders = ["edge", "other"].map(|name| (name, format!("{name} 1"))).to_vec();
    let table = Table { title: "a failure".to_owned(), contenders, rows: vec![kept] };
    let text = table.to_string();
    assert!(text.contains("HTTP/1.1 request, kept alive: other: it has no such thing"), "{text}");
    harness::write_files(&options(folder.path(), &[]), &[table]).unwrap();
    let cell = &json(folder.path())["tables"][0]["rows"][0]["contenders"]["other"];
    assert_eq!(cell["error"], "it has no such thing");
    let (texts, bars) = chart(folder.path());
    assert!(bars == 1 && texts.contains(&"-".to_owned()), "{texts:?}");
}

#[test]
fn cpu_is_averaged_and_compared_with_the_best_peer() {
    let mut kept = Measured::new(Row::Kept, None, &[&Edge::default(), &Edge::default(), &Peer, &Peer]);
    for (contender, figure, count) in [(0, 10.0, 1), (0, 20.0, 3), (1, 5.0, 5), (2, 70.0, 5), (3, 35.0, 5)] {
        kept.add(contender, Ok(sample(figure, count)));
    }
    assert_eq!(kept.figure(0), Some(17.5));
    assert_eq!(kept.ratio(), Some(0.5));
}

#[test]
fn without_peers_the_edge_is_compared_with_its_other_build() {
    let mut kept = Measured::new(Row::Kept, None, &[&Edge::default(), &Edge::default()]);
    kept.add(0, Ok(sample(10.0, 1)));
    kept.add(1, Ok(sample(5.0, 1)));
    assert_eq!(kept.ratio(), Some(2.0));
}

#[test]
fn a_latency_is_the_median_of_its_rounds() {
    let mut paced = Measured::new(Row::Paced, None, &[&Edge::default()]);
    for (figure, count) in [(10.0, 1), (30.0, 9), (20.0, 1)] {
        paced.add(0, Ok(sample(figure, count)));
    }
    assert_eq!(paced.figure(0), Some(20.0));
}

/// Set in the process whose terminal output is tested.
const CHILD: &str = "MTLS_EDGE_TEST_OF_PROGRESS";

#[test]
fn a_terminal_shows_what_is_being_measured_and_a_file_does_not() {
    let _alone = crate::alone();
    if std::env::var_os(CHILD).is_some() {
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(folder.path(), &["--rows", "kept,http2"]);
        options.rounds = 2;
        run("progress", &options.edges(), &options);
        return;
    }
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    let name = "load::a_terminal_shows_what_is_being_measured_and_a_file_does_not";
    let arguments = ["--exact", name, "--nocapture"];
    let on_terminal = {
        let mut script = Command::new("script");
        script.args(["-qec", &format!("'{program}' {}", arguments.join(" ")), "/dev/null"]);
        script
    };
    let into_file = {
        let mut directly = Command::new(program);
        directly.args(arguments);
        directly
    };
    for (mut command, shows) in [(on_terminal, true), (into_file, false)] {
        let output = command.env(CHILD, "1").stdin(Stdio::null()).output().expect("script (bsdutils) runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{text}");
        let steps = [
            "\r\u{1b}[Kmtls-edge starts, and is checked",
            "\r\u{1b}[K1/4 after ",
            ": HTTP/1.1 request, kept alive: mtls-edge",
            "\r\u{1b}[K4/4 after ",
            ": HTTP/2 request, one stream each: mtls-edge",
        ];
        for step in steps {
            assert_eq!(text.contains(step), shows, "{step:?}: {text}");
        }
    }
}
