//! Keeps the machine's own delays out of latencies: cores stay awake and other processes wait.
//!
//! On a virtual machine a sleeping core takes as long to wake as a whole request, and another process occupies a core for longer
//! than that. So, as `cyclictest` of rt-tests does, the load sets `/dev/cpu_dma_latency` to zero
//! (Linux, Documentation/power/pm_qos_interface.rst) and runs contender, clients and upstream with real-time priority (sched(7),
//! `SCHED_RR`). The kernel stops real-time processes for 50 ms per second: a contender that is busy all the time has a high ordinary
//! priority instead.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::Path,
    process::Command,
};

use rustix::{
    process::{Pid, setpriority_process},
    thread::{CpuSet, sched_setaffinity},
};

use super::process::Tree;

/// The real-time priority: above every ordinary process, below the kernel's own threads.
const REAL_TIME: &str = "10";
/// The highest ordinary priority.
const NICE: i32 = -20;

/// The priority of all that is measured.
#[derive(Clone, Copy, Debug)]
enum Priority {
    RealTime,
    Nice,
}

/// Keeps cores awake, and this process at a high priority, until it is dropped.
#[derive(Debug)]
pub struct Steady {
    awake: Option<File>,
    own: Prior,
    contenders: Priority,
}

/// The turn of a contender, which has a high priority until this is dropped.
#[derive(Debug)]
pub struct Turn {
    /// What is not permitted, so that the figures include the machine's own delays.
    pub caveat: Option<&'static str>,
    _contender: Prior,
}

impl Steady {
    /// Steadies this process: clients and upstream.
    pub fn new() -> Self {
        Self {
            awake: awake(),
            own: Prior::new(vec![std::process::id()], Priority::RealTime),
            contenders: Priority::RealTime,
        }
    }

    /// For contenders that are busy all the time on this core, the last one. All of this process, attackers included, stays on the other
    /// cores, if there are some: each thread that woke up on the contender's would wait for a time slice, or have the contender wait.
    pub fn for_busy(core: usize) -> Self {
        let mut others = CpuSet::new();
        (0..core).for_each(|other| others.set(other));
        if core > 0 {
            for thread in threads(std::process::id()) {
                let _ = sched_setaffinity(Some(thread), &others);
            }
        }
        Self { contenders: Priority::Nice, ..Self::new() }
    }

    /// Steadies a contender. The background work of the others waits meanwhile.
    pub fn turn(&self, contender: Tree) -> Turn {
        let contender = Prior::new(contender.processes(), self.contenders);
        let caveat = match (self.awake.is_some(), self.own.is_all && contender.is_all) {
            (true, true) => None,
            (false, true) => Some("cores may sleep: cannot open /dev/cpu_dma_latency"),
            (true, false) => Some("other processes may interfere: a high priority is not permitted"),
            (false, false) => {
                Some("cores may sleep and other processes may interfere: run it as root for steady figures")
            }
        };
        Turn { caveat, _contender: contender }
    }
}

/// Lets this thread run only while nothing that is measured could: attackers have machines of their own, and their work is not the
/// contender's (`SCHED_IDLE`, sched(7)). Of the threads on its cores only real-time ones are sure to interrupt it before the next tick.
pub fn yield_to_others() {
    if let Some(thread) = std::fs::read_link("/proc/thread-self").ok().as_deref().and_then(Path::file_name) {
        let _ = Command::new("chrt").args(["-i", "-p", "0"]).arg(thread).output();
    }
}

/// Processes with a high priority until it is dropped.
#[derive(Debug)]
struct Prior {
    processes: Vec<u32>,
    priority: Priority,
    /// Whether all of them have it.
    is_all: bool,
}

impl Prior {
    fn new(mut processes: Vec<u32>, priority: Priority) -> Self {
        let wanted = processes.len();
        processes.retain(|process| match priority {
            Priority::RealTime => set(*process, &["-r", "-p", REAL_TIME]),
            Priority::Nice => set_nice(*process, NICE),
        });
        if matches!(priority, Priority::Nice) {
            set_group(NICE);
        }
        Self { is_all: processes.len() == wanted, processes, priority }
    }
}

impl Drop for Prior {
    fn drop(&mut self) {
        for process in &self.processes {
            match self.priority {
                Priority::RealTime => set(*process, &["-o", "-p", "0"]),
                Priority::Nice => {
                    set_group(0);
                    set_nice(*process, 0)
                }
            };
        }
    }
}

/// Keeps cores awake as long as the file is open.
fn awake() -> Option<File> {
    let mut file = OpenOptions::new().write(true).open("/dev/cpu_dma_latency").ok()?;
    file.write_all(&0_i32.to_ne_bytes()).ok()?;
    Some(file)
}

/// Sets the scheduling policy of all threads of a process. Threads that it starts later inherit it.
fn set(process: u32, policy: &[&str]) -> bool {
    let output = Command::new("chrt").arg("-a").args(policy).arg(process.to_string()).output();
    output.is_ok_and(|output| output.status.success())
}

/// Sets the ordinary priority of all threads of a process. Threads that it starts later inherit it.
fn set_nice(process: u32, nice: i32) -> bool {
    let set: Vec<_> =
        threads(process).map(|thread| setpriority_process(Some(thread), nice).is_ok()).collect();
    !set.is_empty() && set.iter().all(|is_set| *is_set)
}

/// The threads of a process.
fn threads(process: u32) -> impl Iterator<Item = Pid> {
    let threads =
        std::fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().filter_map(Result::ok);
    threads.filter_map(|thread| Pid::from_raw(thread.file_name().to_str()?.parse().ok()?))
}

/// Sets the priority of this session among all others: priorities of processes only count within a session (sched(7), autogroup).
fn set_group(nice: i32) {
    let _ = std::fs::write("/proc/self/autogroup", nice.to_string());
}
