//! The room as a whole, on a folder of its own.
#![expect(clippy::disallowed_methods, reason = "tests look into the files")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::request::AskedToken;
use super::{Access, Creator, Permission, Permissions, Refused, RoleRemoval, Scope};
use crate::container::Cuid;

const HOST: Creator<'_> = Creator::Host("admin");

fn asked(roles: &[&str], scope: Scope) -> AskedToken {
    AskedToken {
        name: "ci".to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        permissions: vec![Permission::FilesWrite],
        scope,
        expires_in: None,
    }
}

#[test]
fn a_token_is_kept_by_its_hash_in_files_that_are_open_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access");
    let access = Access::open(path.clone()).unwrap();
    let (view, secret) = access.create_token(asked(&["read"], Scope::All), HOST).unwrap();
    let file = path.join(format!("tokens/{}.json", view.record.id));
    assert!(!fs::read_to_string(&file).unwrap().contains(&secret[4..]));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(&path.join("tokens")), mode(&file)), (0o700, 0o700, 0o600));

    let address = "192.0.2.1".parse().ok();
    assert_eq!(access.authenticate(&secret, address).unwrap().token_id(), Some(view.record.id));
    let mut wrong = secret.clone();
    wrong.replace_range(10..11, if &wrong[10..11] == "A" { "B" } else { "A" });
    assert_eq!(access.authenticate(&wrong, address).unwrap_err(), Refused::Unknown);
    access.write_uses().unwrap();
    let again = Access::open(path).unwrap();
    assert_eq!(again.token(view.record.id).unwrap().last_use.unwrap().from, address);
    assert!(again.authenticate(&secret, None).unwrap().may(Permission::FilesWrite));
}

#[test]
fn what_another_process_changes_is_noticed_and_ends_what_was_begun() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Access::open(folder.path().to_owned()).unwrap();
    let other = Access::open(folder.path().to_owned()).unwrap();
    let (view, secret) = other.create_token(asked(&["read"], Scope::All), Creator::Host("cli")).unwrap();
    assert!(daemon.authenticate(&secret, None).is_err() && daemon.is_behind());
    daemon.refresh().unwrap();
    let principal = daemon.authenticate(&secret, None).unwrap();
    let ended = principal.ended();
    other.revoke(view.record.id).unwrap();
    daemon.refresh().unwrap();
    assert_eq!(daemon.authenticate(&secret, None).unwrap_err(), Refused::Unknown);
    assert!(ended.is_cancelled() && !Access::is_good(&principal));
}

#[test]
fn a_role_counts_at_once_and_only_a_weaker_one_ends_what_was_begun() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path().to_owned()).unwrap();
    assert!(!access.set_role(HOST, "ops", Permissions::of(&[Permission::DockerRead])).unwrap());
    let (view, secret) = access.create_token(asked(&["ops"], Scope::All), HOST).unwrap();
    let principal = access.authenticate(&secret, None).unwrap();
    let ended = principal.ended();
    assert!(
        access
            .set_role(HOST, "ops", Permissions::of(&[Permission::DockerRead, Permission::AuditRead]))
            .unwrap()
    );
    assert!(principal.may(Permission::AuditRead));
    assert_eq!(access.remove_role("ops").unwrap(), RoleRemoval::InUse(vec![view.record.id]));
    assert!(!ended.is_cancelled());
    access.set_role(HOST, "ops", Permissions::of(&[Permission::AuditRead])).unwrap();
    assert!(!principal.may(Permission::DockerRead) && ended.is_cancelled());
    access.revoke(view.record.id).unwrap();
    assert_eq!(access.remove_role("ops").unwrap(), RoleRemoval::Removed);
}

#[test]
fn a_limited_token_comes_to_know_what_it_creates_and_goes_on_with_what_it_began() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path().to_owned()).unwrap();
    let (view, secret) = access.create_token(asked(&["admin"], Scope::Only(Vec::new())), HOST).unwrap();
    let principal = access.authenticate(&secret, None).unwrap();
    assert!(!principal.may(Permission::AccessAdmin), "a limited token manages no access");
    let (cuid, ended) = (Cuid::new(), principal.ended());
    access.adopt(&principal, cuid).unwrap();
    access.refresh().unwrap();
    assert!(principal.sees(cuid, None) && Access::is_good(&principal) && !ended.is_cancelled());
    assert!(
        Access::open(folder.path().to_owned()).unwrap().authenticate(&secret, None).unwrap().sees(cuid, None)
    );
    access.disown(cuid).unwrap();
    assert!(!principal.sees(cuid, None));
    access.revoke(view.record.id).unwrap();
    assert!(access.adopt(&principal, cuid).is_err());
}

#[test]
fn a_token_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path().to_owned()).unwrap();
    let asked = AskedToken { expires_in: Some(Duration::from_secs(2)), ..asked(&["read"], Scope::All) };
    let (_, secret) = access.create_token(asked, HOST).unwrap();
    let principal = access.authenticate(&secret, None).unwrap();
    let ended = principal.ended();
    std::thread::sleep(Duration::from_millis(2050));
    assert_eq!(access.authenticate(&secret, None).unwrap_err(), Refused::Expired);
    assert!(!Access::is_good(&principal));
    access.end_expired();
    assert!(ended.is_cancelled());
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_and_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let access = Access::open(folder.path().to_owned()).unwrap();
    let (view, secret) = access.create_token(asked(&["read"], Scope::All), HOST).unwrap();
    let file = folder.path().join(format!("tokens/{}.json", view.record.id));
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, &good[..good.len() / 2]).unwrap();
    access.refresh().unwrap();
    assert!(access.authenticate(&secret, None).is_err());
    assert!(access.problems()[0].contains("mend it or remove it"), "{:?}", access.problems());
    fs::write(&file, &good).unwrap();
    access.refresh().unwrap();
    assert!(access.authenticate(&secret, None).is_ok() && access.problems().is_empty());
    fs::write(folder.path().join("roles.json"), "{\"x\": [\"docker:fly\"]}").unwrap();
    assert!(Access::open(folder.path().to_owned()).is_err());
}
