//! Work that blocks, away from the async threads.

use super::error::FilesError;

/// Runs `work` on a thread that may block. It runs to its end even when the caller goes away.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
) -> Result<T, FilesError> {
    let span = tracing::Span::current();
    let done = tokio::task::spawn_blocking(move || span.in_scope(work)).await;
    done.unwrap_or(Err(FilesError::Interrupted))
}
