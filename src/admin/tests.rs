use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;
use crate::metrics::{Exporter, Metrics};

struct Running {
    address: SocketAddr,
    readiness: Arc<Readiness>,
    stop: tokio::sync::oneshot::Sender<()>,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn start(connections: usize, request_timeout: Duration) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let readiness = Arc::new(Readiness::default());
    let exporter = Arc::new(Exporter::new(Metrics::new(1)));
    let state = AdminState {
        exporter,
        readiness: readiness.clone(),
        connections,
        request_timeout,
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(serve(listener, state, async {
        let _ = stopped.await;
    }));
    Running {
        address,
        readiness,
        stop,
        task,
    }
}

async fn ask(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn each_path_has_its_answer() {
    let admin = start(4, Duration::from_secs(5));
    let health = ask(admin.address, "GET /healthz").await;
    assert!(
        health.starts_with("HTTP/1.1 200") && health.ends_with("the process is alive\n"),
        "{health}"
    );
    let metrics = ask(admin.address, "GET /metrics?x=1").await;
    assert!(
        metrics.contains("openmetrics-text") && metrics.ends_with("# EOF\n"),
        "{metrics}"
    );
    let nothing = ask(admin.address, "GET /metrcs").await;
    assert!(nothing.starts_with("HTTP/1.1 404"), "{nothing}");
    assert!(
        nothing.ends_with("there is nothing at /metrcs; there are /metrics, /healthz and /readyz\n"),
        "{nothing}"
    );
    let post = ask(admin.address, "POST /metrics").await;
    assert!(
        post.starts_with("HTTP/1.1 405") && post.contains("allow: GET, HEAD"),
        "{post}"
    );
    admin.stop.send(()).unwrap();
    admin.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn ready_follows_the_life_of_the_broker_and_never_goes_back() {
    let admin = start(4, Duration::from_secs(5));
    assert!(
        ask(admin.address, "GET /readyz")
            .await
            .starts_with("HTTP/1.1 503")
    );
    admin.readiness.advance(State::Ready);
    assert!(
        ask(admin.address, "GET /readyz")
            .await
            .starts_with("HTTP/1.1 200")
    );
    admin.readiness.advance(State::Draining);
    admin.readiness.advance(State::Ready);
    let draining = ask(admin.address, "GET /readyz").await;
    assert!(
        draining.starts_with("HTTP/1.1 503") && draining.contains("draining"),
        "{draining}"
    );
}

#[tokio::test]
async fn a_silent_client_does_not_keep_its_place() {
    let admin = start(1, Duration::from_millis(50));
    let _silent = TcpStream::connect(admin.address).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    let answer = tokio::time::timeout(Duration::from_secs(5), ask(admin.address, "GET /healthz"))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
