//! Wharfinger: containers on one host over HTTP, around Docker Compose v2.

pub mod access;
pub mod app;
pub mod audit;
pub mod cli;
pub mod codes;
pub mod compose;
pub mod config;
pub mod container;
pub mod engine;
pub mod files;
pub mod http;
pub mod kept_logs;
pub mod registries;
pub mod service;
pub mod terminal;
pub mod tls;
