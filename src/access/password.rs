//! The administrator's password: as it is, or by its argon2id hash alone; and the check of a login.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher, Version};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use tokio::sync::Semaphore;

use super::secret;

/// What every hash of a kind of argon2 begins with. No plain password does.
const ANY_HASH: &str = "$argon2";
/// The most memory of a hash, in KiB.
const MOST_MEMORY: u32 = 1024 * 1024;
/// The most passes of a hash.
const MOST_PASSES: u32 = 64;
/// The most lanes of a hash.
const MOST_LANES: u32 = 16;
/// The fewest bytes of a hash's output: shorter ones can be met by chance.
const LEAST_OUTPUT: usize = 16;
/// How many logins are checked against a hash at a time. Each takes the memory that the hash names, by default
/// 19 MiB, and a thread: strangers must not be able to take all of either.
const SIDE_BY_SIDE: usize = 2;
/// The largest memory of a hash that is kept for the next one, in blocks of 1 KiB.
const KEPT_BLOCKS: usize = 64 * 1024;

/// The administrator's password.
#[derive(Clone, PartialEq, Eq)]
pub enum Password {
    /// As it is.
    Plain(String),
    /// By its hash.
    Argon2id(Box<Argon2idHash>),
}

/// An argon2id hash of version 19, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2idHash {
    params: Params,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Password {
    /// Reads a password, or a hash in PHC form (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`). Fails with what is wrong
    /// with the hash and the remedy, and shows nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if secret::is_secret(text) {
            return Err("has the form of a token, and would be taken for one: choose another".to_owned());
        }
        if !text.starts_with(ANY_HASH) {
            return Ok(Self::Plain(text.to_owned()));
        }
        match Argon2idHash::parse(text) {
            Ok(hash) => Ok(Self::Argon2id(Box::new(hash))),
            Err(problem) => Err(format!(
                "begins like an argon2 hash, but {problem}: make one with `wharfinger hash-password`, and put it \
                 between single quotes in .env"
            )),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Plain(_) => "Password::Plain",
            Self::Argon2id(_) => "Password::Argon2id",
        })
    }
}

impl Argon2idHash {
    fn parse(text: &str) -> Result<Self, String> {
        let broken = |_| "cannot be read as one".to_owned();
        if !text.starts_with("$argon2id$") {
            return Err("is of another kind: only argon2id is understood".to_owned());
        }
        let hash = PasswordHash::new(text).map_err(broken)?;
        if hash.version != Some(Version::V0x13 as u32) {
            return Err("is not of version 19 (v=19)".to_owned());
        }
        if hash.params.iter().any(|(name, _)| !matches!(name.as_str(), "m" | "t" | "p")) {
            return Err("has parameters beside m, t and p".to_owned());
        }
        let (Some(salt), Some(output)) = (&hash.salt, &hash.hash) else {
            return Err("ends too early: salt or hash is missing".to_owned());
        };
        let params = Params::try_from(&hash).map_err(|_| "has parameters that cannot be".to_owned())?;
        if params.m_cost() > MOST_MEMORY || params.t_cost() > MOST_PASSES || params.p_cost() > MOST_LANES {
            return Err(format!(
                "asks for too much: at most m={MOST_MEMORY}, t={MOST_PASSES}, p={MOST_LANES}"
            ));
        }
        if output.as_bytes().len() < LEAST_OUTPUT || salt.len() < argon2::MIN_SALT_LEN {
            return Err("is too short to be safe".to_owned());
        }
        Ok(Self { params, salt: salt.to_vec(), output: output.as_bytes().to_vec() })
    }

    /// Whether it is the hash of this password. Takes as long for a wrong one. The memory of earlier ones is used
    /// again: each of the threads that happen to do this would else keep as much for itself.
    fn is_of(&self, password: &[u8], memory: &Mutex<Vec<Vec<Block>>>) -> bool {
        let kept = || memory.lock().unwrap_or_else(PoisonError::into_inner);
        let mut blocks = kept().pop().unwrap_or_default();
        blocks.resize_with(self.params.block_count(), Block::default);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let mut output = vec![0; self.output.len()];
        let hashed = argon2.hash_password_into_with_memory(password, &self.salt, &mut output, &mut blocks);
        if blocks.len() <= KEPT_BLOCKS {
            kept().push(blocks);
        }
        hashed.is_ok() && bool::from(self.output.ct_eq(&output))
    }
}

impl fmt::Debug for Argon2idHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Argon2idHash")
    }
}

