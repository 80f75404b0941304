//! The program in a terminal, which python3 provides.

use std::{
    path::Path,
    process::{Command, Output},
};

use super::program;

/// Runs a command whose standard output is a terminal, and acts on each text that appears in it.
const DRIVER: &str = r#"
import fcntl, os, pty, signal, struct, subprocess, sys, termios
size, actions, command = sys.argv[1], sys.argv[2].split(), sys.argv[3:]
controller, terminal = pty.openpty()
def resize(size):
    columns, rows = map(int, size.split("x"))
    fcntl.ioctl(controller, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
resize(size)
process = subprocess.Popen(command, stdout=terminal)
os.close(terminal)
shown, painted = b"", 0
while True:
    try:
        part = os.read(controller, 65536)
    except OSError:
        break
    if not part:
        break
    shown += part
    while actions and shown.count(b"\x1b[J") > painted:
        painted += 1
        action = actions.pop(0)
        if action == "interrupt":
            process.send_signal(signal.SIGINT)
        else:
            resize(action)
            process.send_signal(signal.SIGWINCH)
sys.stdout.buffer.write(shown.replace(b"\r\n", b"\n"))
sys.stdout.flush()
sys.exit(process.wait())
"#;

/// Runs the program in a terminal of this size, such as `80x24`. After each repainted screen it takes the next action: `interrupt`, or
/// another size. The output is that of the terminal.
pub fn in_terminal(size: &str, actions: &[&str], arguments: &[&str]) -> Output {
    let program = program();
    let mut python = Command::new("python3");
    python.args(["-c", DRIVER, size, &actions.join(" ")]).arg(Path::new(program.get_program()));
    python.args(program.get_args()).args(arguments).env("TERM", "xterm").env_remove("NO_COLOR");
    python.output().unwrap_or_else(|error| panic!("python3: {error}"))
}
