//! How the world outside is reached, from what the operator wrote.

use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{check::secret, file::NetworkSection, mistake::Mistakes};
use crate::{
    network::{Exception, Network, Proxy, Roots, check_credentials},
    secret::{Secret, trimmed},
};

/// The file of the machine's root certificates with those of the settings, in the folder of the service's data.
const TRUSTED: &str = "trusted-certificates.pem";
/// The largest file of root certificates that is read, bytes: those of a whole machine are a quarter of it.
const MOST_BYTES: u64 = 1 << 20;

/// Returns how the world outside is reached; it is only good when no mistake was added.
pub(super) fn network(section: NetworkSection, folder: &Path, data: &Path, mistakes: &mut Mistakes<'_>) -> Network {
    let roots = section.ca_bundle.as_deref().and_then(|path| roots(&folder.join(path), data, mistakes));
    Network::new(proxy(section, folder, mistakes), roots)
}

fn proxy(section: NetworkSection, folder: &Path, mistakes: &mut Mistakes<'_>) -> Option<Proxy> {
    let exceptions = exceptions(&section.no_proxy, mistakes);
    let credentials = credentials(&section, folder, mistakes);
    let Some(address) = section.proxy else {
        for (key, is_set) in [
            ("no_proxy", !section.no_proxy.is_empty()),
            ("proxy_credentials_file", section.proxy_credentials_file.is_some()),
            ("proxy_credentials", section.proxy_credentials.is_some()),
        ] {
            if is_set {
                mistakes.add(&format!("network.{key}"), "is of no use without `proxy`; set that too, or remove this");
            }
        }
        return None;
    };
    Some(Proxy { address: address_of(&address, mistakes)?, credentials, exceptions })
}

/// Reads the address of the proxy, which is not shown: people write passwords into it.
fn address_of(text: &SecretString, mistakes: &mut Mistakes<'_>) -> Option<Url> {
    let key = "network.proxy";
    let url = match Url::parse(text.expose_secret()) {
        Ok(url) if url.scheme() == "http" && url.host().is_some() => url,
        _ => {
            mistakes.add(key, "is no address of a proxy; write it like `http://proxy.example.com:3128`");
            return None;
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        let remedy = format!(
            "must not hold credentials; write `user:password` into a file of its own and name it with \
             `proxy_credentials_file`, or set {}",
            super::variable("network.proxy_credentials")
        );
        mistakes.add(key, remedy);
        return None;
    }
    if url.path() != "/" || url.query().is_some() {
        mistakes.add(key, "has something after host and port; write it like `http://proxy.example.com:3128`");
        return None;
    }
    Some(url)
}

fn credentials(section: &NetworkSection, folder: &Path, mistakes: &mut Mistakes<'_>) -> Option<Secret> {
    match (&section.proxy_credentials, &section.proxy_credentials_file) {
        (Some(_), Some(_)) => {
            mistakes.add("network.proxy_credentials", "is set beside `proxy_credentials_file`; keep one of them");
            None
        }
        (Some(text), None) => {
            let text = trimmed(text).filter(|text| check_credentials(text.expose_secret()).is_ok());
            if text.is_none() {
                mistakes.add("network.proxy_credentials", "does not hold `user:password`");
            }
            text.map(Secret::from)
        }
        (None, Some(path)) => secret("network.proxy_credentials_file", path, folder, check_credentials, mistakes),
        (None, None) => None,
    }
}

fn exceptions(texts: &[String], mistakes: &mut Mistakes<'_>) -> Vec<Exception> {
    let mut exceptions = Vec::new();
    for text in texts {
        match Exception::parse(text) {
            Some(exception) => exceptions.push(exception),
            None => mistakes.add(
                "network.no_proxy",
                format!("holds `{text}`, which is neither a name, such as `example.com`, nor an address or a range of them, such as `10.0.0.0/8`"),
            ),
        }
    }
    exceptions
}

fn roots(path: &Path, data: &Path, mistakes: &mut Mistakes<'_>) -> Option<Roots> {
    let key = "network.ca_bundle";
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    let pem = match size {
        Ok(size) if size > MOST_BYTES => {
            mistakes.add(
                key,
                format!("names `{}`, which is larger than 1 MiB; name a file of certificates", path.display()),
            );
            return None;
        }
        Ok(_) => std::fs::read(path),
        Err(error) => Err(error),
    };
    let pem = match pem {
        Ok(pem) => pem,
        Err(error) => {
            mistakes.add(key, format!("names `{}`, which cannot be read ({})", path.display(), error.kind()));
            return None;
        }
    };
    if let Err(why) = Roots::check(&pem) {
        mistakes.add(key, format!("names `{}`, which {why}; write root certificates into it, PEM", path.display()));
        return None;
    }
    let file = data.join(TRUSTED);
    // Git runs in a folder of its own.
    Some(Roots { pem, with_the_machines: std::path::absolute(&file).unwrap_or(file) })
}
