//! The `wharfinger` program: the command line in front, the daemon behind it.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;
use wharfinger::app::{App, Signals};
use wharfinger::cli;
use wharfinger::config::{Config, LogFormat};

fn main() -> ExitCode {
    cli::run(|| actix_web::rt::System::new().block_on(serve()))
}

/// Runs the daemon until a signal ends it.
async fn serve() -> Result<(), Box<dyn Error>> {
    let signals = Signals::catch()?;
    let config = Config::load(Path::new("."))?;
    start_log(&config);
    let app = App::build(config, signals).await?;
    Ok(app.run().await?)
}

/// The HTTP server says of each malformed request that it is an error: anyone could fill the log so. A filter that
/// names it overrides this.
const QUIET: &str = "actix_http=off";

fn start_log(config: &Config) {
    let filter = EnvFilter::new(format!("{QUIET},{}", config.log_filter));
    let log =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    match config.log_format {
        LogFormat::Text => log.with_ansi(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
