//! Roles: sets of permissions with a name. Three are always there as they are.

use std::collections::BTreeMap;

use super::permission::Permission::{
    DockerRead, DockerWrite, FilesRead, FilesWrite, HealthRead, ImageRead, ImageWrite,
};
use super::{Permission, Permissions};

/// The roles that nobody can change.
const BUILT_IN: [(&str, Permissions); 3] = [
    ("admin", Permissions::ALL),
    (
        "write",
        Permissions::of(&[DockerRead, DockerWrite, FilesRead, FilesWrite, ImageRead, ImageWrite, HealthRead]),
    ),
    ("read", Permissions::of(&[DockerRead, ImageRead, HealthRead])),
];

/// A role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// What it permits.
    pub permissions: Permissions,
    /// Whether it is always there as it is.
    pub built_in: bool,
}

/// All roles by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<String, Permissions>);

impl Roles {
    /// The built-in roles and these; of two with one name the built-in one counts.
    #[must_use]
    pub fn with(own: BTreeMap<String, Permissions>) -> Self {
        Self(own)
    }

    /// Whether a role of this name is built in.
    #[must_use]
    pub fn is_built_in(name: &str) -> bool {
        BUILT_IN.iter().any(|(built_in, _)| *built_in == name)
    }

    /// What a role permits; nothing where there is no such role.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Permissions> {
        let built_in = BUILT_IN.iter().find(|(built_in, _)| *built_in == name);
        built_in.map(|(_, permissions)| *permissions).or_else(|| self.0.get(name).copied())
    }

    /// What these roles and permissions come to. A role that is gone permits nothing.
    #[must_use]
    pub fn permissions(&self, roles: &[String], more: &[Permission]) -> Permissions {
        let of_roles = roles.iter().filter_map(|role| self.get(role));
        of_roles.fold(more.iter().copied().collect(), Permissions::and)
    }

    /// Every role: the built-in ones first, the others by name.
    #[must_use]
    pub fn all(&self) -> Vec<Role> {
        let built_in = BUILT_IN.iter().map(|(name, permissions)| (*name, *permissions, true));
        let own = self.0.iter().map(|(name, permissions)| (name.as_str(), *permissions, false));
        let own = own.filter(|(name, _, _)| !Self::is_built_in(name));
        let role = |(name, permissions, built_in): (&str, Permissions, bool)| Role {
            name: name.to_owned(),
            permissions,
            built_in,
        };
        built_in.chain(own).map(role).collect()
    }

    /// The roles that are kept in the file.
    #[must_use]
    pub fn own(&self) -> &BTreeMap<String, Permissions> {
        &self.0
    }
}

/// What is wrong with the name of a role, if anything.
#[must_use]
pub fn role_name_problem(name: &str) -> Option<&'static str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let fits = starts_well && name.len() <= 64 && name.chars().all(is_part);
    (!fits).then_some("has to be 1 to 64 of the characters a-z 0-9 _ - and start with a letter")
}

#[cfg(test)]
mod tests {
    use super::{Permission, Permissions, Roles};

    #[test]
    fn execution_is_in_no_role_but_admin() {
        let roles = Roles::default();
        let with: Vec<_> =
            roles.all().into_iter().filter(|role| role.permissions.has(Permission::DockerExecute)).collect();
        assert_eq!(with.iter().map(|role| role.name.as_str()).collect::<Vec<_>>(), ["admin"]);
        let granted = roles.permissions(&["read".into(), "gone".into()], &[Permission::DockerExecute]);
        assert_eq!(granted.words(), ["docker:read", "docker:execute", "image:read", "health:read"]);
    }

    #[test]
    fn nobody_takes_the_place_of_a_built_in_role() {
        let roles = Roles::with([("read".to_owned(), Permissions::ALL)].into());
        assert!(!roles.get("read").unwrap().has(Permission::DockerWrite));
        assert_eq!(roles.all().len(), 3);
    }
}
