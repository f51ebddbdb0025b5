//! The `wharfinger` command: its subcommands, what they say, and its exit codes.

mod grants;
mod hash_password;
mod role;
mod table;
mod token;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Why a command failed, as it is said on standard error.
type Failure = Box<dyn Error>;

const EXAMPLES: &str = "\
Examples:
  wharfinger                        runs the daemon of this folder
  wharfinger hash-password          makes the hash that APP_PASS may be
  wharfinger token generate -h      how a token is made

Configuration comes from .env in the working folder and from the environment, which wins.
.env.example lists every variable.";

/// Containers on one host over HTTP
#[derive(Parser)]
#[command(name = "wharfinger", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the daemon in the foreground; what happens without a command too
    #[command(
        after_help = "Example, where .env is in /var/lib/wharfinger:\n  cd /var/lib/wharfinger && wharfinger serve"
    )]
    Serve,
    /// Says which version this is
    #[command(after_help = "Example:\n  wharfinger version")]
    Version,
    #[command(about = hash_password::SUMMARY, long_about = hash_password::ABOUT, after_help = hash_password::EXAMPLE)]
    HashPassword,
    /// Tokens: what may use the API beside the administrator
    #[command(subcommand, arg_required_else_help = false, after_help = TOKEN_EXAMPLE)]
    Token(token::TokenCommand),
    /// Roles: what tokens may do, by name
    #[command(subcommand, arg_required_else_help = false, after_help = ROLE_EXAMPLE)]
    Role(role::RoleCommand),
}

const TOKEN_EXAMPLE: &str = "\
Example:
  wharfinger token generate -r write -u user@example.com -p docker:execute --expires 30d

Run it in the working folder of the daemon, as the daemon's user or as root. The daemon need not run.";

const ROLE_EXAMPLE: &str = "Example:\n  wharfinger role list";

/// Does what the arguments of this process say. `serve` runs the daemon.
///
/// The exit code is 0 when it was done, 1 when it failed, 2 when the arguments make no sense.
pub fn run(serve: impl FnOnce() -> Result<(), Failure>) -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command.unwrap_or(Command::Serve),
        Err(error) => return explain(&error),
    };
    let done = match command {
        Command::Serve => serve().map_err(|error| format!("cannot start: {error}").into()),
        Command::Version => say(&format!("wharfinger {}", env!("CARGO_PKG_VERSION"))),
        Command::HashPassword => hash_password::run(),
        Command::Token(command) => token::run(command),
        Command::Role(command) => role::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            remark(&format!("wharfinger: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Help and version that were asked for, or what is wrong with the arguments.
fn explain(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let text = error.render().to_string();
    remark(&format!("wharfinger: {}", text.strip_prefix("error: ").unwrap_or(&text).trim_end()));
    ExitCode::from(2)
}

/// Writes a line to standard output, which programs read.
fn say(line: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{line}")
        .map_err(|error| format!("cannot write to standard output: {error}").into())
}

/// Writes a line to standard error, which people read. Nothing is left to say where that fails.
fn remark(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
