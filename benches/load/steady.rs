//! Latency of the proxy, not of the machine: while it is measured, cores stay awake and other processes wait.
//!
//! A core that sleeps takes as long to wake, on a virtual machine, as a request takes in all; and whatever else runs on the
//! machine takes a core for longer than that. So, as `cyclictest` of rt-tests does, the load holds `/dev/cpu_dma_latency` at zero
//! (Linux, Documentation/power/pm_qos_interface.rst) and runs what is measured with real-time priority (sched(7), `SCHED_RR`):
//! contender, clients and upstream alike.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
};

use super::process::Tree;

/// Of all that is measured: above every ordinary process, below what the kernel runs with the highest.
const PRIORITY: &str = "10";

/// Holds the machine steady until it is dropped.
#[derive(Debug)]
pub struct Steady {
    awake: Option<File>,
    own: Prior,
}

/// The turn of a contender, which has real-time priority until it is over.
#[derive(Debug)]
pub struct Turn {
    /// What could not be had: the figures hold the machine's own delays then.
    pub caveat: Option<&'static str>,
    _contender: Prior,
}

impl Steady {
    /// For clients and upstream.
    pub fn new() -> Self {
        Self { awake: awake(), own: Prior::new(vec![std::process::id()]) }
    }

    /// For a contender. The others wait meanwhile, with what they still do in the background.
    pub fn turn(&self, contender: Tree) -> Turn {
        let contender = Prior::new(contender.processes());
        let caveat = match (self.awake.is_some(), self.own.is_all && contender.is_all) {
            (true, true) => None,
            (false, true) => Some("cores may sleep: /dev/cpu_dma_latency can't be opened"),
            (true, false) => Some("other processes come between: real-time priority is not permitted"),
            (false, false) => {
                Some("cores may sleep and other processes come between: run it as root for steady figures")
            }
        };
        Turn { caveat, _contender: contender }
    }
}

/// Lets whatever else is measured go before this thread.
pub fn yield_to_others() {
    if let Some(thread) = std::fs::read_link("/proc/thread-self").ok().as_deref().and_then(Path::file_name) {
        // Real-time priority is inherited. With the lowest, it would keep a core from ordinary processes, for whose sake the
        // kernel stops each core for 50 ms in a second.
        let _ = Command::new("chrt").args(["-o", "-p", "0"]).arg(thread).output();
    }
    let _ = rustix::process::setpriority_process(None, 10);
}

/// Processes with real-time priority until it is dropped.
#[derive(Debug)]
struct Prior {
    processes: Vec<u32>,
    /// Whether it could be had for all of them.
    is_all: bool,
}

impl Prior {
    fn new(mut processes: Vec<u32>) -> Self {
        let wanted = processes.len();
        processes.retain(|process| set(*process, &["-r", "-p", PRIORITY]));
        Self { is_all: processes.len() == wanted, processes }
    }
}

impl Drop for Prior {
    fn drop(&mut self) {
        for process in &self.processes {
            set(*process, &["-o", "-p", "0"]);
        }
    }
}

/// Zero microseconds to wake up, as long as the file is open.
fn awake() -> Option<File> {
    let mut file = OpenOptions::new().write(true).open("/dev/cpu_dma_latency").ok()?;
    file.write_all(&0_i32.to_ne_bytes()).ok()?;
    Some(file)
}

/// The policy of every thread of a process; those that it starts later inherit it.
fn set(process: u32, policy: &[&str]) -> bool {
    let output = Command::new("chrt").arg("-a").args(policy).arg(process.to_string()).output();
    output.is_ok_and(|output| output.status.success())
}
