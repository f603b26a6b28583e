//! Client certificates of registered authorities, over real TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use crate::support::{self, Broker, Connect, broker::free_address, packets::*, sleep};
use crate::{ONE, Product, TWO, device, device_in};

/// Another policy whose logins never end, as far as it is concerned.
const PROLONGS: &str =
    "return { expiring = function(ctx, at, ended) return { expires_at = os.time() + 1000 } end }";

/// Who signs certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, in PEM.
struct Identity {
    cert: String,
    key: String,
}

fn params(name: &str, serial: u8) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    params
}

impl Authority {
    fn new(name: &str, serial: u8) -> Authority {
        let mut params = params(name, serial);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Authority { issuer, pem }
    }

    fn signs(&self, name: &str, serial: u8) -> Identity {
        let key = KeyPair::generate().unwrap();
        let cert = params(name, serial).signed_by(&key, &self.issuer).unwrap();
        Identity {
            cert: cert.pem(),
            key: key.serialize_pem(),
        }
    }
}

/// A broker with a listener that asks for certificates.
struct Fleet {
    product: Product,
    address: SocketAddr,
    files: PathBuf,
}

impl Fleet {
    fn start(kind: &str, client_auth: &str, policy: &str, settings: &[&str]) -> Fleet {
        Fleet::with(kind, client_auth, policy, &[], settings)
    }

    /// With another policy, which has every login go on.
    fn prolonged() -> Fleet {
        Fleet::with("tls", "required", "", &["prolongs"], &[])
    }

    fn with(kind: &str, client_auth: &str, policy: &str, besides: &[&str], settings: &[&str]) -> Fleet {
        let (address, files) = (free_address(), support::broker::folder());
        let script = support::broker::root().join("scripts/auth_certificate.lua");
        let mut more = format!(
            "[listeners.{kind}]\nbind = \"{address}\"\nclient_auth = \"{client_auth}\"\nclient_ca = \"registered\"\n\
             [[policy]]\nname = \"auth_certificate\"\nscript = {script:?}\nsettings = {{ {policy} }}\n"
        );
        for name in besides {
            let script = files.join(name).with_extension("lua");
            std::fs::write(&script, PROLONGS).unwrap();
            more += &format!("[[policy]]\nname = {name:?}\nscript = {script:?}\n");
        }
        let product = Product::with(&more, settings);
        Fleet {
            product,
            address,
            files,
        }
    }

    fn broker(&self) -> &Broker {
        &self.product.broker
    }

