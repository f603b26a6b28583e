//! Runs `tests/vectors/*.txt`: every line is a name, a version, bytes in hex, and what they mean or what is wrong.

use super::describe;
use crate::codec::*;

const FILES: [(&str, &str); 6] = [
    (
        "header.txt",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/header.txt")),
    ),
    (
        "connect.txt",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/connect.txt")),
    ),
    (
        "publish.txt",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/publish.txt")),
    ),
    (
        "ack.txt",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/ack.txt")),
    ),
    (
        "subscribe.txt",
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/vectors/subscribe.txt"
        )),
    ),
    (
        "disconnect.txt",
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/vectors/disconnect.txt"
        )),
    ),
];

struct Vector {
    name: String,
    version: ProtocolVersion,
    bytes: Vec<u8>,
    expected: String,
}

fn vectors(text: &str) -> impl Iterator<Item = Vector> {
    text.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with("//"))
        .map(|line| {
            let fields: Vec<&str> = line.splitn(4, '|').map(str::trim).collect();
            let [name, version, hex, expected] = fields[..] else {
                panic!("four fields: {line}")
            };
            let version = match version {
                "3.1" => ProtocolVersion::V31,
                "3.1.1" => ProtocolVersion::V311,
                "5.0" => ProtocolVersion::V5,
                other => panic!("{name}: version {other}"),
            };
            let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
            let byte =
                |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).expect("hex digits");
            Vector {
                name: name.to_owned(),
                version,
                bytes: digits.chunks(2).map(byte).collect(),
                expected: expected.to_owned(),
            }
        })
}

/// What the codec makes of the bytes. A CONNECT is read as the first packet unless the vector says `second`.
fn outcome(vector: &Vector) -> String {
    let header = match peek(&vector.bytes) {
        Ok(Some(header)) => header,
        Ok(None) => return "incomplete".to_owned(),
        Err(error) => return format!("error 0x{:02X}", error.reason.0),
    };
    let body = &vector.bytes[usize::from(header.header_len)..];
    if body.len() < header.remaining as usize {
        return format!("header remaining={}", header.remaining);
    }
    assert_eq!(
        body.len(),
        header.remaining as usize,
        "{}: the vector's Remaining Length",
        vector.name
    );
    if header.packet_type == PacketType::Connect && !vector.name.contains("second") {
        return match decode_connect(header, body) {
            Ok(connect) => {
                assert_eq!(connect.version, vector.version, "{}", vector.name);
                describe::connect(&connect)
            }
            Err(error) => error.answer().map_or_else(
                || "close".to_owned(),
                |(form, reason)| {
                    let mut answer = Vec::new();
                    connack(&mut answer, form, true, reason, &ConnackProperties::default());
                    format!("connack {form} 0x{:02X}", answer[3])
                },
            ),
        };
    }
    match decode(vector.version, header, body) {
        Ok(packet) => describe::packet(&packet),
        Err(error) => format!("error 0x{:02X}", error.reason.0),
    }
}

#[test]
fn every_vector_means_what_it_says() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, text) in FILES {
        for vector in vectors(text) {
            count += 1;
            let got = outcome(&vector);
            if got != vector.expected {
                wrong.push(format!(
                    "{file}: {}\n  expected {}\n  got      {got}",
                    vector.name, vector.expected
                ));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} vectors:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn every_packet_that_is_cut_short_asks_for_more_or_is_refused() {
    for (_, text) in FILES {
        for vector in vectors(text) {
            let Ok(Some(header)) = peek(&vector.bytes) else {
                continue;
            };
            for len in 0..usize::from(header.header_len) {
                assert_eq!(peek(&vector.bytes[..len]), Ok(None), "{}", vector.name);
            }
            for len in usize::from(header.header_len)..vector.bytes.len() {
                let body = &vector.bytes[usize::from(header.header_len)..len];
                let _ = decode(vector.version, header, body);
                let _ = decode_connect(header, body);
            }
        }
    }
}

/// Not a test: `cargo test write_fuzz_seeds -- --ignored` makes the fuzzers' first inputs from the vectors.
#[test]
#[ignore = "writes files"]
fn write_fuzz_seeds() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");
    for (_, text) in FILES {
        for vector in vectors(text) {
            let connect = vector.bytes.first().is_some_and(|first| first >> 4 == 1);
            let target = match vector.version {
                _ if connect => "decode_connect",
                ProtocolVersion::V5 => "decode_v5",
                ProtocolVersion::V31 | ProtocolVersion::V311 => "decode_v3",
            };
            let folder = format!("{root}/{target}");
            std::fs::create_dir_all(&folder).expect("a folder");
            let plain = |c: char| {
                if c.is_ascii_alphanumeric() {
                    c.to_ascii_lowercase()
                } else {
                    '_'
                }
            };
            let file: String = vector.name.chars().map(plain).collect();
            std::fs::write(format!("{folder}/{file}"), &vector.bytes).expect("a file");
        }
    }
    let folder = format!("{root}/topic_filter");
    std::fs::create_dir_all(&folder).expect("a folder");
    let seeds = [
        "a/b\na/b",
        "+/b\na/b",
        "#\n$SYS/x",
        "a/#\na",
        "$share/g/a/+\na/b",
        "a/+/c/#\na//c",
        "a#\na",
        "+\n",
    ];
    for (number, seed) in seeds.iter().enumerate() {
        std::fs::write(format!("{folder}/seed_{number}"), seed).expect("a file");
    }
}
