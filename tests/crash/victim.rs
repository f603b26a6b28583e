//! The broker that is killed, and starts again on the same folder.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Broker;
use crate::support::broker::{binary, folder, free_address, root};

pub struct Victim {
    data: PathBuf,
    settings: Vec<String>,
    /// What its program is an argument of.
    wrapper: Vec<String>,
    broker: Option<Broker>,
    /// The end of what the last life that was killed has logged.
    last_words: String,
}

impl Victim {
    pub fn new(settings: Vec<String>) -> Victim {
        Victim {
            data: folder(),
            settings,
            wrapper: Vec::new(),
            broker: None,
            last_words: String::new(),
        }
    }

    /// As the argument of another program.
    pub fn under(mut self, wrapper: Vec<String>) -> Victim {
        self.wrapper = wrapper;
        self
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts it, behind its death if it was killed.
    pub async fn start(&mut self) -> SocketAddr {
        let (data, settings, dead) = (self.data.clone(), self.settings.clone(), self.broker.take());
        let wrapper = self.wrapper.clone();
        let started = tokio::task::spawn_blocking(move || {
            drop(dead);
            let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
            let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
            Broker::start_under(&wrapper, &root().join("dunlin.open.toml"), &data, &settings)
        });
        let broker = started.await.expect("the broker starts again");
        let address = broker.address();
        self.broker = Some(broker);
        address
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        let broker = self.broker.as_ref().unwrap();
        self.last_words = broker.log_tail();
        let id = broker.id().and_then(Pid::from_raw);
        kill_process(id.expect("the broker is there to be killed"), Signal::KILL).unwrap();
    }

    /// Waits until it has died by itself. Whether it has, in time.
    pub async fn dies(&mut self, patience: Duration) -> bool {
        let (deadline, broker) = (Instant::now() + patience, self.broker.as_ref().unwrap());
        while broker.alive() {
            if Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.last_words = broker.log_tail();
        true
    }

    /// All that this life has logged.
    pub fn words(&self) -> String {
        self.broker.as_ref().map(Broker::log).unwrap_or_default()
    }

    /// Starts it and kills it before it serves, perhaps in the middle of reading what it has.
    pub async fn stillborn(&mut self, life: Duration) {
        drop(self.broker.take());
        let mut command = Command::new(binary());
        command.arg("serve").arg("--config");
        command
            .arg(root().join("dunlin.open.toml"))
            .arg("--data")
            .arg(&self.data);
        let bind = format!("listeners.tcp.bind=\"{}\"", free_address());
        let own = [bind, "admin.enabled=false".to_owned()];
        for setting in own.iter().chain(&self.settings) {
            command.arg("--set").arg(setting);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        tokio::time::sleep(life).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// What it logged last, of this life and of the one before.
    pub fn log(&self) -> String {
        let now = self.broker.as_ref().map(Broker::log_tail).unwrap_or_default();
        format!(
            "--- the broker's log before the last kill\n{}\n--- and after it\n{now}",
            self.last_words
        )
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        drop(self.broker.take());
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
