//! What the files of `access/` look like.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::role::Roles;
use super::scope::{Scope, Selector};
use super::secret::SecretHash;
use super::token::{LastUse, TokenRecord};
use super::{Permission, Permissions, TokenId};

/// What a hash begins with in a file.
const SHA256: &str = "sha256:";

/// `roles.json`.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct RolesFile(BTreeMap<String, Vec<Permission>>);

impl From<&Roles> for RolesFile {
    fn from(roles: &Roles) -> Self {
        Self(roles.own().iter().map(|(name, own)| (name.clone(), own.iter().collect())).collect())
    }
}

impl From<RolesFile> for Roles {
    fn from(file: RolesFile) -> Self {
        let own = file.0.into_iter().map(|(name, own)| (name, own.into_iter().collect::<Permissions>()));
        Self::with(own.collect())
    }
}

impl Serialize for Permission {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `tokens/<id>.json`. A field that is not known is refused: it may limit what the token may do.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenFile {
    name: String,
    hash: String,
    roles: Vec<String>,
    permissions: Vec<Permission>,
    /// None: all. Where the line is missing the file is broken, not the token unlimited.
    #[serde(deserialize_with = "Option::deserialize")]
    containers: Option<Vec<String>>,
    created_at: Timestamp,
    created_by: String,
    #[serde(deserialize_with = "Option::deserialize")]
    expires_at: Option<Timestamp>,
}

impl From<&TokenRecord> for TokenFile {
    fn from(record: &TokenRecord) -> Self {
        Self {
            name: record.name.clone(),
            hash: format!("{SHA256}{}", hex(record.hash.as_bytes())),
            roles: record.roles.clone(),
            permissions: record.permissions.clone(),
            containers: record.scope.words(),
            created_at: record.created_at,
            created_by: record.created_by.clone(),
            expires_at: record.expires_at,
        }
    }
}

impl TokenFile {
    /// The record of the token with this id; fails with what is wrong with the file.
    pub(super) fn into_record(self, id: TokenId) -> Result<TokenRecord, String> {
        let problem = |what: &str| format!("{id}.json has no good `{what}`: mend it or remove it");
        let hash = self.hash.strip_prefix(SHA256).and_then(unhex).ok_or_else(|| problem("hash"))?;
        let parse = |texts: Vec<String>| -> Result<Vec<Selector>, &'static str> {
            texts.iter().map(|text| Selector::parse(text)).collect()
        };
        let scope = match self.containers {
            None => Scope::All,
            Some(texts) => Scope::Only(parse(texts).map_err(|_| problem("containers"))?),
        };
        Ok(TokenRecord {
            id,
            name: self.name,
            hash: SecretHash::from_bytes(hash),
            roles: self.roles,
            permissions: self.permissions,
            scope,
            created_at: self.created_at,
            created_by: self.created_by,
            expires_at: self.expires_at,
        })
    }
}

/// `uses.json`: when and from where tokens were last used, by id.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct UsesFile(BTreeMap<String, UseFile>);

#[derive(Serialize, Deserialize)]
struct UseFile {
    at: Timestamp,
    from: Option<IpAddr>,
}

impl From<&BTreeMap<TokenId, LastUse>> for UsesFile {
    fn from(uses: &BTreeMap<TokenId, LastUse>) -> Self {
        let file =
            |(id, last): (&TokenId, &LastUse)| (id.to_string(), UseFile { at: last.at, from: last.from });
        Self(uses.iter().map(file).collect())
    }
}

impl UsesFile {
    pub(super) fn into_uses(self) -> BTreeMap<TokenId, LastUse> {
        let last = |(id, file): (String, UseFile)| {
            Some((id.parse().ok()?, LastUse { at: file.at, from: file.from }))
        };
        self.0.into_iter().filter_map(last).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}
