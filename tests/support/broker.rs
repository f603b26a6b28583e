//! The real binary as a process of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Ends the broker when the test process ends, however that happens: then `read` sees the end of its input. The
/// shell lets go of stderr, so that its end is the end of the broker.
const SUPERVISE: &str = r#"
folder=$1; shift
"$@" </dev/null & pid=$!
exec 2>/dev/null
read _
kill -TERM $pid
(sleep 5; kill -KILL $pid) >/dev/null & dog=$!
wait $pid
kill $dog
[ -n "$folder" ] && rm -rf "$folder"
"#;

/// How long a broker may take to open its port.
const START: Duration = Duration::from_secs(20);

pub struct Broker {
    address: SocketAddr,
    data: PathBuf,
    supervisor: Option<Child>,
    log: Arc<Mutex<String>>,
    ended: Arc<AtomicBool>,
}

impl Broker {
    /// The open profile with these settings, `"mqtt.receive_maximum=2"`, and an empty data folder.
    pub fn start(settings: &[&str]) -> Broker {
        Broker::start_with(&root().join("dunlin.open.toml"), settings)
    }

    /// The same with a configuration file of the test's own.
    pub fn start_with(config: &Path, settings: &[&str]) -> Broker {
        let data = folder();
        Broker::run(config, &data, Some(&data), settings)
    }

    /// The open profile on a data folder that is kept, to start again on it.
    pub fn start_on(data: &Path, settings: &[&str]) -> Broker {
        Broker::run(&root().join("dunlin.open.toml"), data, None, settings)
    }

    /// A configuration file of the test's own, on a data folder that is kept: there may be plugins in it.
    pub fn start_in(config: &Path, data: &Path, settings: &[&str]) -> Broker {
        Broker::run(config, data, None, settings)
    }

    /// The open profile with one policy: the script at `path`, below the repository's root.
    pub fn with_policy(name: &str, script: &Path, settings: &[&str]) -> Broker {
        let open = std::fs::read_to_string(root().join("dunlin.open.toml")).unwrap();
        let folder = folder();
        let config = folder.join("dunlin.toml");
        let block = format!("\n[[policy]]\nname = {name:?}\nscript = {script:?}\n");
        std::fs::write(&config, open + &block).unwrap();
        Broker::run(&config, &folder, Some(&folder), settings)
    }

    /// The demo configuration and its scripts, copied to `folder`, where a test can edit them.
    pub fn demo(folder: &Path) -> Broker {
        let root = root();
        std::fs::create_dir_all(folder.join("scripts")).unwrap();
        std::fs::copy(root.join("dunlin.toml"), folder.join("dunlin.toml")).unwrap();
        for script in std::fs::read_dir(root.join("scripts")).unwrap() {
            let script = script.unwrap();
            std::fs::copy(script.path(), folder.join("scripts").join(script.file_name())).unwrap();
        }
        let off = [
            "listeners.tls.enabled=false",
            "listeners.ws.enabled=false",
            "listeners.wss.enabled=false",
        ];
        Broker::run(&folder.join("dunlin.toml"), &folder.join("data"), None, &off)
    }

    /// The broker as the argument of another program, which may make it slow.
    pub fn start_under(wrapper: &[&str], config: &Path, data: &Path, settings: &[&str]) -> Broker {
        Broker::run_under(wrapper, config, data, None, settings)
    }

    /// One that serves in this very process.
    pub fn at(address: SocketAddr) -> Broker {
        Broker {
            address,
            data: PathBuf::new(),
            supervisor: None,
            log: Arc::default(),
            ended: Arc::default(),
        }
    }

    fn run(config: &Path, data: &Path, scratch: Option<&Path>, settings: &[&str]) -> Broker {
        Broker::run_under(&[], config, data, scratch, settings)
    }

