//! Waiting with an end.

use std::future::Future;
use std::time::{Duration, Instant};

/// How many times as long as a test asks for may be waited: what it asks for is what an idle machine takes, and one
/// that is busy is no defect. `TEST_PATIENCE` names another factor.
pub fn patience(seconds: f64) -> Duration {
    let factor = std::env::var("TEST_PATIENCE").ok().and_then(|text| text.parse().ok()).unwrap_or(4.0);
    Duration::from_secs_f64(seconds * factor)
}

/// Asks again and again until the answer is `Some`; fails with `what` after `seconds`, or longer where all is slow.
pub async fn eventually<T, F, Fut>(what: &str, seconds: f64, mut ask: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let end = Instant::now() + patience(seconds);
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(Instant::now() < end, "not within {:?}: {what}", patience(seconds));
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
}

/// The future's value, which has to come within `seconds`, or longer where all is slow.
pub async fn within<T>(what: &str, seconds: f64, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(patience(seconds), future).await {
        Ok(value) => value,
        Err(_) => panic!("not within {:?}: {what}", patience(seconds)),
    }
}