    /// What it says, when it goes well.
    #[track_caller]
    fn ctl(&self, arguments: &[&str]) -> String {
        let (went_well, said) = self.product.ctl(arguments);
        assert!(went_well, "{arguments:?}: {said}");
        said
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], sentence: &str) {
        let (went_well, said) = self.product.ctl(arguments);
        assert!(!went_well && said.contains(sentence), "{arguments:?}: {said}");
    }

    /// Puts a text into a file.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.files.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn register(&self, instance: &str, authority: &Authority) {
        let code = self.ctl(&["ca", "code", "-i", instance]);
        let cert = self.file("ca.pem", &authority.pem);
        let verification = self.file("verification.pem", &authority.signs(code.trim(), 99).cert);
        let files = ["--cert", &cert, "--verification", &verification];
        let said = self.ctl(&[&["ca", "register", "--name", "fleet", "-i", instance][..], &files].concat());
        assert!(said.contains("active"), "{said}");
    }

    /// The certificates that are registered: `CA/SERIAL STATUS`.
    fn certificates(&self) -> Vec<String> {
        let said = self.ctl(&["certificate", "list", "--json"]);
        let rows = said
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        rows.map(|row| {
            format!(
                "{}/{} {}",
                text(&row, "ca_sn"),
                text(&row, "sn"),
                text(&row, "status")
            )
        })
        .collect()
    }

    /// Waits until these are registered, and no others.
    #[track_caller]
    fn has_certificates(&self, wanted: &[&str]) {
        let began = Instant::now();
        while self.certificates() != wanted {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{:?}",
                self.certificates()
            );
            sleep(10);
        }
    }

    /// The handshake, and what the first bytes are answered with.
    fn open(&self, identity: Option<&Identity>, first: &[u8]) -> io::Result<Tls> {
        let mut tls = Tls::new(self.address, self.broker().data(), identity);
        tls.stream.write_all(first)?;
        tls.stream.flush()?;
        tls.fill()?;
        Ok(tls)
    }

    /// CONNECT and the code of CONNACK; an error is what the handshake comes to.
    fn connect(&self, connect: &Connect, identity: Option<&Identity>) -> io::Result<(u8, Tls)> {
        let mut tls = self.open(identity, &connect.bytes())?;
        loop {
            if let Some(packet) = take_packet(&mut tls.bytes, connect.version) {
                assert_eq!(packet.kind, CONNACK, "{packet:02x?}");
                return Ok((packet.code(), tls));
            }
            tls.fill()?;
        }
    }

    /// Is let in.
    #[track_caller]
    fn enter(&self, name: &str, identity: &Identity) -> Tls {
        match self.connect(&device(V5, name), Some(identity)) {
            Ok((0, tls)) => tls,
            Ok((code, _)) => panic!("CONNACK 0x{code:02x}\n{}", self.broker().log_tail()),
            Err(error) => panic!("{error}\n{}", self.broker().log_tail()),
        }
    }

    /// Is refused in the handshake.
    #[track_caller]
    fn is_no_handshake(&self, identity: Option<&Identity>, alert: &str) {
        match self.connect(&device(V5, "x"), identity) {
            Ok((code, _)) => panic!("CONNACK 0x{code:02x}"),
            Err(error) => assert!(error.to_string().contains(alert), "{error}"),
        }
    }

    /// The code of CONNACK.
    #[track_caller]
    fn answer(&self, connect: &Connect, identity: Option<&Identity>) -> u8 {
        self.connect(connect, identity).unwrap().0
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.files);
    }
}

struct Tls {
    stream: StreamOwned<ClientConnection, TcpStream>,
    bytes: Vec<u8>,
}

impl Tls {
    fn new(address: SocketAddr, data: &Path, identity: Option<&Identity>) -> Tls {
        let mut roots = RootCertStore::empty();
        let server = CertificateDer::from_pem_file(data.join("tls/demo-cert.pem")).unwrap();
        roots.add(server).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => builder.with_no_client_auth(),
            Some(Identity { cert, key }) => {
                let cert = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![cert], key).unwrap()
            }
        };
        let name = ServerName::try_from("localhost").unwrap();
        let connection = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        Tls {
            stream: StreamOwned::new(connection, socket),
            bytes: Vec::new(),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = [0; 4096];
        match self.stream.read(&mut chunk)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                self.bytes.extend_from_slice(&chunk[..n]);
                Ok(())
            }
        }
    }

    /// It is still there: PINGREQ is answered.
    #[track_caller]
    fn ping(&mut self) {
        self.stream.write_all(&pingreq()).unwrap();
        while self.bytes.len() < 2 {
            self.fill().unwrap();
        }
        assert_eq!(take_packet(&mut self.bytes, V5).unwrap().kind, PINGRESP);
    }

    /// It is told why and ended, within a second.
    #[track_caller]
    fn ends(mut self, code: u8) {
        let began = Instant::now();
        while self.fill().is_ok() {}
        let took = began.elapsed();
        println!("ended after {took:?}");
        assert!(took < Duration::from_secs(10), "{took:?}");
        let packet = take_packet(&mut self.bytes, V5).expect("closed without DISCONNECT");
        assert_eq!((packet.kind, packet.code()), (DISCONNECT, code), "{packet:02x?}");
    }
}

