use std::fs;
use std::path::PathBuf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};

use super::*;
use crate::config::tls::{ClientAuth, ClientCa};
use crate::transport::tls::{Authorities, Trusted};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    fn new(folder: &Path, name: &str) -> Self {
        Self::with(folder, name, Self::params(name))
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn with(folder: &Path, name: &str, params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let file = folder.join(format!("{name}.pem"));
        fs::write(&file, params.self_signed(&key).unwrap().pem()).unwrap();
        Self {
            issuer: Issuer::new(params, key),
            file,
        }
    }

    fn client(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let names = ["device-7.example", "192.0.2.7", "7@example"]
            .map(str::to_owned)
            .to_vec();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "device-7");
        params.serial_number = Some(SerialNumber::from(vec![0x12, 0xAB]));
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (
            cert.der().clone(),
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
    }
}

type Identity = Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>;

/// One connection: what the server read, and the `Io` for its peer.
fn connect(auth: ClientAuth, identity: impl FnOnce(&Authority) -> Identity) -> (io::Result<usize>, Io) {
    let data = tempfile::tempdir().unwrap();
    let authority = Authority::new(data.path(), "fleet");
    let settings = TlsSettings {
        client_ca: Some(ClientCa::File(authority.file.clone())),
        client_auth: auth,
        ..TlsSettings::default()
    };
    let acceptor = Acceptor::tls(
        server_config(&settings, data.path(), &["mqtt"], &Arc::default()).unwrap(),
        Limits::default(),
    );
    let identity = identity(&authority);
    let path = data.path().to_owned();
    block_on(async {
        let (mut io, client) = serve(&acceptor, move |stream| {
            let mut stream = tls_client(&path, stream, identity, &["mqtt"]);
            let written = stream.write_all(b"hello").and_then(|()| stream.flush());
            // With TLS 1.3 the client learns only now that it was refused.
            written.and_then(|()| stream.read(&mut [0; 10]))
        })
        .await;
        let got = read(&mut io, &mut [0; 100]).await;
        io.start_shutdown();
        let client = client.join().unwrap();
        assert_eq!(got.is_ok(), client.is_ok(), "{got:?} {client:?}");
        (got, io)
    })
}

#[test]
fn a_client_certificate_tells_who_it_is() {
    for auth in [ClientAuth::Required, ClientAuth::Optional] {
        let (got, io) = connect(auth, |authority| Some(authority.client()));
        assert_eq!(got.unwrap(), 5);
        let peer = io.peer();
        let facts = peer.certificate().unwrap();
        assert_eq!(facts.common_name.as_deref(), Some("device-7"));
        assert_eq!(
            facts.alternative_names,
            ["device-7.example", "192.0.2.7", "7@example"]
        );
        assert_eq!(facts.serial, "12AB");
        assert_eq!(facts.fingerprint.len(), 64);
        assert!(facts.valid.0 < facts.valid.1);
        assert_eq!(facts.authorities.len(), 1);
        assert_eq!(peer.server_name(), Some("localhost"));
        assert_eq!(peer.alpn(), Some("mqtt"));
    }
}

#[test]
fn no_certificate_is_fine_unless_required() {
    let (got, io) = connect(ClientAuth::Optional, |_| None);
    assert_eq!(got.unwrap(), 5);
    assert_eq!(io.peer().certificate(), None);
    let (got, _) = connect(ClientAuth::None, |authority| Some(authority.client()));
    assert_eq!(got.unwrap(), 5);
    let (got, _) = connect(ClientAuth::Required, |_| None);
    let error = got.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert!(error.to_string().starts_with("TLS handshake failed: "), "{error}");
}

#[test]
fn a_certificate_of_strangers_is_refused() {
    for auth in [ClientAuth::Required, ClientAuth::Optional] {
        let folder = tempfile::tempdir().unwrap();
        let (got, _) = connect(auth, |_| {
            Some(Authority::new(folder.path(), "strangers").client())
        });
        assert!(got.is_err());
    }
}

