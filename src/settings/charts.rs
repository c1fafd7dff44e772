//! From where charts are fetched, from what the operator wrote.

use std::{path::Path, time::Duration};

use super::{
    check::secret,
    file::{ChartCredentialsSection, ChartsSection},
    mistake::Mistakes,
};
use crate::charts::{ChartCredentials, ChartLimits, ChartSettings, HostRule};

/// Bytes.
const MIB: u64 = 1 << 20;
/// What to write for a host.
const HOST: &str = "write one such as `registry.example.com`, `registry.example.com:5000` or `*.example.com`";

/// What to write for one host.
const HOST_ALONE: &str = "write one such as `registry.example.com` or `registry.example.com:5000`";

/// Returns from where charts are fetched; it is only good when no mistake was added.
pub(super) fn charts(section: ChartsSection, folder: &Path, mistakes: &mut Mistakes<'_>) -> ChartSettings {
    let mut hosts = Vec::new();
    for text in &section.hosts {
        match HostRule::parse(text) {
            Some(rule) => hosts.push(rule),
            None => mistakes.add("charts.hosts", format!("holds `{text}`, which is no host; {HOST}")),
        }
    }
    let usual = ChartSettings::default();
    let mut sized = |key: &str, mib: Option<u32>, usual: u64| match mib {
        Some(0) => {
            mistakes.add(&format!("charts.{key}"), "is 0; write how many MiB");
            usual
        }
        Some(mib) => u64::from(mib) * MIB,
        None => usual,
    };
    let archive = sized("archive_mib", section.archive_mib, usual.limits.archive);
    let index = sized("index_mib", section.index_mib, usual.limits.index);
    let cache_bytes = sized("cache_mib", section.cache_mib, usual.cache_bytes);
    let timeout = match section.timeout.map(Duration::try_from) {
        None => usual.limits.timeout,
        Some(Ok(timeout)) if !timeout.is_zero() => timeout,
        Some(_) => {
            mistakes.add("charts.timeout", "is no time to wait; write one such as `60s`");
            usual.limits.timeout
        }
    };
    let credentials = section.credentials.into_iter().enumerate();
    let credentials =
        credentials.filter_map(|(number, section)| self::credentials(number, section, folder, mistakes)).collect();
    ChartSettings { hosts, credentials, limits: ChartLimits { archive, index, timeout }, cache_bytes }
}

fn credentials(
    number: usize,
    section: ChartCredentialsSection,
    folder: &Path,
    mistakes: &mut Mistakes<'_>,
) -> Option<ChartCredentials> {
    let key = |name: &str| format!("charts.credentials.{number}.{name}");
    let is_host = |text: &str| !text.contains(['*', '/']) && HostRule::parse(text).is_some();
    let ChartCredentialsSection { host, username, password_file, token_host } = section;
    if !is_host(&host) {
        mistakes.add(&key("host"), format!("is `{host}`, which is no host; {HOST_ALONE}"));
        return None;
    }
    if let Some(other) = token_host.as_ref().filter(|other| !is_host(other)) {
        mistakes.add(&key("token_host"), format!("is `{other}`, which is no host; {HOST_ALONE}"));
    }
    if username.is_empty() || username.contains(':') || username.contains(char::is_control) {
        mistakes.add(&key("username"), "is no user; write the name that the registry knows, which has no `:`");
    }
    if password_file.as_os_str().is_empty() {
        mistakes.add(&key("password_file"), "is missing; name a file that holds the password");
        return None;
    }
    let password = secret(&key("password_file"), &password_file, folder, one_line, mistakes)?;
    Some(ChartCredentials { host: host.to_lowercase(), username, password, token_host })
}

fn one_line(text: &str) -> Result<(), &'static str> {
    if text.contains(char::is_control) { Err("holds more than one line") } else { Ok(()) }
}