#[test]
fn devices_of_a_registered_authority_come_in_and_are_registered() {
    let fleet = Fleet::start("tls", "required", "", &[]);
    let (ours, theirs) = (Authority::new("ours", 0xA1), Authority::new("theirs", 0xB1));
    let (truck, car) = (ours.signs("truck", 0xF1), ours.signs("car", 2));
    fleet.is_no_handshake(Some(&truck), "UnknownCA");
    fleet.is_no_handshake(None, "CertificateRequired");
    fleet.register(ONE, &ours);
    let mut first = fleet.enter("truck", &truck);
    fleet.has_certificates(&["A1/F1 active"]);
    // That it was registered is no reason to end its login, and no other change of authorities touches it.
    fleet.register(ONE, &theirs);
    fleet.enter("car", &car);
    fleet.has_certificates(&["A1/02 active", "A1/F1 active"]);
    first.ping();
    fleet.is_no_handshake(None, "CertificateRequired");
    fleet.is_no_handshake(Some(&Authority::new("ours", 0xA1).signs("x", 3)), "");
    let shown = fleet.ctl(&["certificate", "show", "a1", "f1"]);
    assert!(
        shown.contains("truck") && shown.contains("BEGIN CERTIFICATE"),
        "{shown}"
    );
    // Its own name does not make it another's.
    fleet.ctl(&["ca", "delete", "B1"]);
    first.ping();
}

#[test]
fn an_authority_that_is_deactivated_keeps_its_devices_out() {
    let fleet = Fleet::prolonged();
    let (ours, theirs) = (Authority::new("ours", 1), Authority::new("theirs", 2));
    fleet.register(ONE, &ours);
    fleet.register(ONE, &theirs);
    let (truck, other) = (ours.signs("truck", 7), theirs.signs("other", 7));
    let (in_time, mut stays) = (fleet.enter("truck", &truck), fleet.enter("other", &other));
    fleet.has_certificates(&["01/07 active", "02/07 active"]);
    let said = fleet.ctl(&["ca", "deactivate", "01"]);
    assert_eq!(
        said.trim(),
        "01: inactive; devices with its certificates are kept out"
    );
    in_time.ends(0x87);
    fleet.is_no_handshake(Some(&truck), "UnknownCA");
    stays.ping();
    fleet.ctl(&["ca", "activate", "01"]);
    let again = fleet.enter("truck", &truck);
    fleet.ctl(&["ca", "delete", "01"]);
    again.ends(0x87);
    fleet.is_no_handshake(Some(&truck), "UnknownCA");
    fleet.has_certificates(&["02/07 active"]);
    stays.ping();
}

#[test]
fn a_certificate_that_is_deactivated_keeps_its_device_out() {
    let fleet = Fleet::prolonged();
    let ours = Authority::new("ours", 1);
    fleet.register(ONE, &ours);
    let (truck, other) = (ours.signs("truck", 7), ours.signs("other", 8));
    let (in_time, mut stays) = (fleet.enter("truck", &truck), fleet.enter("other", &other));
    fleet.has_certificates(&["01/07 active", "01/08 active"]);
    fleet.ctl(&["certificate", "deactivate", "01", "07"]);
    in_time.ends(0x87);
    assert_eq!(fleet.answer(&device(V5, "truck"), Some(&truck)), 0x87);
    assert_eq!(fleet.answer(&device(V311, "truck"), Some(&truck)), 5);
    // What an operator has deactivated no login activates.
    fleet.has_certificates(&["01/07 inactive", "01/08 active"]);
    fleet.ctl(&["certificate", "activate", "01", "07"]);
    let again = fleet.enter("truck", &truck);
    stays.ping();
    // Forgotten, it is one that nobody knows: another policy may have the login go on.
    fleet.ctl(&["certificate", "delete", "01", "08"]);
    stays.ping();
    drop(again);
}

#[test]
fn a_login_ends_with_its_records_where_no_policy_says_otherwise() {
    let fleet = Fleet::start("tls", "required", "username_required = false", &[]);
    let ours = Authority::new("ours", 1);
    fleet.register(ONE, &ours);
    let (truck, other) = (ours.signs("truck", 7), ours.signs("other", 8));
    let (in_time, also) = (fleet.enter("truck", &truck), fleet.enter("other", &other));
    fleet.has_certificates(&["01/07 active", "01/08 active"]);
    fleet.ctl(&["certificate", "delete", "01", "07"]);
    in_time.ends(0x87);
    fleet.enter("truck", &truck);
    fleet.has_certificates(&["01/07 active", "01/08 active"]);
    fleet.ctl(&["ca", "deactivate", "01"]);
    also.ends(0x87);
}