    fn run_under(
        wrapper: &[&str],
        config: &Path,
        data: &Path,
        scratch: Option<&Path>,
        settings: &[&str],
    ) -> Broker {
        if let Ok(address) = std::env::var("DUNLIN_TEST_ADDRESS") {
            let address = address.parse().unwrap();
            return Broker {
                address,
                data: data.to_path_buf(),
                supervisor: None,
                log: Arc::default(),
                ended: Arc::default(),
            };
        }
        let address = free_address();
        let mut command = Command::new("sh");
        command
            .args(["-c", SUPERVISE, "sh"])
            .arg(scratch.unwrap_or(Path::new("")))
            .args(wrapper)
            .arg(binary());
        command
            .arg("serve")
            .arg("--config")
            .arg(config)
            .arg("--data")
            .arg(data);
        let bind = format!("listeners.tcp.bind=\"{address}\"");
        for setting in [bind.as_str(), "admin.enabled=false"].iter().chain(settings) {
            command.arg("--set").arg(setting);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut supervisor = command.spawn().unwrap();
        let stderr = BufReader::new(supervisor.stderr.take().unwrap());
        let broker = Broker {
            address,
            data: data.to_path_buf(),
            supervisor: Some(supervisor),
            log: Arc::default(),
            ended: Arc::default(),
        };
        let (log, ended) = (Arc::clone(&broker.log), Arc::clone(&broker.ended));
        thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                log.lock()
                    .unwrap()
                    .push_str(&format!("{}\n", String::from_utf8_lossy(&line)));
            }
            ended.store(true, Ordering::Release);
        });
        let patience = if wrapper.is_empty() { START } else { 10 * START };
        let deadline = Instant::now() + patience;
        // One listener answers before the next one is bound, and the log says when all are.
        while TcpStream::connect(address).is_err() || !broker.log().contains("Dunlin serves") {
            let ended = broker.ended.load(Ordering::Acquire);
            assert!(
                !ended && Instant::now() < deadline,
                "the broker did not start:\n{}",
                broker.log_tail()
            );
            thread::sleep(Duration::from_millis(10));
        }
        broker
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// All that it wrote to stderr up to now.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// The last 40 lines of the log.
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// Whether it still runs.
    pub fn alive(&self) -> bool {
        !self.ended.load(Ordering::Acquire) && TcpStream::connect(self.address).is_ok()
    }

    /// The broker's own process; `None` for a broker that is not ours or where there is no /proc.
    pub fn id(&self) -> Option<i32> {
        let supervisor = self.supervisor.as_ref()?.id();
        let children = format!("/proc/{supervisor}/task/{supervisor}/children");
        let children = std::fs::read_to_string(children).ok()?;
        children.split_whitespace().next()?.parse().ok()
    }

    /// Resident memory in bytes; `None` for a broker that is not ours or where there is no /proc.
    pub fn resident(&self) -> Option<u64> {
        let pid = self.id()?;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }

    /// Whether this process started it, and can stop it.
    pub fn is_ours(&self) -> bool {
        self.supervisor.is_some()
    }

    /// SIGTERM, and waits for the end (five seconds later it is killed). Drop does the same.
    pub fn stop(self) {}
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(mut supervisor) = self.supervisor.take() {
            drop(supervisor.stdin.take());
            let _ = supervisor.wait();
        }
    }
}

/// The repository.
pub fn root() -> PathBuf {
    let root = std::env::var_os("DUNLIN_TEST_ROOT");
    root.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from)
}

/// The broker's program.
pub fn binary() -> PathBuf {
    let other = std::env::var_os("DUNLIN_TEST_BROKER").map(PathBuf::from);
    other
        .or(option_env!("CARGO_BIN_EXE_dunlin").map(PathBuf::from))
        .expect("no broker to test")
}

/// A new empty folder.
pub fn folder() -> PathBuf {
    let folder = std::env::temp_dir().join(super::unique("dunlin-test-"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A port that was free a moment ago.
pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}
