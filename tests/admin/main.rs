//! `dunlin ctl` as an operator uses it: a real broker, the real program, real clients.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod clients;
mod credentials;
mod events;
mod explain;
mod instances;
mod names;
mod policies;
mod restart;
mod socket;
mod trace;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use support::Broker;

/// A broker with one policy, `policy.lua`.
struct Administered {
    folder: PathBuf,
    broker: Broker,
}

/// What the program answered.
#[derive(Debug)]
struct Answer {
    code: i32,
    out: String,
    err: String,
}

impl Administered {
    fn start(script: &str) -> Administered {
        Administered::with(script, &[])
    }

    fn with(script: &str, settings: &[&str]) -> Administered {
        let folder = support::broker::folder();
        let open = std::fs::read_to_string(support::broker::root().join("dunlin.open.toml")).unwrap();
        let block = "\n[[policy]]\nname = \"policy\"\nscript = \"policy.lua\"\n";
        std::fs::write(folder.join("dunlin.toml"), open + block).unwrap();
        std::fs::write(folder.join("policy.lua"), script).unwrap();
        let broker = Broker::start_with(&folder.join("dunlin.toml"), settings);
        Administered { folder, broker }
    }

    fn save(&self, script: &str) {
        std::fs::write(self.folder.join("policy.lua"), script).unwrap();
    }

    /// `dunlin ctl` with these arguments, which finds the socket as the broker did.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = ctl(args);
        command
            .arg("--config")
            .arg(self.folder.join("dunlin.toml"))
            .arg("--data")
            .arg(self.broker.data());
        command
    }

    fn ask(&self, args: &[&str]) -> Answer {
        answer(&mut self.command(args))
    }

    /// The answer of a question that goes well, as text.
    #[track_caller]
    fn says(&self, args: &[&str]) -> String {
        let answer = self.ask(args);
        assert_eq!((answer.code, &*answer.err), (0, ""), "{args:?}: {answer:?}");
        answer.out
    }

    /// The same in JSON.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.says(&args)).unwrap()
    }
}

impl Drop for Administered {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// `dunlin ctl` with these arguments.
fn ctl(args: &[&str]) -> Command {
    let mut command = Command::new(support::broker::binary());
    command.arg("ctl").args(args).stdin(Stdio::null());
    command
}

fn answer(command: &mut Command) -> Answer {
    let output = command.output().unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A broker that is to fail: the configuration is the open profile's.
fn serve_and_fail(data: &Path, settings: &[&str]) -> Answer {
    let mut command = Command::new(support::broker::binary());
    let bind = format!("listeners.tcp.bind=\"{}\"", support::broker::free_address());
    command
        .arg("serve")
        .arg("--config")
        .arg(support::broker::root().join("dunlin.open.toml"))
        .arg("--data")
        .arg(data);
    for setting in [bind.as_str(), "admin.enabled=false"].iter().chain(settings) {
        command.arg("--set").arg(setting);
    }
    answer(command.stdin(Stdio::null()))
}