/// The argon2id hash of a password in PHC form, with a new salt and the crate's own parameters, which are those
/// that OWASP recommends (m=19456, t=2, p=1).
pub fn hash(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    Argon2::default().hash_password(password).map(|hash| hash.to_string())
}

/// Knows whether a user and a password are the administrator's.
pub struct PasswordCheck {
    user: [u8; 32],
    secret: Secret,
}

enum Secret {
    Plain([u8; 32]),
    Argon2id {
        hash: Arc<Argon2idHash>,
        places: Arc<Semaphore>,
        /// The memory that hashes were done in, as much as there are places.
        memory: Arc<Mutex<Vec<Vec<Block>>>>,
        verified: Mutex<Option<Verified>>,
    },
}

/// The one login that was found right, known by a digest whose key nothing outside of this process has.
struct Verified {
    key: [u8; 32],
    digest: [u8; 32],
}

impl Verified {
    /// None where the host has no random bytes: the login is then checked in full each time.
    fn new(user: &[u8], password: &[u8]) -> Option<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Some(Self { key, digest: Self::digest(&key, user, password) })
    }

    /// The length tells where the user ends, so that no two logins are the same bytes.
    fn digest(key: &[u8; 32], user: &[u8], password: &[u8]) -> [u8; 32] {
        let length = (user.len() as u64).to_le_bytes();
        Sha256::new()
            .chain_update(key)
            .chain_update(length)
            .chain_update(user)
            .chain_update(password)
            .finalize()
            .into()
    }

    fn is(&self, user: &[u8], password: &[u8]) -> bool {
        self.digest.ct_eq(&Self::digest(&self.key, user, password)).into()
    }
}

impl PasswordCheck {
    /// A check for this user with this password.
    #[must_use]
    pub fn new(user: &str, password: &Password) -> Self {
        let secret = match password {
            Password::Plain(password) => Secret::Plain(Sha256::digest(password).into()),
            Password::Argon2id(hash) => Secret::Argon2id {
                hash: Arc::new((**hash).clone()),
                places: Arc::new(Semaphore::new(SIDE_BY_SIDE)),
                memory: Arc::default(),
                verified: Mutex::new(None),
            },
        };
        Self { user: Sha256::digest(user).into(), secret }
    }

    /// Whether the login is right, where that is known without work: always with a plain password; with a hash only
    /// of the login that was found right before. None: ask [`slow`](Self::slow).
    ///
    /// Both sides are hashed, so that neither length nor a common beginning shows in the time it takes.
    #[must_use]
    pub fn quick(&self, user: &[u8], password: &[u8]) -> Option<bool> {
        match &self.secret {
            Secret::Plain(hash) => Some((self.is_user(user) & hash.ct_eq(&Sha256::digest(password))).into()),
            Secret::Argon2id { verified, .. } => {
                let verified = verified.lock().unwrap_or_else(PoisonError::into_inner);
                verified.as_ref().is_some_and(|verified| verified.is(user, password)).then_some(true)
            }
        }
    }

    /// Whether the login is right, by the hash. The whole hash is done for a wrong user too. One whose caller goes
    /// away keeps its place until its hash is done.
    pub async fn slow(&self, user: &[u8], password: &[u8]) -> bool {
        let Secret::Argon2id { hash, places, memory, verified } = &self.secret else {
            return self.quick(user, password).unwrap_or_default();
        };
        let Ok(place) = Arc::clone(places).acquire_owned().await else { return false };
        if let Some(is_right) = self.quick(user, password) {
            // Found right while this one waited for its place.
            return is_right;
        }
        let (hash, memory, owned) = (Arc::clone(hash), Arc::clone(memory), password.to_vec());
        let work = tokio::task::spawn_blocking(move || {
            let _place = place;
            hash.is_of(&owned, &memory)
        });
        let is_password = Choice::from(u8::from(work.await.unwrap_or_default()));
        let is_right = bool::from(self.is_user(user) & is_password);
        if is_right {
            *verified.lock().unwrap_or_else(PoisonError::into_inner) = Verified::new(user, password);
        }
        is_right
    }

    fn is_user(&self, user: &[u8]) -> Choice {
        self.user.ct_eq(&Sha256::digest(user))
    }
}

