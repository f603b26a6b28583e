//! Authentication, in as many steps as the method takes (4.12).

use std::sync::Arc;

use super::Refusal;
use super::opening::{read_some, write_all};
use crate::codec::{self, Packet, ProtocolVersion, ReasonCode};
use crate::hooks::credentials;
use crate::hooks::{
    AuthContinueRequest, AuthDecision, AuthRequest, Challenge, Client, ClientParts, ConnectChange, TlsInfo,
};
use crate::instance::InstanceId;
use crate::shard::{Admission, Admitted, ShardRef};
use crate::store::registry::Registry;
use crate::transport::{Io, Peer};

/// Has the policies decide. `Err(None)` is a client that went away or broke the exchange.
pub(super) async fn run(
    shard: &ShardRef,
    admission: &mut Admission<Io>,
) -> Result<Admitted, Option<Refusal>> {
    let client = Client::new(parts(&shard.borrow().shared().registry, admission));
    let version = admission.connect.version;
    let records_seen = shard.borrow().records_seen();
    let mut decision = first_step(shard, &client, &admission.connect).await;
    loop {
        match decision {
            AuthDecision::Allow(grant) => {
                let client = client.granted(&grant);
                return Ok(Admitted {
                    client,
                    grant,
                    records_seen,
                });
            }
            AuthDecision::Deny { code, reason } => {
                shard.borrow().metrics().auth_denied.add(1);
                return Err(Some(Refusal::new(version, code, reason.to_string())));
            }
            AuthDecision::Continue(challenge) => {
                decision = next_step(shard, admission, &client, challenge).await?;
            }
        }
    }
}

async fn first_step(shard: &ShardRef, client: &Arc<Client>, connect: &codec::Connect) -> AuthDecision {
    let request = AuthRequest {
        client,
        password: connect.password.as_deref(),
        method: connect.properties.authentication_method.as_deref(),
        data: connect.properties.authentication_data.as_deref(),
    };
    let policies = shard.borrow().policies();
    let decision = policies.authenticate(&request).await;
    let before = shard.borrow_mut().second_opinion(client, &decision);
    if let Some(before) = before {
        let opinion = before.authenticate(&request).await;
        shard.borrow_mut().compare_login(&request, &opinion, &decision);
    }
    decision
}

/// Shows CONNECT to the policies, before anybody is asked who the client is. They may change it, its client id included,
/// say which instance the client is of, or refuse it.
pub(super) async fn introduce(shard: &ShardRef, admission: &mut Admission<Io>) -> Result<(), Refusal> {
    let policies = {
        let shard = shard.borrow();
        if !shard.wants_connect() {
            return Ok(());
        }
        shard.policies()
    };
    let mut client = Client::new(parts(&shard.borrow().shared().registry, admission));
    let version = admission.connect.version;
    match policies.connect(&mut client, &mut admission.connect).await {
        ConnectChange::Pass | ConnectChange::Patch(_) => {
            if *client.instance != *admission.key.instance.as_str() {
                admission.key.instance = InstanceId::new(&client.instance);
            }
            admission.key.client_id = admission.connect.client_id.as_str().into();
            Ok(())
        }
        ConnectChange::Reject { code, reason } => Err(Refusal::new(version, code, reason.to_string())),
        ConnectChange::Redirect { server, for_good } => {
            let code = if for_good {
                ReasonCode::SERVER_MOVED
            } else {
                ReasonCode::USE_ANOTHER_SERVER
            };
            Err(Refusal {
                server: Some(server),
                ..Refusal::new(
                    version,
                    code,
                    "a policy sends the client to another server".to_owned(),
                )
            })
        }
    }
}

/// Sends a challenge and asks the policies about the answer.
async fn next_step(
    shard: &ShardRef,
    admission: &mut Admission<Io>,
    client: &Arc<Client>,
    challenge: Challenge,
) -> Result<AuthDecision, Option<Refusal>> {
    let method = admission
        .connect
        .properties
        .authentication_method
        .clone()
        .unwrap_or_default();
    let mut out = Vec::new();
    let reason = ReasonCode::CONTINUE_AUTHENTICATION;
    codec::auth(
        &mut out,
        ProtocolVersion::V5,
        reason,
        &method,
        Some(&challenge.data),
        None,
    );
    write_all(&mut admission.io, &out).await;
    let auth = read_auth(admission).await?;
    if auth.method != method {
        // [MQTT-4.12.0-5]
        let what = "AUTH with another Authentication Method than CONNECT".to_owned();
        return Err(Some(Refusal::new(
            ProtocolVersion::V5,
            ReasonCode::PROTOCOL_ERROR,
            what,
        )));
    }
    let policies = shard.borrow().policies();
    let request = AuthContinueRequest {
        client,
        method: &method,
        data: auth.data.as_deref(),
        pending: Some(&challenge.pending),
    };
    Ok(policies.auth_continue(&request).await)
}

/// The next packet, which has to be AUTH: until CONNACK the client may send nothing else but DISCONNECT
/// [MQTT-3.1.2-30].
async fn read_auth(admission: &mut Admission<Io>) -> Result<codec::Auth, Option<Refusal>> {
    let maximum = admission.tenant.settings.maximum_packet_size as usize;
    loop {
        let header = codec::peek(&admission.behind).map_err(|_| None)?;
        if let Some(header) = header {
            if header.packet_len() > maximum {
                return Err(None);
            }
            if header.packet_len() <= admission.behind.len() {
                let rest = admission.behind.split_off(header.packet_len());
                let packet = std::mem::replace(&mut admission.behind, rest);
                let body = packet.get(usize::from(header.header_len)..).unwrap_or_default();
                return match codec::decode(ProtocolVersion::V5, header, body) {
                    Ok(Packet::Auth(auth)) => Ok(auth),
                    _ => Err(None),
                };
            }
        }
        if !read_some(&mut admission.io, &mut admission.behind).await {
            return Err(None);
        }
    }
}

/// What is known of a client before it is authenticated.
fn parts(registry: &Registry, admission: &Admission<Io>) -> ClientParts {
    let peer = admission.io.peer();
    ClientParts {
        instance: admission.key.instance.as_str().into(),
        client_id: Arc::clone(&admission.key.client_id),
        username: admission.connect.username.as_deref().map(Into::into),
        peer: peer.address().to_string().into(),
        listener: peer.listener().as_str().into(),
        tls: tls(registry, admission.key.instance.as_str(), peer),
        protocol_version: admission.connect.version,
    }
}

/// What policies are told of a client's certificate. An authority counts where it is registered, and nowhere else.
fn tls(registry: &Registry, instance: &str, peer: &Peer) -> Option<Arc<TlsInfo>> {
    let certificate = peer.certificate()?;
    Some(Arc::new(TlsInfo {
        cn: certificate.common_name.clone(),
        san: certificate.alternative_names.clone(),
        serial: Some(certificate.serial.clone()),
        fingerprint: Some(certificate.fingerprint.clone()),
        ca_serial: credentials::registered(registry, instance, &certificate.authorities),
        valid_from: Some(certificate.valid.0),
        valid_until: Some(certificate.valid.1),
    }))
}
