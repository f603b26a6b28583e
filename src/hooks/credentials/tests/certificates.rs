//! Certificates, made here.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};

use super::*;
use crate::hooks::client::TlsInfo;
use crate::hooks::credentials::certificates::{NewCertificate, Status, chain_serial, is_new, rests_on};
use crate::hooks::credentials::{registered, trusted, x509};

/// An authority of this name; its certificate has this serial number.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new(name: &str, serial: u8) -> Self {
        Self::of(Self::params(name, serial))
    }

    fn params(name: &str, serial: u8) -> CertificateParams {
        let mut params = params(name, serial);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
    }

    fn of(params: CertificateParams) -> Self {
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { issuer, pem }
    }

    /// A certificate that it signs, in PEM.
    fn signs(&self, name: &str, serial: u8) -> String {
        let key = KeyPair::generate().unwrap();
        params(name, serial).signed_by(&key, &self.issuer).unwrap().pem()
    }
}

fn params(name: &str, serial: u8) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(vec![serial]));
    params
}

/// Registers it, with everything in order.
async fn register(registry: &Registry, authority: &Authority) -> Done<CaCertificate> {
    let code = of(registry).registration_code().await.unwrap();
    let verification = authority.signs(&code, 9);
    of(registry)
        .register_ca("fleet", &authority.pem, &verification)
        .await
}

fn der(pem: &str) -> Box<[u8]> {
    (*x509::of_pem("it", pem).unwrap()).into()
}

