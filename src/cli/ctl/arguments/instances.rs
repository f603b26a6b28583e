//! What can be asked about instances, groups and parent topics.

use clap::{Args, Subcommand};

/// Which instance is meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args)]
pub struct Of {
    /// The instance [default: the one that clients reach who name none]
    #[arg(short, long, value_name = "ID")]
    pub instance: Option<String>,
}

/// What can be asked about instances.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum InstanceCommand {
    /// Make an instance; prints its id and its endpoints
    ///
    /// What is to differ for it is said with --set limits.NAME=VALUE, mqtt.NAME=VALUE or product.NAME=VALUE.
    Create {
        /// 3 to 64 letters, digits, `-` and `_`, unique in its region [default: its id]
        #[arg(long)]
        name: Option<String>,
        /// [default: that of the default instance]
        #[arg(long)]
        region: Option<String>,
        /// lite, standard, professional or platinum [default: platinum]
        #[arg(long)]
        edition: Option<String>,
    },
    /// Call an instance something else
    Rename {
        /// Its id
        id: String,
        /// 3 to 64 letters, digits, `-` and `_`, unique in its region
        name: String,
    },
    /// All instances
    List,
    /// What an instance is, has and does, and which settings differ for it
    Show {
        /// Its id
        id: String,
    },
    /// Set something for an instance; it holds at once
    Set {
        /// Its id
        id: String,
        /// For example limits.tps=100; also mqtt.NAME and product.NAME
        #[arg(value_name = "KEY=VALUE", required = true)]
        settings: Vec<String>,
    },
    /// Take back what was set for an instance
    Unset {
        /// Its id
        id: String,
        /// For example limits.tps
        #[arg(value_name = "KEY", required = true)]
        settings: Vec<String>,
    },
    /// Delete an instance: its clients are disconnected, and all that it had is gone
    Delete {
        /// Its id
        id: String,
    },
}

/// What can be asked about groups, or about parent topics.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum NameCommand {
    /// Make one
    Create {
        /// Its name
        name: String,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// All of an instance
    List {
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// Delete one
    Delete {
        /// Its name
        name: String,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
}