#[test]
fn bytes_that_are_not_tls_are_an_error_and_get_an_alert() {
    block_on(async {
        let data = tempfile::tempdir().unwrap();
        let acceptor = acceptor(ListenerKind::Tls, data.path(), Limits::default());
        let (mut io, client) = serve(&acceptor, |mut stream| {
            stream
                .write_all(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00")
                .unwrap();
            let mut alert = Vec::new();
            stream.read_to_end(&mut alert).unwrap();
            alert
        })
        .await;
        for _ in 0..2 {
            let error = read(&mut io, &mut [0; 100]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
        io.start_shutdown();
        assert_eq!(client.join().unwrap().first(), Some(&21), "an alert record");
    });
}

#[test]
fn the_demo_certificate_survives_a_restart() {
    let data = tempfile::tempdir().unwrap();
    let settings = TlsSettings::default();
    server_config(&settings, data.path(), &[], &Arc::default()).unwrap();
    let first = fs::read(data.path().join("tls/demo-cert.pem")).unwrap();
    server_config(&settings, data.path(), &[], &Arc::default()).unwrap();
    assert_eq!(fs::read(data.path().join("tls/demo-cert.pem")).unwrap(), first);
    let key = fs::metadata(data.path().join("tls/demo-key.pem")).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777,
        0o600
    );
}

#[test]
fn errors_name_the_file_and_the_way_out() {
    let data = tempfile::tempdir().unwrap();
    let at = |name: &str| Some(data.path().join(name));
    server_config(&TlsSettings::default(), data.path(), &[], &Arc::default()).unwrap();
    fs::write(data.path().join("empty.pem"), "hello").unwrap();
    fs::write(
        data.path().join("broken.pem"),
        "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n",
    )
    .unwrap();
    let other = KeyPair::generate().unwrap();
    fs::write(data.path().join("other-key.pem"), other.serialize_pem()).unwrap();
    let (cert, key) = (at("tls/demo-cert.pem"), at("tls/demo-key.pem"));

    let error = |cert: &Option<PathBuf>, key: &Option<PathBuf>, auth, ca: Option<PathBuf>| {
        let settings = TlsSettings {
            cert: cert.clone(),
            key: key.clone(),
            client_ca: ca.map(ClientCa::File),
            client_auth: auth,
        };
        server_config(&settings, data.path(), &[], &Arc::default())
            .unwrap_err()
            .to_string()
    };
    let none = ClientAuth::None;
    let says = |text: String, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "{text:?} does not say {part:?}");
        }
    };
    says(
        error(&at("gone.pem"), &key, none, None),
        &["certificate", "gone.pem", "No such file"],
    );
    says(
        error(&at("empty.pem"), &key, none, None),
        &["empty.pem", "`CERTIFICATE`"],
    );
    says(error(&at("broken.pem"), &key, none, None), &["broken.pem", "PEM"]);
    says(
        error(&cert, &cert, none, None),
        &["private key", "demo-cert.pem", "`PRIVATE KEY`"],
    );
    says(
        error(&cert, &at("other-key.pem"), none, None),
        &["demo-cert.pem", "other-key.pem"],
    );
    says(error(&cert, &None, none, None), &["`cert`", "`key`"]);
    says(error(&None, &key, none, None), &["`cert`", "`key`"]);
    says(error(&cert, &key, ClientAuth::Required, None), &["client_ca"]);
    says(
        error(&cert, &key, ClientAuth::Optional, at("empty.pem")),
        &["client CA file", "empty.pem"],
    );
}

/// A listener whose authorities come and go: one connection to it with a certificate of `authority`, or none.
fn connect_to(
    acceptor: &Acceptor,
    data: &Path,
    authority: Option<&Authority>,
) -> (io::Result<usize>, Vec<String>) {
    let identity = authority.map(Authority::client);
    let path = data.to_owned();
    block_on(async {
        let (mut io, client) = serve(acceptor, move |stream| {
            let mut stream = tls_client(&path, stream, identity, &[]);
            let written = stream.write_all(b"hello").and_then(|()| stream.flush());
            written.and_then(|()| stream.read(&mut [0; 10]))
        })
        .await;
        let got = read(&mut io, &mut [0; 100]).await;
        io.start_shutdown();
        assert_eq!(got.is_ok(), client.join().unwrap().is_ok());
        let shown = io.certificate().is_some();
        let certificate = io.peer().certificate();
        assert_eq!(shown, certificate.is_some());
        let vouching = certificate.into_iter().flat_map(|facts| &facts.authorities);
        (got, vouching.map(|one| one.fingerprint.clone()).collect())
    })
}

