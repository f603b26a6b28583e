//! A broker that serves with compiled plugins, and what a test sees of it: clients, its log, its metrics.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::{self, Broker, Client, Connect, Packet, REASON_STRING, broker};

/// How long anything may take that is to come.
const PATIENCE: Duration = Duration::from_secs(20);
pub const NOT_AUTHORIZED: u8 = 0x87;
pub const UNAVAILABLE: u8 = 0x88;

/// The file of the one entry, in the folder for plugins.
const FILE: &str = "libfixture.so";

pub struct Serving {
    folder: PathBuf,
    pub broker: Broker,
}

/// An entry called `fixture` for [`FILE`], with more keys. Its calls may take long: the machine has other things to do.
pub fn entry(keys: &str) -> String {
    entry_in_time(&format!("budget = \"2s\"\n{keys}"))
}

/// The same with the usual `budget`, or another one.
pub fn entry_in_time(keys: &str) -> String {
    // The fixture answers in one way whatever it is asked, and what is no answer of `connect` would refuse every client.
    let unless_said = |key: &str| match keys.contains(key) {
        true => String::new(),
        false => format!("{key} = {{ transform = 'pass' }}\n"),
    };
    let (error, timeout) = (unless_said("on_error"), unless_said("on_timeout"));
    format!("[[policy]]\nname = \"fixture\"\nplugin = \"{FILE}\"\n{keys}\n{error}{timeout}")
}

impl Serving {
    /// With `library` as the only policy, `fixture`, and more keys in its entry.
    pub fn start(library: &Path, keys: &str) -> Serving {
        Serving::with(&[(FILE, library)], &entry(keys), &[])
    }

    /// With these files in the folder for plugins, these entries, and settings. There is one shard, and no generation is watched.
    pub fn with(files: &[(&str, &Path)], entries: &str, settings: &[&str]) -> Serving {
        Serving::begin(broker::folder(), files, entries, settings)
    }

    /// The same with a script.
    pub fn with_script(files: &[(&str, &Path)], script: (&str, &str), entries: &str) -> Serving {
        let folder = broker::folder();
        fs::write(folder.join(script.0), script.1).unwrap();
        Serving::begin(folder, files, entries, &[])
    }

    fn begin(folder: PathBuf, files: &[(&str, &Path)], entries: &str, settings: &[&str]) -> Serving {
        let plugins = folder.join("data/plugins");
        fs::create_dir_all(&plugins).unwrap();
        fs::set_permissions(&plugins, Permissions::from_mode(0o755)).unwrap();
        for (name, library) in files {
            put(&plugins.join(name), &fs::read(library).unwrap(), 0o755);
        }
        configure(&folder, entries);
        let ours = ["server.shards=1", "policy_watch.window=\"0s\""];
        let settings: Vec<&str> = ours.iter().chain(settings).copied().collect();
        let broker = Broker::start_in(&folder.join("dunlin.toml"), &folder.join("data"), &settings);
        Serving { folder, broker }
    }

    /// A file in the folder for plugins: written beside, and renamed.
    pub fn put_bytes(&self, name: &str, bytes: &[u8], mode: u32) {
        put(&self.folder.join("data/plugins").join(name), bytes, mode);
    }

    /// The library of the one entry is replaced; where the log ended before.
    pub fn replace(&self, library: &Path) -> usize {
        let seen = self.broker.log().len();
        self.put_bytes(FILE, &fs::read(library).unwrap(), 0o755);
        seen
    }

    /// The entries are replaced; where the log ended before.
    pub fn configure(&self, entries: &str) -> usize {
        let seen = self.broker.log().len();
        configure(&self.folder, entries);
        seen
    }

    /// The same, once they serve.
    #[track_caller]
    pub fn swap(&self, entries: &str) -> usize {
        let seen = self.configure(entries);
        self.log(seen, "policies reloaded");
        seen
    }

