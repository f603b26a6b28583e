//! Real listeners on loopback.

use std::cell::RefCell;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::transport::Acceptor;

fn local(port: u16) -> BindAddress {
    BindAddress::Tcp(([127, 0, 0, 1], port).into())
}

fn options(shards: usize) -> BindOptions {
    BindOptions {
        shards,
        ..BindOptions::default()
    }
}

fn tcp_address(bound: &Bound) -> std::net::SocketAddr {
    match &bound.address {
        BindAddress::Tcp(address) => *address,
        other => panic!("{other}"),
    }
}

fn open_gate(max_connections: usize) -> std::sync::Arc<Gate> {
    Gate::new(GateSettings {
        max_connections,
        rate: None,
        burst: 1,
    })
}

fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::time::timeout(Duration::from_secs(30), future)
            .await
            .expect("test hangs")
    })
}

/// Sockets of the same shard set share a port that the system chose, and all of them get connections.
#[test]
fn port_0_opens_one_port_for_all_shards() {
    let bound = bind("tcp", &local(0), options(3)).unwrap();
    let address = tcp_address(&bound);
    assert_ne!(address.port(), 0);
    assert_eq!(bound.sockets.len(), 3);
    let _clients: Vec<_> = (0..200).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut total = 0;
    for socket in &bound.sockets {
        let ShardListener::Tcp(listener) = socket else {
            panic!()
        };
        let mine = std::iter::from_fn(|| listener.accept().ok()).count();
        assert!(mine > 0, "a shard got nothing");
        total += mine;
    }
    assert_eq!(total, 200);
}

#[test]
fn a_second_broker_is_told_that_the_address_is_in_use() {
    let first = bind("tcp", &local(0), options(2)).unwrap();
    let error = bind("tcp", &first.address, options(2)).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");
    let text = error.to_string();
    let address = first.address.to_string();
    assert!(
        text.contains("`tcp`") && text.contains(&address) && text.contains("listeners.tcp.bind"),
        "{text}"
    );
    drop(first.sockets);
    bind("tcp", &first.address, options(2)).unwrap();
}

/// A restart does not wait for the connections of the last run to time out.
#[test]
fn connections_in_time_wait_do_not_hold_the_port() {
    let bound = bind("tcp", &local(0), options(1)).unwrap();
    let ShardListener::Tcp(listener) = &bound.sockets[0] else {
        panic!()
    };
    listener.set_nonblocking(false).unwrap();
    let mut client = TcpStream::connect(tcp_address(&bound)).unwrap();
    drop(listener.accept().unwrap());
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    drop(client);
    let address = bound.address.clone();
    drop(bound);
    bind("tcp", &address, options(2)).unwrap();
}

#[test]
fn addresses_of_other_machines_are_refused_in_words() {
    let address = "192.0.2.1:18830".parse().unwrap();
    let error = bind("ws", &address, options(1)).unwrap_err();
    assert!(
        error.to_string().contains("this machine has no such address"),
        "{error}"
    );
}

#[test]
fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("s");
    let address = BindAddress::Unix(path.clone());
    drop(UnixListener::bind(&path).unwrap());
    let bound = bind(
        "unix",
        &address,
        BindOptions {
            unix_mode: 0o600,
            ..options(4)
        },
    )
    .unwrap();
    assert_eq!(bound.sockets.len(), 1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    UnixStream::connect(&path).unwrap();
    let error = bind("unix", &address, options(1)).unwrap_err();
    assert!(matches!(error, BindError::InUse { .. }), "{error}");

    let file = folder.path().join("precious");
    fs::write(&file, "data").unwrap();
    let error = bind("unix", &BindAddress::Unix(file.clone()), options(1)).unwrap_err();
    assert!(matches!(error, BindError::NotASocket { .. }), "{error}");
    assert_eq!(fs::read(&file).unwrap(), b"data");
}

