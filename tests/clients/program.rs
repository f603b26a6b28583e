//! Other people's programs.

use std::io::{ErrorKind, Read};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longer than any scenario takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program under way, both its outputs collected.
pub struct Running {
    name: String,
    child: Child,
    outputs: [thread::JoinHandle<Vec<u8>>; 2],
}

/// Starts it. When it is missing, that is a failure that says what to do.
pub fn start(command: &mut Command) -> Running {
    let name = format!("{command:?}");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| match e.kind() {
        ErrorKind::NotFound => {
            let program = command.get_program().to_string_lossy().into_owned();
            panic!("{program} is not installed: run tests/run once, it installs what the tests need")
        }
        _ => panic!("{name}: {e}"),
    });
    let outputs = [
        collect(child.stdout.take().unwrap()),
        collect(child.stderr.take().unwrap()),
    ];
    Running { name, child, outputs }
}

fn collect(mut from: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all);
        all
    })
}

impl Running {
    /// Kills it as if its machine had lost power.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end, which is success, and returns what it wrote.
    #[track_caller]
    pub fn success(self) -> String {
        String::from_utf8(self.output().stdout).unwrap()
    }

    /// Waits for its end, which is success.
    #[track_caller]
    pub fn output(self) -> Output {
        let name = self.name.clone();
        let output = self.end();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {}\n{stderr}", output.status);
        output
    }

    /// Waits for its end.
    #[track_caller]
    pub fn end(mut self) -> Output {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                panic!("{} did not end within {PATIENCE:?}", self.name);
            }
            thread::sleep(Duration::from_millis(5));
        };
        let [stdout, stderr] = self.outputs.map(|output| output.join().unwrap());
        Output {
            status,
            stdout,
            stderr,
        }
    }
}
