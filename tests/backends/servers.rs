//! Real servers, each on a port and in a folder of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::broker::{folder, free_address};

fn until_open(address: SocketAddr, what: &str) {
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(began.elapsed().as_secs() < 20, "{what} did not start");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A Redis server.
pub struct Redis {
    pub address: SocketAddr,
    child: Option<Child>,
}

impl Redis {
    pub fn start() -> Redis {
        let mut redis = Redis {
            address: free_address(),
            child: None,
        };
        redis.begin();
        redis
    }

    pub fn begin(&mut self) {
        let port = self.address.port().to_string();
        let child = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
                &port,
            ])
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server is not installed: apt install redis-server");
        self.child = Some(child);
        until_open(self.address, "redis-server");
    }

    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Redis {
    /// Sends a signal: STOP and CONT make it silent and let it go on.
    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.unwrap().success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A PostgreSQL server. It does not run as root, so as root it is run by `postgres`.
pub struct Postgres {
    pub address: SocketAddr,
    folder: PathBuf,
    child: Option<Child>,
}

fn postgres_program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|version| version.path().join("bin").join(name))
        .filter(|path| path.exists())
        .collect();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

fn as_postgres(program: &Path) -> Command {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"])
        .arg(program);
    command
}

impl Postgres {
    pub fn start() -> Postgres {
        let folder = folder();
        let data = folder.join("data");
        std::fs::create_dir(&data).unwrap();
        let _ = Command::new("chown")
            .arg("-R")
            .arg("postgres")
            .arg(&folder)
            .output();
        let made = as_postgres(&postgres_program("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", "dunlin", "--auth=trust", "--no-sync"])
            .current_dir("/")
            .output()
            .expect("initdb is not installed: apt install postgresql");
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let mut postgres = Postgres {
            address: free_address(),
            folder,
            child: None,
        };
        postgres.begin();
        postgres
    }

    pub fn begin(&mut self) {
        let child = as_postgres(&postgres_program("postgres"))
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", self.folder.display()))
            .arg("-p")
            .arg(self.address.port().to_string())
            .current_dir("/")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while !self.psql("select 1").status.success() {
            assert!(began.elapsed().as_secs() < 20, "postgres did not start");
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn psql(&self, statement: &str) -> std::process::Output {
        Command::new(postgres_program("psql"))
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                "dunlin",
                "-d",
                "postgres",
                "-v",
                "ON_ERROR_STOP=1",
                "-p",
            ])
            .arg(self.address.port().to_string())
            .args(["-c", statement])
            .output()
            .expect("psql is not installed: apt install postgresql")
    }

    /// Runs statements that have to succeed.
    pub fn setup(&self, statement: &str) {
        let done = self.psql(statement);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// From here on who connects needs a password.
    pub fn ask_for_passwords(&self) {
        let file = self.folder.join("data/pg_hba.conf");
        std::fs::write(&file, "host all all 127.0.0.1/32 scram-sha-256\n").unwrap();
        let id = self.child.as_ref().unwrap().id().to_string();
        let _ = Command::new("kill").args(["-HUP", &id]).output();
        thread::sleep(Duration::from_millis(300));
    }

    pub fn url(&self) -> String {
        format!("postgres://dunlin@{}/postgres", self.address)
    }

    /// SIGQUIT: at once, as a crash.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = Command::new("kill")
                .args(["-QUIT", &child.id().to_string()])
                .output();
            let _ = child.wait();
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A MariaDB server. As root it is run by `mysql`.
pub struct Maria {
    pub address: SocketAddr,
    folder: PathBuf,
    child: Option<Child>,
}

impl Maria {
    pub fn start() -> Maria {
        let folder = folder();
        let data = folder.join("data");
        let root = Command::new("id")
            .arg("-u")
            .output()
            .is_ok_and(|id| id.stdout == b"0\n");
        let user = if root {
            "--user=mysql"
        } else {
            "--skip-name-resolve"
        };
        if root {
            let _ = Command::new("chown").arg("mysql").arg(&folder).output();
        }
        let made = Command::new("mariadb-install-db")
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .args([user, "--auth-root-authentication-method=normal", "--skip-test-db"])
            .output()
            .expect("mariadb-install-db is not installed: apt install mariadb-server");
        assert!(
            made.status.success(),
            "mariadb-install-db: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let address = free_address();
        let program = ["/usr/sbin/mariadbd", "/usr/sbin/mysqld"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let child = Command::new(program.unwrap_or("mariadbd"))
            .arg("--no-defaults")
            .arg(format!("--datadir={}", data.display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            .arg(format!("--port={}", address.port()))
            .args([
                "--bind-address=127.0.0.1",
                user,
                "--skip-log-bin",
                "--innodb-flush-log-at-trx-commit=0",
            ])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("mariadbd is not installed: apt install mariadb-server");
        until_open(address, "mariadbd");
        Maria {
            address,
            folder,
            child: Some(child),
        }
    }

    /// Without a password; there is a database `mysql`.
    pub fn url(&self) -> String {
        format!("mysql://root@{}/mysql", self.address)
    }
}

impl Drop for Maria {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A small HTTP/1.1 server; `answer` sees the request line, the headers and the body.
pub struct Http {
    pub address: SocketAddr,
}

impl Http {
    pub fn start(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> Http {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = std::sync::Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let answer = std::sync::Arc::clone(&answer);
                thread::spawn(move || serve(stream, &*answer));
            }
        });
        Http { address }
    }
}

/// The same over TLS, with a certificate for `localhost` that signed itself.
pub struct Https {
    pub address: SocketAddr,
    /// The certificate in PEM.
    pub certificate: String,
}

impl Https {
    pub fn start(answer: impl Fn(&str, &str) -> Vec<u8> + Send + Sync + 'static) -> Https {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let certificate = made.cert.pem();
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let config = std::sync::Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let answer = std::sync::Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let tls = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
                let answer = std::sync::Arc::clone(&answer);
                thread::spawn(move || serve(rustls::StreamOwned::new(tls, stream), &*answer));
            }
        });
        Https { address, certificate }
    }
}

fn serve(mut stream: impl Read + Write, answer: &dyn Fn(&str, &str) -> Vec<u8>) {
    let mut buffer = Vec::new();
    loop {
        let head = loop {
            if let Some(at) = buffer.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk) {
                Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        };
        let text = String::from_utf8_lossy(&buffer[..head]).into_owned();
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length")
                .then(|| value.trim().parse::<usize>().ok())?
        });
        let length = length.unwrap_or(0);
        while buffer.len() < head + length {
            let mut chunk = [0; 4096];
            match stream.read(&mut chunk) {
                Ok(n) if n > 0 => buffer.extend_from_slice(&chunk[..n]),
                _ => return,
            }
        }
        let body = String::from_utf8_lossy(&buffer[head..head + length]).into_owned();
        buffer.drain(..head + length);
        if stream.write_all(&answer(&text, &body)).is_err() {
            return;
        }
    }
}

/// An answer with a body.
pub fn response(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// A server that takes connections and says nothing.
pub fn silent() -> (SocketAddr, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    (listener.local_addr().unwrap(), listener)
}
