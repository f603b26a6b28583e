//! One line for every packet, to compare with what a vector expects.

use crate::codec::*;

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// `name=value`, if there is one.
fn given<T: std::fmt::Debug>(name: &str, value: Option<T>) -> String {
    value
        .map(|value| format!(" {name}={value:?}"))
        .unwrap_or_default()
}

fn flag(name: &str, set: bool) -> String {
    if set { format!(" {name}") } else { String::new() }
}

fn forward(wire: &[u8]) -> String {
    let mut line = String::new();
    for property in ForwardProperties::new(wire) {
        line += &match property {
            ForwardProperty::PayloadFormat(format) => format!(" format={format}"),
            ForwardProperty::ContentType(text) => format!(" type={text:?}"),
            ForwardProperty::ResponseTopic(topic) => format!(" response={topic:?}"),
            ForwardProperty::CorrelationData(data) => format!(" correlation={}", text(data)),
            ForwardProperty::UserProperty(name, value) => format!(" user={name:?}:{value:?}"),
        };
    }
    line
}

fn ack(name: &str, ack: &Ack) -> String {
    let reason = if ack.reason == ReasonCode::SUCCESS {
        String::new()
    } else {
        format!(" 0x{:02X}", ack.reason.0)
    };
    format!(
        "{name} {}{reason}{}",
        ack.packet_id,
        given("why", ack.reason_string.as_ref())
    )
}

/// What a packet says.
pub fn packet(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Connect => "connect".to_owned(),
        Packet::Publish(p) => {
            assert_eq!(p.packet_id == 0, p.qos == QoS::AtMostOnce);
            format!(
                "publish {:?} qos={}{}{}{}{}{}{} payload={}",
                p.topic,
                p.qos as u8,
                given("id", Some(p.packet_id).filter(|id| *id != 0)),
                flag("dup", p.dup),
                flag("retain", p.retain),
                given("expiry", p.properties.message_expiry),
                given("alias", p.properties.topic_alias),
                forward(&p.properties.forward),
                text(p.payload)
            )
        }
        Packet::Puback(a) => ack("puback", a),
        Packet::Pubrec(a) => ack("pubrec", a),
        Packet::Pubrel(a) => ack("pubrel", a),
        Packet::Pubcomp(a) => ack("pubcomp", a),
        Packet::Subscribe(s) => {
            let filter = |f: &SubscribeFilter| {
                let handling = Some(f.retain_handling).filter(|handling| *handling != 0);
                format!(
                    " {:?}:{}{}{}{}",
                    f.filter,
                    f.qos as u8,
                    flag("nl", f.no_local),
                    flag("rap", f.retain_as_published),
                    given("rh", handling)
                )
            };
            let filters: String = s.filters.iter().map(filter).collect();
            format!(
                "subscribe {}{}{filters}",
                s.packet_id,
                given("sid", s.subscription_id)
            )
        }
        Packet::Unsubscribe(u) => {
            let filters: String = u.filters.iter().map(|filter| format!(" {filter:?}")).collect();
            format!("unsubscribe {}{filters}", u.packet_id)
        }
        Packet::Pingreq => "pingreq".to_owned(),
        Packet::Disconnect(d) => format!(
            "disconnect 0x{:02X}{}{}",
            d.reason.0,
            given("expiry", d.session_expiry),
            given("why", d.reason_string.as_ref())
        ),
        Packet::Auth(a) => format!(
            "auth 0x{:02X} method={:?}{}{}",
            a.reason.0,
            a.method,
            given("data", a.data.as_ref().map(|data| text(data))),
            given("why", a.reason_string.as_ref())
        ),
    }
}

/// What a CONNECT says.
pub fn connect(c: &Connect) -> String {
    let will = c.will.as_ref().map_or_else(String::new, |w| {
        format!(
            " will={:?}:{}{}{}{}{} payload={}",
            w.topic,
            w.qos as u8,
            flag("retain", w.retain),
            given("delay", Some(w.delay).filter(|delay| *delay > 0)),
            given("expiry", w.message_expiry),
            forward(&w.forward),
            text(&w.payload)
        )
    });
    let p = &c.properties;
    let users: String = p
        .user_properties
        .iter()
        .map(|(name, value)| format!(" user={name:?}:{value:?}"))
        .collect();
    format!(
        "connect {:?}{} keep={}{}{}{will}{}{}{}{}{}{}{}{}{users}",
        c.client_id,
        flag("clean", c.clean_start),
        c.keep_alive,
        given("name", c.username.as_ref()),
        given("password", c.password.as_ref().map(|password| text(password))),
        given("expiry", p.session_expiry),
        given("receive", p.receive_maximum),
        given("size", p.maximum_packet_size),
        given(
            "aliases",
            Some(p.topic_alias_maximum).filter(|maximum| *maximum > 0)
        ),
        flag("response-information", p.request_response_information),
        flag("no-problem-information", !p.request_problem_information),
        given("method", p.authentication_method.as_ref()),
        given("data", p.authentication_data.as_ref().map(|data| text(data))),
    )
}
