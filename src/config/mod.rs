//! Configuration: the compiled-in defaults, the user's file over them, the environment over both.
//! Every mistake is reported at once, and no secret is printed.

mod accounts;
mod declared;
mod mistake;
mod parse;
mod reader;
mod secret;
mod section;
mod sections;
mod settings;
mod store_url;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

pub use declared::{DeclaredAccount, DeclaredKey, DeclaredWallet};
pub use mistake::{ConfigError, Origin};
pub use secret::Secret;
pub use settings::{
    AdminConfig, CampaignsConfig, Config, LedgerConfig, ListenConfig, LogConfig, LogFormat,
    LogLevel, MetricsConfig, PassThroughConfig, PricingConfig, ProcessConfig, RecipientsConfig,
    SecretsConfig, SendConfig, ServerConfig, ShutdownConfig, ThrottleConfig, UpstreamConfig,
};

use reader::Reader;

/// The defaults, and the only list of keys; its comments are the reference.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The exit code of a command whose configuration is wrong (`EX_USAGE` of sysexits.h).
pub const EXIT_BAD_CONFIG: u8 = 64;

impl Config {
    /// Reads `file`, or only the defaults if it is `None`, with `environment` over it; also reads
    /// the secret files it names.
    ///
    /// # Errors
    /// Every mistake, in the order of the file.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Vec<ConfigError>> {
        let Some(path) = file else { return Config::from_parts("", "defaults", environment) };
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Config::from_parts(&text, &name, environment),
            Err(error) => {
                let origin = Origin::File { name: name.into(), line: 0 };
                Err(vec![ConfigError {
                    origin,
                    key: String::new(),
                    message: format!("cannot read the file: {error}"),
                }])
            }
        }
    }

    /// Reads `text`, whose mistakes are reported under `name`, with `environment` over it.
    ///
    /// # Errors
    /// Every mistake, in the order of the text.
    pub fn from_parts(
        text: &str,
        name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, Vec<ConfigError>> {
        read(text, name, environment.into_iter().collect(), &|path| std::fs::read_to_string(path))
    }

    /// The configuration in force as TOML, each value with its origin, secrets redacted.
    pub fn print(&self) -> &str {
        &self.printed
    }
}

fn read(
    text: &str,
    name: &str,
    environment: BTreeMap<String, String>,
    read_file: &dyn Fn(&Path) -> io::Result<String>,
) -> Result<Config, Vec<ConfigError>> {
    let name: Arc<str> = name.into();
    let mut mistakes = Vec::new();
    let mut tree = tree::parse(DEFAULTS, None)?;
    tree::merge(&mut tree, tree::parse(text, Some(&name))?, &mut mistakes);
    tree::merge_environment(&mut tree, &environment, &mut mistakes);
    sections::read(tree, Reader::new(&environment, read_file, mistakes))
}