impl fmt::Debug for PasswordCheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("PasswordCheck")
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{Password, PasswordCheck, Secret, hash};

    /// Of `p:ä`, with little memory.
    fn small_hash() -> String {
        use argon2::{Argon2, Params, PasswordHasher};
        let params = Params::new(64, 1, 1, None).unwrap();
        Argon2::from(params).hash_password("p:ä".as_bytes()).unwrap().to_string()
    }

    #[test]
    fn a_plain_password_is_known_at_once() {
        let check = PasswordCheck::new("admin", &Password::parse("p:ä").unwrap());
        for (user, password, expected) in
            [("admin", "p:ä", true), ("Admin", "p:ä", false), ("admin", "p:", false), ("", "", false)]
        {
            assert_eq!(
                check.quick(user.as_bytes(), password.as_bytes()),
                Some(expected),
                "{user} {password}"
            );
        }
    }

    #[tokio::test]
    async fn a_hash_lets_its_password_in_and_remembers_that_login_alone() {
        let check = PasswordCheck::new("admin", &Password::parse(&small_hash()).unwrap());
        let good = ("admin".as_bytes(), "p:ä".as_bytes());
        assert_eq!(check.quick(good.0, good.1), None);
        for (user, password) in [("Admin", "p:ä"), ("admin", "p"), ("adminp", ":ä"), ("", "")] {
            let (user, password) = (user.as_bytes(), password.as_bytes());
            assert!(!check.slow(user, password).await);
            assert_eq!(check.quick(user, password), None, "a failure is not remembered");
        }
        assert!(check.slow(good.0, good.1).await);
        assert_eq!(check.quick(good.0, good.1), Some(true));
        // The same bytes, cut elsewhere.
        assert_eq!(check.quick(b"adminp", ":ä".as_bytes()), None);
        assert!(!check.slow(b"admin", b"p").await, "what was right before lets nothing else in");
    }

    #[tokio::test]
    async fn two_logins_are_checked_at_a_time_and_one_that_is_given_up_keeps_its_place() {
        let check = PasswordCheck::new("admin", &Password::parse(&hash(b"p").unwrap()).unwrap());
        let Secret::Argon2id { places, memory, .. } = &check.secret else { panic!("no hash") };
        {
            // Until this is let go no hash begins, however slow or fast the machine is.
            let _begins = memory.lock().unwrap();
            assert!(check.slow(b"admin", b"wrong").now_or_never().is_none());
            assert_eq!(places.available_permits(), 1);
        }
        let both = futures_util::future::join(check.slow(b"admin", b"p"), check.slow(b"x", b"p")).await;
        assert_eq!(both, (true, false));
        assert!(places.acquire_many(2).await.is_ok(), "all places are given back");
    }

    #[test]
    fn a_password_that_would_be_taken_for_a_token_is_refused() {
        let token = super::secret::generate().unwrap();
        assert!(Password::parse(&token).unwrap_err().contains("form of a token"));
        assert!(Password::parse(&token[..25]).is_ok());
    }

    #[test]
    fn a_hash_that_is_broken_or_asks_for_too_much_is_refused() {
        let good = hash(b"p").unwrap();
        assert!(good.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{good}");
        assert!(matches!(Password::parse(&good), Ok(Password::Argon2id(_))));
        let cut = good.rfind('$').unwrap();
        for (wrong, why) in [
            (good.replace("argon2id", "argon2i"), "only argon2id"),
            (good.replace("argon2id", "argon2"), "only argon2id"),
            (good.replace("v=19", "v=16"), "version 19"),
            (good.replace("$v=19", ""), "version 19"),
            (good.replace("m=19456", "m=1048577"), "too much"),
            (good.replace("t=2", "t=65"), "too much"),
            (good.replace("p=1", "p=17"), "too much"),
            (good.replace("m=19456", "m=1"), "cannot be"),
            (good.replace("t=2", "t=x"), "cannot be"),
            (good.replace("p=1", "p=1,keyid=YQ"), "beside m, t and p"),
            (good[..cut].to_owned(), "ends too early"),
            (good[..cut + 17].to_owned(), "too short"),
            (format!("{good}\n"), "cannot be read"),
            (good.replace("$argon2id$v=19", "$argon2id$v=x"), "cannot be read"),
            ("$argon2id$".to_owned(), "cannot be read"),
        ] {
            let problem = Password::parse(&wrong).unwrap_err();
            assert!(problem.contains(why), "{wrong}: {problem}");
            assert!(!problem.contains(&good[cut + 1..]) && problem.contains("hash-password"), "{problem}");
        }
        for most in [good.replace("m=19456", "m=1048576"), good.replace("t=2", "t=64").replace("p=1", "p=16")]
        {
            assert!(Password::parse(&most).is_ok(), "{most}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        for text in ["plain-secret", &hash(b"p").unwrap()] {
            let password = Password::parse(text).unwrap();
            let shown = format!("{password:?} {:?}", PasswordCheck::new("admin", &password));
            assert!(!shown.contains("secret") && !shown.contains("19456"), "{shown}");
        }
    }
}
