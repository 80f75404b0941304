//! The recorded counts, and the tools that produced them.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use crate::callgrind;

const HEAD: &str = "# Instructions of the edge's worker per operation, counted by callgrind. Written by
#     cargo bench --bench instructions -- --record
# A count that is over its record by more than 5 % fails CI. Other tools give other counts: see CONTRIBUTING.md.
";

/// Counts by scenario.
pub type Counts = BTreeMap<String, u64>;

/// Counts, and the tools that produced them.
pub struct Record {
    pub made_with: BTreeMap<String, String>,
    pub counts: Counts,
}

impl Record {
    /// The path of the record.
    pub fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.toml")
    }

    /// Reads the record.
    pub fn read() -> Self {
        let text = fs::read_to_string(Self::path()).unwrap_or_default();
        let table: toml::Table = text.parse().expect("benches/instructions.toml is TOML");
        let entries = |name: &str| table.get(name).and_then(toml::Value::as_table).into_iter().flatten();
        let made_with =
            entries("made_with").map(|(key, value)| (key.clone(), value.as_str().unwrap().into()));
        let counts = entries("instructions")
            .map(|(key, value)| (key.clone(), value.as_integer().unwrap().try_into().unwrap()));
        Self { made_with: made_with.collect(), counts: counts.collect() }
    }

    /// Writes the record.
    pub fn write(&self) {
        use std::fmt::Write as _;
        let mut text = format!("{HEAD}\n[made_with]\n");
        for (tool, version) in &self.made_with {
            let _ = writeln!(text, "{tool} = \"{version}\"");
        }
        text += "\n[instructions]\n";
        for (scenario, count) in &self.counts {
            let _ = writeln!(text, "\"{scenario}\" = {count}");
        }
        fs::write(Self::path(), text).unwrap();
    }

    /// The tools of the record that differ from those of this machine. Empty without a record.
    pub fn other_tools(&self) -> Vec<String> {
        let here = made_with();
        let others = self.made_with.iter().filter(|(tool, version)| here.get(*tool) != Some(version));
        others
            .map(|(tool, version)| {
                let here = here.get(tool).map_or("none", String::as_str);
                format!("{tool}: {version}; here: {here}")
            })
            .collect()
    }
}

/// The tools that determine the counts: the compiler, valgrind, and the processor features that valgrind passes on, by which aws-lc
/// and libc select their code.
pub fn made_with() -> BTreeMap<String, String> {
    let rustc = Command::new("rustc").arg("--version").output().expect("rustc runs");
    let rustc = String::from_utf8(rustc.stdout).unwrap().trim().trim_start_matches("rustc ").to_owned();
    let valgrind = callgrind::version().unwrap_or_default().trim_start_matches("valgrind-").to_owned();
    [("rustc", rustc), ("valgrind", valgrind), ("processor", processor())]
        .map(|(tool, version)| (tool.to_owned(), version))
        .into()
}

#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    let features = [
        ("avx", is_x86_feature_detected!("avx")),
        ("avx2", is_x86_feature_detected!("avx2")),
        ("bmi1", is_x86_feature_detected!("bmi1")),
        ("f16c", is_x86_feature_detected!("f16c")),
        ("rdrand", is_x86_feature_detected!("rdrand")),
        ("rdseed", is_x86_feature_detected!("rdseed")),
    ];
    let present = features.iter().filter(|(_, present)| *present).map(|(name, _)| *name);
    std::iter::once("x86_64").chain(present).collect::<Vec<_>>().join(" ")
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    std::env::consts::ARCH.to_owned()
}
