//! What there is once in a process: clock, environment, logs, metrics, signals.

use std::{io::IsTerminal, sync::Arc};

use jiff::Timestamp;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::reconcile::context::Clock;

/// Returns the wall clock, the only one.
pub fn wall_clock() -> Clock {
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes from")]
    let now = || Timestamp::now();
    Arc::new(now)
}

/// Makes the one TLS provider that every client uses.
pub fn install_tls() {
    // Installed already when a test or an embedding program did.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// What happens to environments.
    Service,
    /// Only what goes wrong: the demo tells its story itself.
    Demo,
}

/// Sends logs to standard error; `RUST_LOG` says how much.
pub fn telemetry(verbosity: Verbosity) {
    use tracing_subscriber::EnvFilter;
    let default = match verbosity {
        Verbosity::Service => "hydromote=info,hydrators=info,octocrab=off,warn",
        Verbosity::Demo => "hydromote=error,octocrab=off,error",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    // Colours are for people: in a file or a journal they hide the words.
    let colours = std::io::stderr().is_terminal();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr);
    // A program that embeds us may have its own.
    drop(subscriber.try_init());
}

/// Returns the process's environment.
pub fn environment() -> Vec<(String, String)> {
    std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect()
}

/// Returns the metrics of this process; the first call begins collecting them.
pub fn metrics_handle() -> Option<PrometheusHandle> {
    use std::sync::OnceLock;
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE.get_or_init(|| PrometheusBuilder::new().install_recorder().ok()).clone()
}

/// Has a write beyond the limit on the size of files fail like any other, instead of ending the
/// process. Programs that are started keep their own way.
pub(super) fn outlive_file_limits() {
    use tokio::signal::unix::{SignalKind, signal};
    // The handler stays when the receiver goes.
    if let Err(error) = signal(SignalKind::from_raw(SIGXFSZ)) {
        tracing::warn!(%error, "a limit on the size of files will end the service");
    }
}

/// The signal about a file that became larger than `RLIMIT_FSIZE`; the same number on Linux, the BSDs and macOS.
const SIGXFSZ: i32 = 25;

/// Waits for the signal that ends the service.
pub async fn end_of_service() {
    let mut terminate = match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(signal) => signal,
        Err(_) => return std::future::pending().await,
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