#[tokio::test]
async fn an_authority_is_registered_once_and_is_active_then() {
    let registry = Registry::default();
    let code = of(&registry).registration_code().await.unwrap();
    assert_eq!(of(&registry).registration_code().await.unwrap(), code);
    let authority = Authority::new("a", 0xA1);
    let made = register(&registry, &authority).await.unwrap();
    assert_eq!((made.sn.as_str(), made.status), ("A1", Status::Active));
    assert_eq!(made.registration_code, code);
    assert_eq!(of(&registry).ca("a1").unwrap(), made);
    let kept = kept(&registry, kind::CA_CERTIFICATE, "A1");
    assert_eq!(kept["status"], "1");
    assert_eq!(kept["valid_begin"], made.valid_begin);
    assert_eq!(made.valid_begin, "157766400000", "1975, in milliseconds");
    assert!(kept.get("sn").is_none());
    assert_eq!(trusted(&registry, INSTANCE).len(), 1);
    let again = register(&registry, &authority).await.unwrap_err();
    assert_eq!(again.to_string(), "the CA certificate A1 is registered already");
    // Another with the number, and another certificate of the same authority.
    let other = register(&registry, &Authority::new("b", 0xA1)).await.unwrap_err();
    assert!(
        other
            .to_string()
            .contains("another CA certificate with the serial number A1"),
        "{other}"
    );
    let renewed = {
        let params = Authority::params("a", 0xA2);
        let pem = params.self_signed(authority.issuer.key()).unwrap().pem();
        let issuer = Issuer::new(
            params,
            KeyPair::from_pem(&authority.issuer.key().serialize_pem()).unwrap(),
        );
        Authority { issuer, pem }
    };
    let renewed = register(&registry, &renewed).await.unwrap_err();
    assert!(
        renewed
            .to_string()
            .contains("registered already, by its certificate A1"),
        "{renewed}"
    );
    assert_eq!(of(&registry).cas(&all(false)).rows.len(), 1);
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_with_the_reason() {
    let registry = Registry::default();
    let authority = Authority::new("a", 1);
    let refused = async |pem: &str, verification: &str| {
        let done = of(&registry).register_ca("fleet", pem, verification).await;
        done.unwrap_err().to_string()
    };
    let says = |text: String, part: &str| assert!(text.contains(part), "{text:?} does not say {part:?}");
    says(
        refused(&authority.pem, &authority.signs("x", 2)).await,
        "`dunlin ctl ca code` makes one",
    );
    let code = of(&registry).registration_code().await.unwrap();
    let good = authority.signs(&code, 2);
    says(
        refused("", &good).await,
        "the CA certificate is no certificate in PEM",
    );
    says(
        refused(
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
            &good,
        )
        .await,
        "not valid PEM",
    );
    let twice = format!("{}{}", authority.pem, authority.pem);
    says(refused(&twice, &good).await, "a list of 2 certificates");
    says(
        refused(&x509::pem_of(b"hello"), &good).await,
        "no X.509 certificate",
    );
    says(refused(&good, &good).await, "not one of an authority");
    says(
        refused(&authority.pem, "").await,
        "the verification certificate is no certificate in PEM",
    );
    says(
        refused(&authority.pem, &authority.signs("x", 2)).await,
        "common name of the verification certificate is `x`",
    );
    let other = Authority::new("a", 1);
    says(
        refused(&authority.pem, &other.signs(&code, 2)).await,
        "not signed by the CA certificate",
    );
    let mut old = Authority::params("a", 1);
    old.not_after = rcgen::date_time_ymd(2019, 1, 1);
    let old = Authority::of(old);
    says(
        refused(&old.pem, &old.signs(&code, 2)).await,
        "not valid at this time",
    );
    let unnamed = of(&registry).register_ca("", &authority.pem, &good).await;
    says(unnamed.unwrap_err().to_string(), "no name of an authority");
    // The code is the instance's own.
    let elsewhere = Credentials::of(&registry, "mqtt-other", NOW);
    elsewhere.registration_code().await.unwrap();
    let theirs = elsewhere.register_ca("fleet", &authority.pem, &good).await;
    says(theirs.unwrap_err().to_string(), "has to be the registration code");
    assert_eq!(registry.count(INSTANCE, kind::CA_CERTIFICATE), 0);
}

#[tokio::test]
async fn the_first_login_with_a_certificate_registers_it() {
    let registry = Registry::default();
    let authority = Authority::new("a", 1);
    let wanted = NewCertificate {
        instance: INSTANCE.to_owned(),
        ca_sn: "01".to_owned(),
        der: der(&authority.signs("device-7", 0xF7)),
    };
    assert!(wanted.write(&registry, NOW).is_none(), "nobody vouches for it");
    register(&registry, &authority).await.unwrap();
    assert!(is_new(&registry, INSTANCE, "01", "F7"));
    let write = wanted.write(&registry, NOW).unwrap();
    registry.write(vec![write]).await.unwrap();
    assert!(!is_new(&registry, INSTANCE, "01", "F7"));
    assert!(wanted.write(&registry, NOW).is_none(), "it is there");
    let made = of(&registry).certificate("01", "f7").unwrap();
    assert_eq!(
        (made.name.as_str(), made.status, made.created),
        ("device-7", Status::Active, NOW.0)
    );
    assert_eq!(der(&made.pem), wanted.der);
    let record = registry.get(INSTANCE, kind::DEVICE_CERTIFICATE, "01/F7").unwrap();
    let key = RecordKey::new(INSTANCE, kind::DEVICE_CERTIFICATE, "01/F7");
    assert!(NewCertificate::is_registered_by(&key, Some(&record)));
    of(&registry)
        .set_certificate("01", "F7", Status::Inactive)
        .await
        .unwrap();
    let record = registry.get(INSTANCE, kind::DEVICE_CERTIFICATE, "01/F7").unwrap();
    assert!(!NewCertificate::is_registered_by(&key, Some(&record)) && record.text("status") == Some("0"));
    assert!(!NewCertificate::is_registered_by(&key, None));
    assert_eq!(
        of(&registry)
            .certificates(Some("01"), &all(false))
            .unwrap()
            .rows
            .len(),
        1
    );
    assert!(
        of(&registry)
            .certificates(Some("02"), &all(false))
            .unwrap()
            .rows
            .is_empty()
    );
    // An authority that vouches for nobody registers nobody.
    of(&registry).delete_certificate("01", "F7").await.unwrap();
    of(&registry).set_ca("01", Status::Inactive).await.unwrap();
    assert!(wanted.write(&registry, NOW).is_none() && trusted(&registry, INSTANCE).is_empty());
}

#[tokio::test]
async fn an_authority_goes_with_what_is_known_of_its_devices() {
    let registry = Registry::default();
    let (one, two) = (Authority::new("a", 1), Authority::new("b", 2));
    for (authority, ca_sn) in [(&one, "01"), (&two, "02")] {
        register(&registry, authority).await.unwrap();
        for serial in [7, 8] {
            let der = der(&authority.signs("x", serial));
            let (instance, ca_sn) = (INSTANCE.to_owned(), ca_sn.to_owned());
            let wanted = NewCertificate { instance, ca_sn, der };
            registry
                .write(vec![wanted.write(&registry, NOW).unwrap()])
                .await
                .unwrap();
        }
    }
    of(&registry).delete_ca("01").await.unwrap();
    assert!(of(&registry).ca("01").is_err() && of(&registry).ca("02").is_ok());
    let left = of(&registry).certificates(None, &all(false)).unwrap().rows;
    let left: Vec<_> = left
        .iter()
        .map(|row| (row.ca_sn.as_str(), row.sn.as_str()))
        .collect();
    assert_eq!(left, [("02", "07"), ("02", "08")]);
    let missing = of(&registry).delete_ca("01").await.unwrap_err().to_string();
    assert!(
        missing.contains("no CA certificate with the serial number 01"),
        "{missing}"
    );
    let nonsense = of(&registry).ca("xyz").unwrap_err().to_string();
    assert!(nonsense.contains("`xyz` is no serial number"), "{nonsense}");
}

#[tokio::test]
async fn an_authority_counts_in_the_instances_that_have_registered_it() {
    let registry = Registry::default();
    let ours = register(&registry, &Authority::new("a", 1)).await.unwrap();
    let known = |fingerprint: &str| {
        let (serial, fingerprint) = ("01".to_owned(), fingerprint.to_owned());
        Arc::new(crate::transport::tls::Authority { serial, fingerprint })
    };
    let ours = known(&ours.fingerprint);
    assert_eq!(
        registered(&registry, INSTANCE, std::slice::from_ref(&ours)),
        Some("01".to_owned())
    );
    assert_eq!(
        registered(&registry, "mqtt-other", std::slice::from_ref(&ours)),
        None
    );
    // Somebody else's, with a number that was chosen for the purpose.
    assert_eq!(registered(&registry, INSTANCE, &[known("00")]), None);
    assert_eq!(
        registered(&registry, INSTANCE, &[known("00"), ours]),
        Some("01".to_owned())
    );
    let mut tls = TlsInfo {
        serial: Some("F7".to_owned()),
        ..TlsInfo::default()
    };
    assert_eq!(
        (rests_on(&tls), chain_serial(&tls).as_deref()),
        (None, Some("F7"))
    );
    tls.ca_serial = Some("01".to_owned());
    let records = ["ca_certificate/01", "device_certificate/01/F7"].map(str::to_owned);
    assert_eq!(
        (rests_on(&tls), chain_serial(&tls).as_deref()),
        (Some(records), Some("01/F7"))
    );
}