#[test]
fn an_authority_counts_in_its_own_instance_alone() {
    let fleet = Fleet::start("tls", "optional", "username_required = false", &[]);
    let ours = Authority::new("ours", 1);
    // Somebody else's, with the number of ours.
    let theirs = Authority::new("theirs", 1);
    fleet.register(ONE, &ours);
    let truck = ours.signs("truck", 7);
    assert_eq!(fleet.answer(&device(V5, "truck"), Some(&truck)), 0);
    assert_eq!(fleet.answer(&device_in(TWO, V5, "truck"), Some(&truck)), 0x87);
    fleet.register(TWO, &theirs);
    let car = theirs.signs("car", 7);
    assert_eq!(fleet.answer(&device_in(TWO, V5, "car"), Some(&car)), 0);
    assert_eq!(fleet.answer(&device(V5, "car"), Some(&car)), 0x87);
    assert_eq!(fleet.answer(&device_in(TWO, V5, "truck"), Some(&truck)), 0x87);
    // One authority may be registered in both.
    fleet.ctl(&["ca", "delete", "01", "-i", TWO]);
    fleet.register(TWO, &ours);
    assert_eq!(fleet.answer(&device_in(TWO, V5, "truck"), Some(&truck)), 0);
    fleet.ctl(&["ca", "deactivate", "01", "-i", TWO]);
    assert_eq!(fleet.answer(&device_in(TWO, V5, "truck"), Some(&truck)), 0x87);
    assert_eq!(fleet.answer(&device(V5, "truck"), Some(&truck)), 0);
    // Who shows none is left to others.
    assert_eq!(fleet.answer(&device(V5, "plain"), None), 0);
}

