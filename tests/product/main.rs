//! The rules of the hosted product, seen by a client's own bytes: names, limits, P2P, sessions, instances.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    missing_docs
)]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod instances;
mod limits;
mod lite;
mod matrix;
mod names;
mod p2p;
mod quota;
mod table;

use std::path::PathBuf;
use std::process::Command;

use support::{Broker, Connect};

/// The first instance, which clients reach who name none.
const ONE: &str = "mqtt-test-one";
/// Another.
const TWO: &str = "mqtt-test-two";

/// Policies that let everybody do everything, in the instance that the user name names.
const POLICY: &str = r#"
return {
	name = "by-user",
	connect = function(ctx, connect)
		local parts = string.split(connect.username or "", "|")
		if #parts == 3 then
			return { instance = parts[3] }
		end
		return nil
	end,
	authenticate = function() return "allow" end,
	authorize_publish = function() return "allow" end,
	authorize_subscribe = function() return "allow" end,
}
"#;

/// A broker as the product is, with two instances.
struct Product {
    folder: PathBuf,
    broker: Broker,
}

impl Product {
    fn start(settings: &[&str]) -> Product {
        Product::with("", settings)
    }

    /// With more text in its configuration.
    fn with(more: &str, settings: &[&str]) -> Product {
        let folder = support::broker::folder();
        let names = "groups = [\"GID_Test\", \"GID_App\"]\ntopics = [\"T1\", \"T2\", \"Case\"]\n";
        let config = format!(
            "[listeners.tcp]\nbind = \"127.0.0.1:0\"\n[limits]\nconnection_rate = \"unlimited\"\n\
             [instance]\nid = \"{ONE}\"\n{names}[instances.{TWO}]\n{names}{more}\n\
             [[policy]]\nname = \"by-user\"\nscript = \"by_user.lua\"\n"
        );
        std::fs::write(folder.join("dunlin.toml"), config).unwrap();
        std::fs::write(folder.join("by_user.lua"), POLICY).unwrap();
        let broker = Broker::start_with(&folder.join("dunlin.toml"), settings);
        Product { folder, broker }
    }

    /// What `dunlin ctl` says, and whether it went well.
    fn ctl(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(support::broker::binary());
        command
            .arg("ctl")
            .arg("--socket")
            .arg(self.broker.data().join("dunlin.sock"));
        let output = command.args(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }
}

impl Drop for Product {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A CONNECT of a device of the group GID_Test in the first instance.
fn device(version: u8, name: &str) -> Connect {
    Connect::new(version, format!("GID_Test@@@{name}"))
}

/// The same in another instance.
fn device_in(instance: &str, version: u8, name: &str) -> Connect {
    device(version, name).username(format!("Signature|key|{instance}"))
}
