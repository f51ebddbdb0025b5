//! What a request may do, in words; sets of them.

use std::fmt;
use std::str::FromStr;

/// Declares [`Permission`] from one table: variant and word.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)+) => {
        /// One thing that a caller may do. Each route needs one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Permission { $($(#[$doc])* $name,)+ }

        impl Permission {
            /// Every permission, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The word as the API writes it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

permissions! {
    /// Containers, their logs, numbers and events.
    DockerRead = "docker:read";
    /// Their lifecycle and configuration.
    DockerWrite = "docker:write";
    /// Commands in them: exec, terminal, attach.
    DockerExecute = "docker:execute";
    /// The files of their mounts, to read.
    FilesRead = "files:read";
    /// The files of their mounts, to write.
    FilesWrite = "files:write";
    /// Images, to look at and take away.
    ImageRead = "image:read";
    /// Images, to bring, make, name and remove, and the credentials for it.
    ImageWrite = "image:write";
    /// The audit log.
    AuditRead = "audit:read";
    /// How the daemon is.
    HealthRead = "health:read";
    /// Tokens and roles.
    AccessAdmin = "access:admin";
}

/// The text names no permission.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("is no permission: {} are", all_words())]
pub struct NoSuchPermission;

fn all_words() -> String {
    Permission::ALL.iter().map(|permission| permission.as_str()).collect::<Vec<_>>().join(", ")
}

impl FromStr for Permission {
    type Err = NoSuchPermission;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.iter().copied().find(|permission| permission.as_str() == text).ok_or(NoSuchPermission)
    }
}

/// A set of permissions.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u16);

impl Permissions {
    /// None of them.
    pub const NONE: Self = Self(0);
    /// All of them.
    pub const ALL: Self = Self::of(Permission::ALL);

    /// Exactly these.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < permissions.len() {
            bits |= 1 << permissions[at] as u16;
            at += 1;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u16) != 0
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// These without those.
    #[must_use]
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of the table.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(move |permission| self.has(*permission))
    }

    /// Their words, in the order of the table.
    #[must_use]
    pub fn words(self) -> Vec<&'static str> {
        self.iter().map(Permission::as_str).collect()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        permissions.into_iter().fold(Self::NONE, |set, permission| set.and(Self::of(&[permission])))
    }
}

impl fmt::Debug for Permissions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.words()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, Permissions};

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        for permission in Permission::ALL {
            let set = Permissions::of(&[*permission]);
            assert_eq!(set.iter().collect::<Vec<_>>(), [*permission]);
            assert_eq!(permission.as_str().parse::<Permission>().unwrap(), *permission);
            assert!(!Permissions::ALL.without(set).has(*permission));
        }
        assert!("docker:*".parse::<Permission>().is_err());
    }
}