#[test]
fn registered_authorities_count_from_the_moment_on_that_they_are_there() {
    let data = tempfile::tempdir().unwrap();
    let (ours, other) = (
        Authority::new(data.path(), "ours"),
        Authority::new(data.path(), "other"),
    );
    let trusted = |authority: &Authority| {
        let der = CertificateDer::from_pem_file(&authority.file).unwrap();
        Trusted::while_valid(&der).unwrap()
    };
    let fingerprint = |authority: &Authority| {
        let der = CertificateDer::from_pem_file(&authority.file).unwrap();
        crate::transport::tls::certificate::fingerprint_of(&der)
    };
    for (auth, without) in [(ClientAuth::Required, false), (ClientAuth::Optional, true)] {
        let authorities = Arc::new(Authorities::default());
        let settings = TlsSettings {
            client_ca: Some(ClientCa::Registered),
            client_auth: auth,
            ..TlsSettings::default()
        };
        let tls = server_config(&settings, data.path(), &[], &authorities).unwrap();
        let acceptor = Acceptor::tls(tls, Limits::default());
        let connect = |authority| connect_to(&acceptor, data.path(), authority);
        // Nobody is registered.
        let (refused, _) = connect(Some(&ours));
        assert!(refused.unwrap_err().to_string().contains("UnknownIssuer"));
        assert_eq!(connect(None).0.is_ok(), without);
        authorities.replace(vec![trusted(&other), trusted(&ours)]);
        let (got, vouching) = connect(Some(&ours));
        assert_eq!((got.unwrap(), vouching), (5, vec![fingerprint(&ours)]));
        let (_, vouching) = connect(Some(&other));
        assert_eq!(vouching, [fingerprint(&other)]);
        assert_eq!(connect(None).0.is_ok(), without);
        authorities.replace(vec![trusted(&other)]);
        assert!(connect(Some(&ours)).0.is_err());
    }
}

#[test]
fn an_authority_whose_time_is_over_vouches_for_nobody() {
    let data = tempfile::tempdir().unwrap();
    let settings = TlsSettings {
        client_ca: Some(ClientCa::Registered),
        client_auth: ClientAuth::Required,
        ..TlsSettings::default()
    };
    let mut old = Authority::params("old");
    old.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let old = Authority::with(data.path(), "old", old);
    let der = CertificateDer::from_pem_file(&old.file).unwrap();
    let authorities = Arc::new(Authorities::default());
    authorities.replace(vec![Trusted::while_valid(&der).unwrap()]);
    let tls = server_config(&settings, data.path(), &[], &authorities).unwrap();
    let acceptor = Acceptor::tls(tls, Limits::default());
    assert!(connect_to(&acceptor, data.path(), Some(&old)).0.is_err());
    // A file that an operator has named says enough.
    authorities.replace(vec![Trusted::always(&der).unwrap()]);
    assert!(connect_to(&acceptor, data.path(), Some(&old)).0.is_ok());
}

#[test]
fn a_serial_number_is_written_as_openssl_writes_it() {
    let data = tempfile::tempdir().unwrap();
    let serial = |bytes: Vec<u8>| {
        let mut params = Authority::params("x");
        params.serial_number = Some(SerialNumber::from(bytes));
        let authority = Authority::with(data.path(), "x", params);
        let der = CertificateDer::from_pem_file(&authority.file).unwrap();
        let (_, read) = x509_parser::parse_x509_certificate(&der).unwrap();
        crate::transport::tls::certificate::serial(&read)
    };
    assert_eq!(serial(vec![0xF0, 0x01]), "F001");
    assert_eq!(serial(vec![0x0A]), "0A");
    assert_eq!(serial(vec![0]), "00");
}