#[test]
fn secure_websockets_ask_the_same_authorities() {
    let fleet = Fleet::start("wss", "required", "", &[]);
    let ours = Authority::new("ours", 1);
    let truck = ours.signs("truck", 7);
    let upgrade = "GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    assert!(fleet.open(Some(&truck), upgrade.as_bytes()).is_err());
    fleet.register(ONE, &ours);
    let tls = fleet.open(Some(&truck), upgrade.as_bytes()).unwrap();
    assert!(tls.bytes.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn an_instance_has_so_many_certificates_and_authorities_as_it_may() {
    let settings = ["limits.device_certificates=1", "limits.ca_certificates=1"];
    let fleet = Fleet::start("tls", "required", "", &settings);
    let ours = Authority::new("ours", 1);
    fleet.register(ONE, &ours);
    fleet.enter("truck", &ours.signs("truck", 7));
    fleet.has_certificates(&["01/07 active"]);
    fleet.enter("car", &ours.signs("car", 8)).ping();
    let began = Instant::now();
    while !fleet.broker().log().contains("limits.device_certificates") {
        assert!(began.elapsed() < Duration::from_secs(5));
        sleep(10);
    }
    assert_eq!(fleet.certificates(), ["01/07 active"]);
    let cert = fleet.file("ca.pem", &Authority::new("more", 2).pem);
    let more = [
        "ca",
        "register",
        "--name",
        "x",
        "--cert",
        &cert,
        "--verification",
        &cert,
    ];
    fleet.refuses(
        &more,
        "1 CA certificates, as many as it may (limits.ca_certificates)",
    );
}

#[test]
fn what_ctl_says_of_certificates() {
    let fleet = Fleet::start("tls", "optional", "", &[]);
    let ours = Authority::new("ours", 0xAB);
    let ca = fleet.file("ca.pem", &ours.pem);
    let not_yet = fleet.file("v.pem", &ours.signs("x", 2).cert);
    let register = |cert: &str, verification: &str| {
        let files = ["--cert", cert, "--verification", verification];
        [&["ca", "register", "--name", "fleet"][..], &files]
            .concat()
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let refuses = |cert: &str, verification: &str, sentence: &str| {
        let arguments = register(cert, verification);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        fleet.refuses(&arguments, sentence);
    };
    refuses(
        &ca,
        &not_yet,
        "the instance has no registration code yet; `dunlin ctl ca code` makes one",
    );
    let code = fleet.ctl(&["ca", "code"]);
    assert_eq!(fleet.ctl(&["ca", "code"]), code);
    assert_ne!(fleet.ctl(&["ca", "code", "-i", TWO]), code);
    refuses(
        &ca,
        &not_yet,
        "the common name of the verification certificate is `x`",
    );
    let good = fleet.file("good.pem", &ours.signs(code.trim(), 2).cert);
    refuses(&good, &good, "the CA certificate is not one of an authority");
    let stranger = fleet.file("s.pem", &Authority::new("ours", 0xAB).signs(code.trim(), 2).cert);
    refuses(
        &ca,
        &stranger,
        "the verification certificate is not signed by the CA certificate",
    );
    refuses(
        "/nowhere.pem",
        &good,
        "/nowhere.pem cannot be read: No such file or directory",
    );
    let empty = fleet.file("empty.pem", "");
    refuses(
        &empty,
        &good,
        "the CA certificate is no certificate in PEM; it begins with",
    );
    fleet.register(ONE, &ours);
    refuses(&ca, &good, "the CA certificate AB is registered already");
    let list = fleet.ctl(&["ca", "list"]);
    assert!(
        list.contains("AB") && list.contains("fleet") && list.contains("active"),
        "{list}"
    );
    let shown = fleet.ctl(&["ca", "show", "ab"]);
    assert!(
        shown.contains(code.trim()) && shown.contains("BEGIN CERTIFICATE"),
        "{shown}"
    );
    for what in ["show", "activate", "deactivate", "delete"] {
        let sentence = "no CA certificate with the serial number AC is registered; `dunlin ctl ca list` shows those that are";
        fleet.refuses(&["ca", what, "AC"], sentence);
        let sentence =
            "no device certificate AB/07 is registered; `dunlin ctl certificate list` shows those that are";
        fleet.refuses(&["certificate", what, "AB", "07"], sentence);
        fleet.refuses(&["certificate", what, "AB", "x"], "`x` is no serial number");
        fleet.refuses(
            &["ca", what, "AB", "-i", "mqtt-none"],
            "there is no instance `mqtt-none`",
        );
    }
    fleet.refuses(&["certificate", "list", "--ca", "x"], "`x` is no serial number");
    assert_eq!(
        fleet.ctl(&["ca", "deactivate", "ab"]).trim(),
        "ab: inactive; devices with its certificates are kept out"
    );
    assert!(fleet.ctl(&["ca", "list"]).contains("inactive"));
    let said = fleet.ctl(&["ca", "delete", "AB"]);
    assert_eq!(
        said.trim(),
        "AB: deleted, with what was known of its devices' certificates"
    );
}

#[test]
fn mosquitto_comes_in_with_a_certificate() {
    let fleet = Fleet::start("tls", "required", "", &[]);
    let ours = Authority::new("ours", 1);
    let truck = ours.signs("truck", 7);
    let (cert, key) = (
        fleet.file("cert.pem", &truck.cert),
        fleet.file("key.pem", &truck.key),
    );
    let server = fleet.broker().data().join("tls/demo-cert.pem");
    let publish = || {
        let mut command = Command::new("mosquitto_pub");
        command.args(["-h", "localhost", "-p", &fleet.address.port().to_string()]);
        command.args(["-i", "GID_Test@@@truck", "-t", "T1/a", "-m", "x", "-q", "1"]);
        command
            .arg("--cafile")
            .arg(&server)
            .args(["--cert", &cert, "--key", &key]);
        let output = command.output();
        output.expect("mosquitto_pub is not installed: run tests/run once, it installs what the tests need")
    };
    assert!(!publish().status.success());
    fleet.register(ONE, &ours);
    let output = publish();
    assert!(output.status.success(), "{output:?}");
    fleet.has_certificates(&["01/07 active"]);
    fleet.ctl(&["certificate", "deactivate", "01", "07"]);
    assert!(!publish().status.success());
}
