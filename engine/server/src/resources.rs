//! The files that a configuration names, read: what is wrong in one is known before anything changes.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mayfly_auth::Authenticator;
use mayfly_core::{RuleSet, WallClock};
use mayfly_net::tls::{TlsConfig, TlsFileError};
use mayfly_settings::{SettingsError, did_you_mean, list};

use crate::authentication::authenticator;
use crate::config::Config;
use crate::config::model::Listener;

/// Why a file that the configuration names cannot be used. Its text is one line and names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// A certificate or a key.
    #[error("{place}{error}")]
    Tls {
        /// Where the configuration names it, with a colon, or nothing.
        place: Box<str>,
        /// What is wrong.
        error: TlsFileError,
    },
    /// Users, their attributes, or rules.
    #[error("{place}`{key}`: {error}")]
    Settings {
        /// Where the configuration names the file, with a colon, or nothing.
        place: Box<str>,
        /// By which key.
        key: &'static str,
        /// What is wrong.
        error: SettingsError,
    },
    /// A listener's policy is not in the rules file.
    #[error(
        "{place}the listener `{listener}` has the policy `{policy}`, but {rules} has none of that name{known}"
    )]
    UnknownPolicy {
        /// Where the configuration names it, with a colon, or nothing.
        place: Box<str>,
        /// The listener's name.
        listener: String,
        /// What it names.
        policy: String,
        /// The rules file.
        rules: String,
        /// `; did you mean …?` where one is near, and all policies of the file.
        known: Box<str>,
    },
}

/// What was read.
pub struct Resources {
    /// Of each listener, in the order of the configuration.
    pub(crate) listeners: Vec<ListenerResources>,
    /// Who may do what; empty where there is no rules file.
    pub(crate) rules: RuleSet,
    warnings: Vec<String>,
}

/// The files of one listener.
pub(crate) struct ListenerResources {
    pub(crate) tls: Option<TlsConfig>,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
}

impl Resources {
    /// Reads all files.
    pub fn load(config: &Config) -> Result<Self, ResourceError> {
        let rules = match &config.authorization {
            Some(authorization) => {
                let rules = mayfly_rules::load(&authorization.rules);
                let rules = rules.map_err(|error| unusable(config, "authorization.rules", "rules", error))?;
                for (index, listener) in config.listeners.iter().enumerate() {
                    let place = config.places.of(&format!("listeners.{index}.policy"));
                    policy_exists(listener, &rules, &authorization.rules, place)?;
                }
                rules
            }
            None => RuleSet::default(),
        };
        let mut warnings = Vec::new();
        let mut listeners = Vec::new();
        for (index, listener) in config.listeners.iter().enumerate() {
            let path = |key: &str| format!("listeners.{index}.{key}");
            let tls = listener.tls_files().map(|files| TlsConfig::load(&files, today())).transpose();
            let place = || config.places.of(&path("tls")).into();
            let tls = tls.map_err(|error| ResourceError::Tls { place: place(), error })?;
            warnings.extend(tls.iter().flat_map(TlsConfig::warnings).cloned());
            let authenticator = authenticator(listener).map_err(|(key, error)| {
                unusable(config, &path(&format!("authentication.{key}")), key, error)
            })?;
            listeners.push(ListenerResources { tls, authenticator });
        }
        Ok(Self { listeners, rules, warnings })
    }

    /// What an operator should know, though everything can be used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn unusable(config: &Config, path: &str, key: &'static str, error: SettingsError) -> ResourceError {
    ResourceError::Settings { place: config.places.of(path).into(), key, error }
}

fn policy_exists(
    listener: &Listener,
    rules: &RuleSet,
    path: &Path,
    place: &str,
) -> Result<(), ResourceError> {
    let Some(policy) = &listener.policy else { return Ok(()) };
    if rules.policies().contains_key(policy.as_str()) {
        return Ok(());
    }
    let names = || rules.policies().keys().map(AsRef::as_ref);
    Err(ResourceError::UnknownPolicy {
        place: place.into(),
        listener: listener.name.clone(),
        policy: policy.clone(),
        rules: path.display().to_string(),
        known: format!("{} (policies: {})", did_you_mean(policy, names()), list(names())).into(),
    })
}

/// The time, to say of a certificate that it has expired.
fn today() -> WallClock {
    #[expect(clippy::disallowed_methods, reason = "whether a certificate is valid depends on the real time")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallClock::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
