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
    #[error(transparent)]
    Tls(#[from] TlsFileError),
    /// Users, their attributes, or rules.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// A listener's policy is not in the rules file.
    #[error(
        "the listener `{listener}` has the policy `{policy}`, but {rules} has none of that name{hint} (policies: {known})"
    )]
    UnknownPolicy {
        /// The listener's name.
        listener: String,
        /// What it names.
        policy: String,
        /// The rules file.
        rules: String,
        /// `; did you mean …?`, or nothing.
        hint: String,
        /// All policies of the file, or nothing.
        known: String,
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
                let rules = mayfly_rules::load(&authorization.rules)?;
                for listener in &config.listeners {
                    policy_exists(listener, &rules, &authorization.rules)?;
                }
                rules
            }
            None => RuleSet::default(),
        };
        let mut warnings = Vec::new();
        let mut listeners = Vec::new();
        for listener in &config.listeners {
            let tls = listener.tls_files().map(|files| TlsConfig::load(&files, today())).transpose()?;
            warnings.extend(tls.iter().flat_map(TlsConfig::warnings).cloned());
            let authenticator = authenticator(listener)?;
            listeners.push(ListenerResources { tls, authenticator });
        }
        Ok(Self { listeners, rules, warnings })
    }

    /// What an operator should know, though everything can be used.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

fn policy_exists(listener: &Listener, rules: &RuleSet, path: &Path) -> Result<(), ResourceError> {
    let Some(policy) = &listener.policy else { return Ok(()) };
    if rules.policies().contains_key(policy.as_str()) {
        return Ok(());
    }
    let names = || rules.policies().keys().map(AsRef::as_ref);
    Err(ResourceError::UnknownPolicy {
        listener: listener.name.clone(),
        policy: policy.clone(),
        rules: path.display().to_string(),
        hint: did_you_mean(policy, names()),
        known: list(names()),
    })
}

/// The time, to say of a certificate that it has expired.
fn today() -> WallClock {
    #[expect(clippy::disallowed_methods, reason = "whether a certificate is valid depends on the real time")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallClock::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}
