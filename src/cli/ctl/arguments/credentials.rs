//! What can be asked about credentials. Where a secret is typed, `-` reads it from standard input instead.

use clap::{ArgGroup, Args, Subcommand};
use dunlin::admin::api::{Effect, PermitAction, SignMode};
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StrDeserializer};

use super::Of;

/// What can be asked about access keys.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum KeyCommand {
    /// Make an access key; prints its id and its secret
    Create {
        /// [default: a new one]
        #[arg(long)]
        id: Option<String>,
        /// `-` reads it from standard input [default: a new one]
        #[arg(long)]
        secret: Option<String>,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// The access keys of an instance
    List {
        /// With their secrets
        #[arg(long)]
        secrets: bool,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// Delete an access key
    Delete {
        /// Its id
        id: String,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
}

/// What can be asked about the credentials of devices.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CredentialCommand {
    /// Give a client id a credential of its own; one that it has is void then
    Register(OneClient),
    /// The credential of a client id, with its secret
    Get(OneClient),
    /// Give a client id's credential a new secret; its id stays
    Refresh(OneClient),
    /// Take a client id's credential away
    Unregister(OneClient),
    /// Who has one: of an instance, or of a group
    List {
        /// Only client ids of this group
        group: Option<String>,
        /// With their secrets
        #[arg(long)]
        secrets: bool,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
}

/// A client id of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct OneClient {
    /// The client id; it need not be connected
    pub client_id: String,
    /// Of which instance.
    #[command(flatten)]
    pub of: Of,
}

/// What can be asked about tokens.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum TokenCommand {
    /// Issue a token
    #[command(group = ArgGroup::new("end").required(true).args(["expire", "until"]))]
    Apply {
        /// R to subscribe, W to publish, or R,W
        #[arg(long)]
        actions: String,
        /// Topic filters, 100 at most
        #[arg(long, value_name = "FILTERS", value_delimiter = ',', required = true)]
        resources: Vec<String>,
        /// For so long: 60 at least; more than 30 days is cut to 30 days
        #[arg(long, value_name = "SECONDS")]
        expire: Option<u64>,
        /// Until then, in milliseconds since 1970
        #[arg(long, value_name = "MS")]
        until: Option<u64>,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// Whether a token holds: prints true or false
    Query(OneToken),
    /// Make a token void
    Revoke(OneToken),
}

/// A token of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct OneToken {
    /// The token; `-` reads it from standard input
    pub token: String,
    /// Of which instance.
    #[command(flatten)]
    pub of: Of,
}

/// What can be asked about identities.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum IdentityCommand {
    /// Add an identity: a user name and its password
    Add(WholeIdentity),
    /// Write an identity anew
    Update(WholeIdentity),
    /// Delete an identity
    Delete {
        /// The user name
        username: String,
        /// The client id, for an identity that belongs to one
        #[arg(long, value_name = "CLIENT_ID")]
        client_id: Option<String>,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// The identities of an instance
    List {
        /// With their secrets
        #[arg(long)]
        secrets: bool,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
}

/// An identity.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct WholeIdentity {
    /// The user name: 64 characters at most, without | and /
    pub username: String,
    /// Only together with this client id (type CLIENT) [default: with any (type USER)]
    #[arg(long, value_name = "CLIENT_ID")]
    pub client_id: Option<String>,
    /// ORIGIN: the password is the secret; SIGNED: it is the client id, signed with the secret
    #[arg(long, value_name = "MODE", default_value = "ORIGIN", value_parser = word::<SignMode>)]
    pub sign_mode: SignMode,
    /// `-` reads it from standard input
    #[arg(long)]
    pub secret: String,
    /// Of which instance.
    #[command(flatten)]
    pub of: Of,
}

/// What can be asked about permissions.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum PermissionCommand {
    /// Add a permission of an identity
    Add(WholePermission),
    /// Write a permission anew
    Update(WholePermission),
    /// Delete a permission
    Delete {
        /// Whose, for what.
        #[command(flatten)]
        key: Whose,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// The permissions in an instance
    List {
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
}

/// Whose permission, for what.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(group = ArgGroup::new("whose").required(true).args(["user", "client"]))]
pub struct Whose {
    /// Of a user name
    #[arg(long, value_name = "USERNAME")]
    pub user: Option<String>,
    /// Of a client id
    #[arg(long, value_name = "CLIENT_ID")]
    pub client: Option<String>,
    /// The topic filter; its parent topic must have been created
    pub topic: String,
}

/// A permission.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct WholePermission {
    /// Whose, for what.
    #[command(flatten)]
    pub key: Whose,
    /// ALLOW or DENY
    #[arg(long, default_value = "ALLOW", value_parser = word::<Effect>)]
    pub effect: Effect,
    /// PUB, SUB, PUB_SUB or CONNECT
    #[arg(long, default_value = "PUB_SUB", value_parser = word::<PermitAction>)]
    pub action: PermitAction,
    /// Of which instance.
    #[command(flatten)]
    pub of: Of,
}

/// What can be asked about the black list.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum BlacklistCommand {
    /// Put a client id on the list: it may not connect
    Add(OneClient),
    /// Take a client id off the list
    Delete(OneClient),
    /// Who is on it
    List {
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
}

/// A word that the admin API writes in capital letters.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let capital = text.to_ascii_uppercase();
    let parsed = T::deserialize(StrDeserializer::<Error>::new(&capital));
    parsed.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_in_any_case_and_others_are_named() {
        assert_eq!(word("pub_sub"), Ok(PermitAction::PubSub));
        assert_eq!(word("Deny"), Ok(Effect::Deny));
        let wrong = word::<SignMode>("plain").unwrap_err();
        assert!(wrong.contains("`ORIGIN` or `SIGNED`"), "{wrong}");
    }
}