#[test]
fn connections_over_the_limit_are_closed_at_once() {
    run(async {
        let mut bound = bind("tcp", &local(0), options(1)).unwrap();
        let address = tcp_address(&bound);
        let gate = open_gate(2);
        let inside = Rc::new(RefCell::new(Vec::new()));
        let table = inside.clone();
        let accepting = tokio::task::spawn_local(accept_loop(
            bound.sockets.remove(0),
            Acceptor::tcp(),
            gate.clone(),
            move |io, permit| table.borrow_mut().push((io, permit)),
        ));
        let ended = |mut client: TcpStream| {
            tokio::task::spawn_blocking(move || {
                client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
                matches!(client.read(&mut [0; 1]), Ok(0))
            })
        };
        let first = TcpStream::connect(address).unwrap();
        let second = TcpStream::connect(address).unwrap();
        let third = TcpStream::connect(address).unwrap();
        assert!(ended(third).await.unwrap());
        assert!(!ended(first.try_clone().unwrap()).await.unwrap());
        assert_eq!((gate.connections(), gate.refused()), (2, 1));

        inside.borrow_mut().pop();
        let fourth = TcpStream::connect(address).unwrap();
        assert!(!ended(fourth).await.unwrap());
        assert_eq!(gate.connections(), 2);

        gate.drain();
        accepting.await.unwrap().unwrap();
        assert!(
            TcpStream::connect(address).is_err(),
            "the listening socket is closed"
        );
        assert_eq!(inside.borrow().len(), 2, "those inside stay");
        drop((first, second));
    });
}

#[test]
fn unix_connections_come_in() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let mut bound = bind("unix", &BindAddress::Unix(path.clone()), options(1)).unwrap();
        let gate = open_gate(10);
        let closing = gate.clone();
        let client = std::thread::spawn(move || {
            let mut stream = UnixStream::connect(path).unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            text
        });
        let served = accept_loop(
            bound.sockets.remove(0),
            Acceptor::unix(),
            gate,
            |mut io, _permit| {
                io.try_write(&[std::io::IoSlice::new(b"welcome")]).unwrap();
                closing.drain();
            },
        );
        served.await.unwrap();
        assert_eq!(client.join().unwrap(), "welcome");
    });
}

/// With no file descriptor left the loop waits, does not spin, and goes on when there is one again.
#[test]
fn running_out_of_files_is_waited_out() {
    let child = Command::new("sh")
        .arg("-c")
        .arg(format!(
            "ulimit -n 40; exec '{}' --exact listener::tests::child_with_few_files --ignored --test-threads=1",
            std::env::current_exe().unwrap().display()
        ))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "runs in a process of its own, see above"]
fn child_with_few_files() {
    run(async {
        let mut bound = bind("tcp", &local(0), options(1)).unwrap();
        let address = tcp_address(&bound);
        let inside = Rc::new(RefCell::new(Vec::new()));
        let table = inside.clone();
        tokio::task::spawn_local(accept_loop(
            bound.sockets.remove(0),
            Acceptor::tcp(),
            open_gate(1000),
            move |io, permit| table.borrow_mut().push((io, permit)),
        ));
        let mut stat = fs::File::open("/proc/self/stat").unwrap();
        // Nothing is accepted before the first await, so these take every descriptor there is.
        let mut clients: Vec<_> = std::iter::from_fn(|| TcpStream::connect(address).ok()).collect();
        assert!(clients.len() > 10);
        let before = cpu_ticks(&mut stat);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(inside.borrow().is_empty());
        clients.truncate(clients.len() / 2);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert!(
            inside.borrow().len() >= clients.len(),
            "nobody was accepted after there was room again"
        );
        assert!(cpu_ticks(&mut stat) - before < 50, "the loop spins");
    });
}

/// Hundredths of a second of CPU that this process has used. Reads an open file: the test has no descriptor to spare.
fn cpu_ticks(stat: &mut fs::File) -> u64 {
    let mut text = String::new();
    stat.seek(SeekFrom::Start(0)).unwrap();
    stat.read_to_string(&mut text).unwrap();
    let fields: Vec<u64> = text.split(' ').map(|field| field.parse().unwrap_or(0)).collect();
    fields[13] + fields[14]
}
