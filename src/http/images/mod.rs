//! Images over HTTP: parse, one call, answer.

pub mod archives;
pub mod build;
pub mod changes;
pub mod list;
pub mod transfer;

use actix_web::guard::GuardContext;

use super::routes;

/// Whether a path is that of an image itself: `/images/a/b/history` is a part of `a/b`, and an image of the name
/// `a/b/history` has to be asked for as `a%2Fb%2Fhistory`.
pub fn is_whole(context: &GuardContext<'_>) -> bool {
    !routes::is_part_of_image(&routes::path_of(&context.head().uri))
}
