//! Which instance a client belongs to, and what that instance says to its CONNECT.
//!
//! A listener may belong to an instance; else a TLS server name or a WebSocket host may name one; else the policies read it
//! from the user name in their `connect` hook; else it is the default one. Where two of them speak they have to agree.

use std::sync::Arc;

use super::Refusal;
use crate::codec::{Connect, ProtocolVersion, QoS, ReasonCode};
use crate::instance::{Hit, InstanceId};
use crate::shard::{Admission, Hosted, Kind, Shared, Tenant};
use crate::topic::TopicName;
use crate::transport::{Io, Peer};

/// The instance that the way in says, if it says one.
///
/// # Errors
/// The host that the client asked for is nobody's.
pub(super) fn of_the_way_in(
    shared: &Shared,
    listener: Option<&InstanceId>,
    peer: &Peer,
) -> Result<Option<InstanceId>, String> {
    if let Some(instance) = listener {
        return Ok(Some(instance.clone()));
    }
    let mut found = None;
    for host in [peer.server_name(), peer.host()].into_iter().flatten() {
        match shared.tenants.by_host(host) {
            Hosted::Nobody => {}
            Hosted::By(id) => match &found {
                Some(other) if *other != id => {
                    return Err("TLS server name and WebSocket host name two instances".to_owned());
                }
                _ => found = Some(id),
            },
            Hosted::Unknown => {
                count(shared, Hit::Instance);
                return Err(format!(
                    "no instance is reached by the host name {:?}; `dunlin ctl instance list` shows endpoints, and [endpoints] hosts are names of the broker itself",
                    shown(host)
                ));
            }
        }
    }
    Ok(found)
}

/// The tenant of a client whose CONNECT the policies have seen, after a look at what it asks for.
///
/// # Errors
/// Why it is refused.
pub(super) fn settle(
    shared: &Shared,
    pinned: Option<&InstanceId>,
    admission: &mut Admission<Io>,
) -> Result<(), Refusal> {
    let version = admission.connect.version;
    let asked = &admission.key.instance;
    let refused = |reason, what: String| Refusal::new(version, reason, what);
    if pinned.is_some_and(|pinned| pinned != asked) {
        count(shared, Hit::Instance);
        let what = format!(
            "the user name names the instance {}, and listener or host name another",
            shown(asked.as_str())
        );
        return Err(refused(ReasonCode::NOT_AUTHORIZED, what));
    }
    let Some(tenant) = shared.tenants.get(asked) else {
        count(shared, Hit::Instance);
        let what = format!("there is no instance {:?}", shown(asked.as_str()));
        return Err(refused(ReasonCode::NOT_AUTHORIZED, what));
    };
    admit(&tenant, &admission.connect, admission.assigned)
        .map_err(|(reason, what)| refused(reason, what.to_owned()))?;
    admission.tenant = tenant;
    Ok(())
}

/// As much of a stranger's text as belongs into a log.
fn shown(text: &str) -> String {
    text.chars().take(80).collect()
}

fn count(shared: &Shared, hit: Hit) {
    if let Some(tenant) = shared.tenants.get_or_default(None) {
        tenant.usage.hit(hit);
    }
}

/// What an instance says to a CONNECT without asking who sent it.
fn admit(tenant: &Arc<Tenant>, connect: &Connect, assigned: bool) -> Result<(), (ReasonCode, &'static str)> {
    if connect.version == ProtocolVersion::V5 && !tenant.product.mqtt5 {
        let what = "the instance's edition has no MQTT 5.0 (product.mqtt5)";
        return Err((ReasonCode::UNSUPPORTED_PROTOCOL_VERSION, what));
    }
    if !assigned && connect.client_id.len() > tenant.limits.client_id_length {
        tenant.usage.hit(Hit::ClientId);
        let what = "the client id is longer than limits.client_id_length";
        return Err((ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, what));
    }
    let Some(will) = &connect.will else { return Ok(()) };
    if TopicName::new(&will.topic).is_err() {
        return Err((
            ReasonCode::TOPIC_NAME_INVALID,
            "the will topic is not a topic name",
        ));
    }
    if let Err(refused) = tenant.admit_topic(&will.topic, Kind::Name) {
        tenant.usage.hit(refused.hit);
        return Err((ReasonCode::TOPIC_NAME_INVALID, refused.what));
    }
    if will.payload.len() > tenant.limits.payload_size {
        tenant.usage.hit(Hit::PayloadSize);
        let what = "the will's payload is larger than limits.payload_size";
        return Err((ReasonCode::PACKET_TOO_LARGE, what));
    }
    if will.qos > tenant.settings.maximum_qos || will.qos > QoS::ExactlyOnce {
        // [MQTT-3.2.2-12]
        let what = "the will's QoS is above the Maximum QoS";
        return Err((ReasonCode::QOS_NOT_SUPPORTED, what));
    }
    if will.retain && !tenant.settings.retain_available {
        // [MQTT-3.2.2-13]
        let what = "retained messages are not available";
        return Err((ReasonCode::RETAIN_NOT_SUPPORTED, what));
    }
    Ok(())
}
