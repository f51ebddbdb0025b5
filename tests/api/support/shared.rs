//! A daemon that tests share.

use std::ops::Deref;
use std::sync::{Arc, Weak};

use super::api::Api;
use super::daemon::{Daemon, PASS, USER};

/// A daemon that tests share which leave one another alone; gone with the last test that holds it.
pub struct Shared {
    _daemon: Arc<Daemon>,
    api: Api,
}

impl Deref for Shared {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

/// The shared daemon, started when nobody holds one. Every caller gets a client of its own.
pub async fn shared() -> Shared {
    static SHARED: tokio::sync::Mutex<Weak<Daemon>> = tokio::sync::Mutex::const_new(Weak::new());
    let mut slot = SHARED.lock().await;
    let daemon = match slot.upgrade() {
        Some(daemon) => daemon,
        None => Arc::new(Daemon::start().await),
    };
    *slot = Arc::downgrade(&daemon);
    let api = Api::new(&daemon.base, Some((USER, PASS)), &daemon.data());
    Shared { _daemon: daemon, api }
}
