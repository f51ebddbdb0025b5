//! The API from outside: a real daemon, a real engine, and the contract's words.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; tests start processes and open files"
)]
#![allow(
    clippy::too_many_lines,
    clippy::needless_pass_by_value,
    clippy::similar_names,
    clippy::cloned_ref_to_slice_refs,
    clippy::match_wild_err_arm,
    clippy::duplicate_mod,
    reason = "a test reads from top to bottom"
)]
#![allow(
    unreachable_pub,
    missing_docs,
    dead_code,
    reason = "one crate of tests; support is read where it stands"
)]

mod support;

mod audit;
mod audit_intents;
mod audit_list;
mod audit_rotation;
mod auth;
mod build;
mod build_ends;
mod build_hostile;
mod cli;
mod cli_tokens;
mod commit_export;
mod compose_faults;
mod compose_line;
mod concurrency;
mod config;
mod create;
mod create_strict;
mod delete;
mod docs;
mod download;
mod download_zip;
mod engine_faults;
mod engine_found;
mod errors;
mod events;
mod exec;
mod faults_calls;
mod faults_clock;
mod faults_compose;
mod faults_disk;
mod faults_engine;
mod faults_kill;
mod faults_many;
mod files;
mod files_changes;
mod get;
mod guide;
mod hand_edits;
mod harness;
mod head;
mod health;
mod hostile_archives;
mod hostile_credentials;
mod hostile_frames;
mod hostile_logins;
mod hostile_requests;
mod hostile_room;
mod hostile_secrets;
mod hostile_sites;
mod hostile_slow;
mod hostile_sockets;
mod image_progress;
mod image_transfers;
mod images;
mod images_archives;
mod images_hostile;
mod images_remove;
mod inspection;
mod kill_wait;
mod limits;
mod limits_live;
mod list;
mod logs;
mod logs_follow;
mod logs_kept;
mod lost_creates;
mod metrics;
mod options;
mod options_attach;
mod options_host;
mod options_judged;
mod options_shared;
mod permissions;
mod ports;
mod properties;
mod prune;
mod redaction;
mod registries;
mod rename_recreate;
mod restart;
mod revocation;
mod roles;
mod runs;
mod scope;
mod shutdown;
mod state;
mod stats;
mod streams;
mod system;
mod terminal;
mod terminal_ends;
mod tickets;
mod tls;
mod tls_clients;
mod tls_reload;
mod tls_start;
mod tokens;
mod tokens_files;
mod update;
mod upload;
mod upload_form;
mod upload_hostile;
mod way_back;
