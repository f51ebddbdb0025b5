//! The values of the variables, by their kinds.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::sources::Values;
use super::{ConfigError, invalid};

impl Values {
    pub(super) fn parsed<T: FromStr>(
        &self,
        name: &'static str,
        default: &str,
        rule: &str,
    ) -> Result<T, ConfigError> {
        self.text(name).unwrap_or(default).trim().parse().map_err(|_| invalid(name, rule))
    }

    pub(super) fn count(&self, name: &'static str, default: &str) -> Result<usize, ConfigError> {
        let count: usize = self.parsed(name, default, "has to be a whole number from 1 on")?;
        if count == 0 { Err(invalid(name, "has to be a whole number from 1 on")) } else { Ok(count) }
    }

    /// A number that 0 turns off.
    pub(super) fn limit(&self, name: &'static str, default: &str) -> Result<Option<u64>, ConfigError> {
        let limit: u64 = self.parsed(name, default, "has to be a whole number; 0 means no limit")?;
        Ok((limit > 0).then_some(limit))
    }

    pub(super) fn seconds(&self, name: &'static str, default: &str) -> Result<Duration, ConfigError> {
        const RULE: &str = "has to be a time in seconds from 1 to 86400";
        let seconds: u64 = self.parsed(name, default, RULE)?;
        if (1..=86_400).contains(&seconds) {
            Ok(Duration::from_secs(seconds))
        } else {
            Err(invalid(name, RULE))
        }
    }

    /// The path of a file, as seen from the working folder.
    pub(super) fn path(&self, name: &'static str) -> Result<Option<PathBuf>, ConfigError> {
        let path = self.text(name).map(std::path::absolute).transpose();
        path.map_err(|error| invalid(name, error.to_string()))
    }

    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|item| !item.is_empty()).collect()
    }
}
