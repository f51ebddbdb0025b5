//! Which of the sockets where an engine may listen is the one to use.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UnixStream;

/// How long a socket may take to accept a connection.
const ACCEPTS_WITHIN: Duration = Duration::from_secs(1);

/// Docker's usual socket.
const DOCKERS: &str = "/var/run/docker.sock";
/// The usual socket of a Podman that root runs.
const PODMANS: &str = "/run/podman/podman.sock";

/// The socket of the engine of this host.
pub async fn socket(runtime_dir: Option<&Path>) -> PathBuf {
    let uid = rustix::process::getuid().as_raw();
    first_that_answers(&usual_sockets(runtime_dir, uid)).await.map_or_else(|| DOCKERS.into(), Path::to_owned)
}

/// Where Docker and then Podman put their sockets, run by root and by this user.
fn usual_sockets(runtime_dir: Option<&Path>, uid: u32) -> Vec<PathBuf> {
    let own = PathBuf::from(format!("/run/user/{uid}"));
    let mut folders: Vec<PathBuf> = runtime_dir.map(Path::to_owned).into_iter().collect();
    folders.extend(Some(own).filter(|own| !folders.contains(own)));
    let mut sockets = vec![PathBuf::from(DOCKERS)];
    sockets.extend(folders.iter().map(|folder| folder.join("docker.sock")));
    sockets.push(PathBuf::from(PODMANS));
    sockets.extend(folders.iter().map(|folder| folder.join("podman/podman.sock")));
    sockets
}

/// The first socket that takes a connection; where none does, the first that is there, since its engine may
/// yet be started; else none.
async fn first_that_answers(sockets: &[PathBuf]) -> Option<&Path> {
    for socket in sockets {
        if accepts(socket).await {
            return Some(socket);
        }
    }
    sockets.iter().find(|socket| socket.exists()).map(PathBuf::as_path)
}

async fn accepts(socket: &Path) -> bool {
    matches!(tokio::time::timeout(ACCEPTS_WITHIN, UnixStream::connect(socket)).await, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::{Path, PathBuf, first_that_answers, usual_sockets};

    /// Three places: nothing, a socket that nobody listens on any more, and an engine's.
    fn places() -> (tempfile::TempDir, [PathBuf; 3], UnixListener) {
        let folder = tempfile::tempdir().unwrap();
        let places = ["none", "left", "open"].map(|name| folder.path().join(name));
        drop(UnixListener::bind(&places[1]).unwrap());
        let listener = UnixListener::bind(&places[2]).unwrap();
        (folder, places, listener)
    }

    #[tokio::test]
    async fn the_first_that_takes_a_connection_wins() {
        let (_folder, [none, left, open], _listener) = places();
        let sockets = [none, left, open.clone()];
        assert_eq!(first_that_answers(&sockets).await, Some(open.as_path()));
    }

    #[tokio::test]
    async fn of_two_engines_the_order_decides() {
        let (folder, [_, _, open], _listener) = places();
        let other = folder.path().join("other");
        let _other = UnixListener::bind(&other).unwrap();
        assert_eq!(first_that_answers(&[other.clone(), open.clone()]).await, Some(other.as_path()));
        assert_eq!(first_that_answers(&[open.clone(), other]).await, Some(open.as_path()));
    }

    #[tokio::test]
    async fn without_one_that_answers_the_first_that_is_there_is_waited_for() {
        let (_folder, [none, left, _], _listener) = places();
        assert_eq!(first_that_answers(&[none.clone(), left.clone()]).await, Some(left.as_path()));
        assert_eq!(first_that_answers(&[none]).await, None);
    }

    #[test]
    fn docker_s_sockets_come_before_podman_s_and_root_s_before_the_user_s() {
        let expected = [
            "/var/run/docker.sock",
            "/x/docker.sock",
            "/run/user/7/docker.sock",
            "/run/podman/podman.sock",
            "/x/podman/podman.sock",
            "/run/user/7/podman/podman.sock",
        ];
        assert_eq!(usual_sockets(Some(Path::new("/x")), 7), expected.map(PathBuf::from));
        let own = usual_sockets(None, 7);
        assert_eq!(own.len(), 4);
        assert_eq!(usual_sockets(Some(Path::new("/run/user/7")), 7), own);
    }
}
