//! The first packet of a connection: any bytes.
#![no_main]

use dunlin::codec::{ForwardProperties, ProtocolVersion, decode_connect, peek};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(Some(header)) = peek(data) else { return };
    let Some(body) = data.get(usize::from(header.header_len)..header.packet_len()) else {
        return;
    };
    let Ok(connect) = decode_connect(header, body) else {
        return;
    };
    assert!(!connect.client_id.contains('\0'));
    assert!(
        connect.version == ProtocolVersion::V5 || connect.password.is_none() || connect.username.is_some()
    );
    if let Some(will) = connect.will {
        assert!(dunlin::topic::check_name(&will.topic).is_ok());
        let _ = ForwardProperties::new(&will.forward).count();
    }
});
