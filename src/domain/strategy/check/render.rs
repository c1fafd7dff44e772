//! Options of rendering.

use super::super::{RenderOptions, document::RenderDocument, mistake::Report, position::At};

/// Returns the options that `document` asks for; one with a mistake is left out.
pub(super) fn options(document: &RenderDocument, report: &mut Report<'_>) -> RenderOptions {
    RenderOptions {
        kube_version: version(document.kube_version.as_ref(), 2..=3, "1.34", report),
        api_versions: document
            .api_versions
            .as_ref()
            .map(|versions| versions.iter().filter_map(|version| api_version(version, report)).collect()),
        include_crds: document.include_crds,
        skip_tests: document.skip_tests,
        prove: document.prove,
        layout: document.layout.as_ref().and_then(|layout| layout.read(report)),
        secrets: document.secrets.as_ref().and_then(|secrets| secrets.read(report)),
        helm_version: version(document.helm_version.as_ref(), 3..=3, "3.19.0", report),
        kustomize_version: version(document.kustomize_version.as_ref(), 3..=3, "5.8.0", report),
    }
}

/// Returns a version of that many numbers, without a leading `v`.
fn version(
    text: Option<&At<String>>,
    numbers: std::ops::RangeInclusive<usize>,
    example: &str,
    report: &mut Report<'_>,
) -> Option<String> {
    let text = text?;
    let version = text.value.strip_prefix('v').unwrap_or(&text.value);
    let is_number = |part: &str| !part.is_empty() && part.len() <= 6 && part.bytes().all(|b| b.is_ascii_digit());
    if version.split('.').all(is_number) && numbers.contains(&version.split('.').count()) {
        return Some(version.to_owned());
    }
    report.mistake(
        text.position,
        format!("`{}` is not a version", text.value),
        format!("write one such as \"{example}\""),
    );
    None
}

/// Returns an API version that Helm can be given: `monitoring.coreos.com/v1`, perhaps with a kind.
fn api_version(text: &At<String>, report: &mut Report<'_>) -> Option<String> {
    let is_part = |part: &str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
    };
    let parts = text.value.split('/').count();
    if parts <= 3 && text.value.len() <= 253 && text.value.split('/').all(is_part) {
        return Some(text.value.clone());
    }
    report.mistake(
        text.position,
        format!("`{}` is not an API version", text.value),
        "write one such as `monitoring.coreos.com/v1` or `monitoring.coreos.com/v1/ServiceMonitor`",
    );
    None
}
