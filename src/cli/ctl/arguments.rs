//! What can be typed after `dunlin ctl`.

mod certificates;
mod credentials;
mod instances;

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub use certificates::{CaCommand, CertificateCommand, OneCa, OneCertificate};
pub use credentials::{
    BlacklistCommand, CredentialCommand, IdentityCommand, KeyCommand, OneClient, OneToken, PermissionCommand,
    TokenCommand, WholeIdentity, WholePermission, Whose,
};
pub use instances::{InstanceCommand, NameCommand, Of};

/// Where to ask, and how to answer.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct CtlArgs {
    /// The broker's admin socket [default: that of the configuration]
    #[arg(long, value_name = "PATH", global = true)]
    pub socket: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// What to ask.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// How the broker and its policies are
    Status,
    /// Load the policies' files now; prints the generation in force, or what is wrong with them
    Reload {
        /// Do not watch the new generation: nothing it does rolls it back
        #[arg(long)]
        no_rollback: bool,
        /// Wait until the new generation has proved itself, or was rolled back
        #[arg(long)]
        wait: bool,
    },
    /// The policies: what serves, what served, what changed
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Why a client may or may not do something: which script and line said what
    Explain {
        /// The client, which is connected or has a session
        client_id: String,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
        /// What it might do.
        #[command(subcommand)]
        action: ExplainCommand,
    },
    /// The clients that are connected
    Clients {
        /// Only those whose client id begins so
        #[arg(long, default_value = "", hide_default_value = true)]
        prefix: String,
        /// So many at most
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Only those of this instance [default: of all]
        #[arg(short, long, value_name = "ID")]
        instance: Option<String>,
    },
    /// End a client's connection
    Kick {
        /// The client
        client_id: String,
        /// The reason code that an MQTT 5 client is told [default: 0x98, administrative action]
        #[arg(long, value_name = "CODE", value_parser = reason_code)]
        code: Option<u8>,
        /// The sentence that an MQTT 5 client is told
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// Watch a client's packets, and what the policies answer about it, until Ctrl-C
    Trace {
        /// The client, which need not be connected yet
        client_id: String,
        /// Only what is about topics that match this filter
        #[arg(long, value_name = "FILTER")]
        topic: Option<String>,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// Follow who comes and goes, until Ctrl-C
    Events {
        /// Only clients of this instance [default: of all]
        #[arg(short, long, value_name = "ID")]
        instance: Option<String>,
        /// Only clients whose client id begins so
        #[arg(long, value_name = "PREFIX", default_value = "", hide_default_value = true)]
        client: String,
    },
    /// The instances: make, change, look at, delete
    #[command(subcommand)]
    Instance(InstanceCommand),
    /// The groups of an instance: client ids are GroupID@@@DeviceID
    #[command(subcommand)]
    Group(NameCommand),
    /// The parent topics of an instance: the first levels of topics
    #[command(subcommand)]
    Topic(NameCommand),
    /// Access keys, which programs and devices sign with
    #[command(subcommand)]
    Key(KeyCommand),
    /// The credentials of single devices
    #[command(subcommand)]
    Credential(CredentialCommand),
    /// Tokens: rights on some topics for some time
    #[command(subcommand)]
    Token(TokenCommand),
    /// User names and passwords of custom authentication
    #[command(subcommand)]
    Identity(IdentityCommand),
    /// What identities may do
    #[command(subcommand)]
    Permission(PermissionCommand),
    /// Client ids that may not connect
    #[command(subcommand)]
    Blacklist(BlacklistCommand),
    /// Authorities that sign certificates of devices
    #[command(subcommand)]
    Ca(CaCommand),
    /// Certificates of devices
    #[command(subcommand)]
    Certificate(CertificateCommand),
}

/// What can be asked of the policies.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum PolicyCommand {
    /// The chain, in its order
    List,
    /// What was loaded, refused and rolled back, by whom and when
    Log {
        /// The newest so many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// What changed between two generations: by default from the one before to the one in force
    Diff {
        /// A generation, compared with the one before it, or with the second if that is given
        #[arg(value_name = "N")]
        first: Option<u64>,
        /// The newer generation
        #[arg(value_name = "M")]
        second: Option<u64>,
    },
    /// Go back to the generation before
    Rollback,
}

/// What a client might do.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum ExplainCommand {
    /// Publish a message
    Publish {
        /// Where to
        topic: String,
        /// With which Quality of Service
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
        qos: u8,
        /// To be retained
        #[arg(long)]
        retain: bool,
        /// So many bytes of payload; all of them are zeros
        #[arg(long, value_name = "BYTES", default_value_t = 0)]
        size: usize,
    },
    /// Subscribe
    Subscribe {
        /// To what; a shared subscription is $share/NAME/FILTER
        filter: String,
        /// With which Quality of Service
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
        qos: u8,
    },
}

/// `0x98` or `152`.
fn reason_code(text: &str) -> Result<u8, String> {
    let code = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u8::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    };
    code.filter(|code| (0x80..=0xA2).contains(code)).ok_or_else(|| {
        "write a reason code from 0x80 to 0xA2, for example 0x98 (administrative action)".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_code_is_hexadecimal_or_decimal_and_ends_a_connection() {
        assert_eq!(reason_code("0x98"), Ok(0x98));
        assert_eq!(reason_code("152"), Ok(0x98));
        for wrong in ["", "0x", "98h", "4", "0xA3", "300"] {
            assert!(reason_code(wrong).is_err(), "{wrong}");
        }
    }
}
