//! A wrong configuration stops the start with one readable message that says where.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Output;

use crate::credentials::dunlin;
use crate::support::{Broker, Connect, broker};

const OPEN: &str = "[policy_defaults]\nauthenticate = \"allow\"\nauthorize_publish = \"allow\"\n\
                    authorize_subscribe = \"allow\"\n";

/// A folder with this `dunlin.toml` and the scripts that ship, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn with(config: &str) -> Folder {
        let (folder, root) = (broker::folder(), broker::root());
        std::fs::create_dir_all(folder.join("scripts")).unwrap();
        for script in ["auth.lua", "acl.lua"] {
            let name = format!("scripts/{script}");
            std::fs::copy(root.join(&name), folder.join(&name)).unwrap();
        }
        std::fs::write(folder.join("dunlin.toml"), config).unwrap();
        Folder(folder)
    }

    /// Runs `check` or `serve`, which ends since something is wrong.
    fn run(&self, command: &str) -> Output {
        dunlin()
            .args([command, "--config"])
            .arg(self.0.join("dunlin.toml"))
            .arg("--data")
            .arg(self.0.join("data"))
            .args(["--set", "admin.enabled=false"])
            .output()
            .unwrap()
    }

    /// The command refuses the configuration and says all of `wanted`.
    #[track_caller]
    fn refused(&self, command: &str, wanted: &[&str]) {
        let output = self.run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{command} took it");
        assert!(!said.contains("panicked"), "{command}: {said}");
        for text in wanted {
            assert!(said.contains(text), "{command} does not say {text:?}:\n{said}");
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// `check` and `serve` both refuse it, and say all of `wanted`.
#[track_caller]
fn refused(config: &str, wanted: &[&str]) {
    let folder = Folder::with(config);
    folder.refused("check", wanted);
    folder.refused("serve", wanted);
}

#[test]
fn an_unknown_key_with_its_line_and_the_right_one() {
    let config = "[mqtt]\nreceive_maximun = 5\n";
    refused(config, &["dunlin.toml:2", "receive_maximun", "receive_maximum"]);
}

#[test]
fn a_wrong_type() {
    refused(
        "\n[mqtt]\nreceive_maximum = \"many\"\n",
        &["dunlin.toml:3", "receive_maximum"],
    );
}

#[test]
fn what_is_no_toml() {
    refused("[mqtt]\nreceive_maximum = \n", &["dunlin.toml:2"]);
}

#[test]
fn an_address_that_is_none() {
    refused(
        "[listeners.tcp]\nbind = \"localhost\"\n",
        &["dunlin.toml:2", "localhost"],
    );
}

#[test]
fn a_certificate_that_is_not_there() {
    let config = "[listeners.tls]\nbind = \"127.0.0.1:0\"\ncert = \"no.pem\"\nkey = \"no.key\"\n";
    refused(config, &["dunlin.toml:", "no.pem"]);
}

#[test]
fn a_script_that_is_not_there() {
    refused(
        "[[policy]]\nname = \"acl\"\nscript = \"scripts/none.lua\"\n",
        &["none.lua"],
    );
}

#[test]
fn a_script_with_a_mistake() {
    let folder = Folder::with(
        "[listeners.tcp]\nbind = \"127.0.0.1:0\"\n[[policy]]\nname = \"acl\"\nscript = \"scripts/acl.lua\"\n",
    );
    let mistake = "return {\n\tname = \"acl\"\n\tx = 1,\n}\n";
    std::fs::write(folder.0.join("scripts/acl.lua"), mistake).unwrap();
    folder.refused("check", &["acl.lua:3"]);
    folder.refused("serve", &["acl.lua:3"]);
}

#[test]
fn a_port_that_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = Folder::with(&format!("{OPEN}[listeners.tcp]\nbind = \"{address}\"\n"));
    folder.refused("serve", &[&address]);
}

// Two brokers with SO_REUSEPORT on one port would each get some of the connections.
#[test]
fn a_second_dunlin_on_the_same_port_does_not_start() {
    let first = Broker::start(&[]);
    let address = first.address().to_string();
    let folder = Folder::with(&format!("{OPEN}[listeners.tcp]\nbind = \"{address}\"\n"));
    folder.refused("serve", &[&address]);
    Connect::v5("first").to(&first).ping();
}

#[test]
fn a_wrong_override_is_named() {
    for (setting, wanted) in [
        ("mqtt.receive_maximum=0", "receive_maximum"),
        ("mqtt.nothing=0", "nothing"),
    ] {
        let config = broker::root().join("dunlin.open.toml");
        let output = dunlin()
            .args(["check", "--set", setting, "--config"])
            .arg(config)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && said.contains(wanted),
            "{setting}: {said}"
        );
    }
}

#[test]
fn what_ships_is_good() {
    for config in ["dunlin.toml", "dunlin.open.toml"] {
        let output = dunlin()
            .args(["check", "--config"])
            .arg(broker::root().join(config))
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{config}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}
