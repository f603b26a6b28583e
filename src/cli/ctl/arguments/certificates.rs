//! What can be asked about certificates. Serial numbers are as `openssl x509 -serial` prints them.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Of;

/// What can be asked about authorities.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CaCommand {
    /// The registration code of an instance: the common name of the certificate that registers an authority
    Code {
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// Register an authority; it vouches for devices from then on
    Register {
        /// What to call it
        #[arg(long)]
        name: String,
        /// Its certificate, in PEM
        #[arg(long, value_name = "FILE")]
        cert: PathBuf,
        /// A certificate that it has signed, whose common name is the registration code, in PEM
        #[arg(long, value_name = "FILE")]
        verification: PathBuf,
        /// In which instance.
        #[command(flatten)]
        of: Of,
    },
    /// The authorities of an instance
    List {
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// An authority, with its certificate
    Show(OneCa),
    /// Have an authority vouch for devices again
    Activate(OneCa),
    /// No longer take an authority's word: its devices are disconnected and kept out
    Deactivate(OneCa),
    /// Delete an authority, and what is known of its devices' certificates
    Delete(OneCa),
}

/// An authority of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct OneCa {
    /// The serial number of its certificate
    pub sn: String,
    /// Of which instance.
    #[command(flatten)]
    pub of: Of,
}

/// What can be asked about certificates of devices.
#[derive(Clone, Debug, PartialEq, Eq, Subcommand)]
pub enum CertificateCommand {
    /// The certificates that devices have logged in with
    List {
        /// Only those of this authority
        #[arg(long, value_name = "SN")]
        ca: Option<String>,
        /// Of which instance.
        #[command(flatten)]
        of: Of,
    },
    /// One of them, as a whole
    Show(OneCertificate),
    /// Let the device with a certificate connect again
    Activate(OneCertificate),
    /// Disconnect the device with a certificate, and keep it out
    Deactivate(OneCertificate),
    /// Forget a certificate; the next login with it registers it anew, as active
    Delete(OneCertificate),
}

/// The certificate of a device of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub struct OneCertificate {
    /// The serial number of its authority's certificate
    pub ca_sn: String,
    /// Its own
    pub device_sn: String,
    /// Of which instance.
    #[command(flatten)]
    pub of: Of,
}