    /// The first line that was logged after `seen` and has all of these, which are parted by `...`.
    #[track_caller]
    pub fn log(&self, seen: usize, text: &str) -> String {
        let parts: Vec<&str> = text.split("...").collect();
        let has_all = |line: &&str| {
            let mut rest = *line;
            parts.iter().all(|part| match rest.find(part) {
                Some(at) => {
                    rest = &rest[at + part.len()..];
                    true
                }
                None => false,
            })
        };
        let mut found = None;
        self.until(&format!("the log says {text:?}"), || {
            let log = self.broker.log();
            // A line that is just being written is none yet.
            let whole = &log[..log.rfind('\n').map_or(0, |end| end + 1)];
            found = whole
                .get(seen..)
                .unwrap_or_default()
                .lines()
                .find(has_all)
                .map(str::to_owned);
            found.is_some()
        });
        found.unwrap().replace(&*self.folder.display().to_string(), "")
    }

    /// How often the log says this.
    pub fn count(&self, seen: usize, text: &str) -> usize {
        self.broker.log()[seen..].matches(text).count()
    }

    /// Waits for the refusal of [`FILE`], and what it says; this generation serves on.
    #[track_caller]
    pub fn refused(&self, seen: usize, serving: u64) -> String {
        self.refused_of(FILE, seen, serving)
    }

    #[track_caller]
    pub fn refused_of(&self, file: &str, seen: usize, serving: u64) -> String {
        let line = self.log(seen, &format!("ERROR...policies refused: ...{file}: "));
        let (_, said) = line.split_once(&format!("{file}: ")).unwrap();
        let (sentence, after) = said.split_once(" (generation ").unwrap();
        assert!(after.starts_with(&format!("{serving} keeps serving)")), "{line}");
        sentence.to_owned()
    }

    #[track_caller]
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let began = Instant::now();
        while !done() {
            assert!(
                began.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}\n{}",
                self.broker.log_tail()
            );
            support::sleep(10);
        }
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        let mut stream = UnixStream::connect(self.broker.data().join("dunlin.sock")).unwrap();
        let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// The sum of all series whose name and labels have all of these.
    pub fn metric(&self, name: &str, labels: &[&str]) -> u64 {
        let text = self.metrics();
        let series = text.lines().filter_map(|line| line.rsplit_once(' '));
        let wanted = series.filter(|(of, _)| {
            let (found, of) = of.split_once('{').unwrap_or((of, ""));
            found == name && labels.iter().all(|label| of.contains(label))
        });
        wanted
            .map(|(_, value)| value.parse::<f64>().unwrap() as u64)
            .sum()
    }

    #[track_caller]
    pub fn until_metric(&self, name: &str, value: u64) {
        self.until(&format!("{name} is {value}"), || self.metric(name, &[]) == value);
    }

    /// Connects as this user: the client, the code and the reason.
    pub fn login(&self, user: &str) -> (Client, u8, String) {
        let connect = Connect::v5(support::unique("c")).username(user);
        let (client, connack) = connect.answer(&self.broker);
        (client, connack.code(), reason(&connack))
    }

    /// The fixture in C answers: it denies its own user, and has no opinion of others.
    #[track_caller]
    pub fn fixture_answers(&self) {
        let (_, code, reason) = self.login("fixture");
        assert_eq!((code, &*reason), (NOT_AUTHORIZED, "by the fixture"));
        assert_eq!(self.login("somebody").1, 0);
    }
}

/// The Reason String.
pub fn reason(packet: &Packet) -> String {
    let reason = packet.property(REASON_STRING).unwrap_or_default();
    String::from_utf8(reason.to_vec()).unwrap()
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn put(path: &Path, bytes: &[u8], mode: u32) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::set_permissions(&beside, Permissions::from_mode(mode)).unwrap();
    fs::rename(beside, path).unwrap();
}

fn configure(folder: &Path, entries: &str) {
    let open = fs::read_to_string(broker::root().join("dunlin.open.toml")).unwrap();
    let (path, beside) = (folder.join("dunlin.toml"), folder.join("dunlin.toml.new"));
    fs::write(&beside, format!("{open}\n{entries}")).unwrap();
    fs::rename(beside, path).unwrap();
}
