//! What `docker` holds fits the program: its settings are read, and its limits are what they say.

use hydromote::settings::Settings;
use serde_json::Value;

use super::read;
use crate::world::{Fallible, TestResult};

/// What only a real installation has.
const SECRETS: [&str; 3] = ["forges.github.token_file", "forges.github.webhook_secret_files", "service.api_token_file"];

fn compose() -> Fallible<Value> {
    Ok(serde_saphyr::from_str(&read("docker/compose.yaml")?)?)
}

/// Returns the keys that are wrong, but for secrets that are not on this machine.
fn wrong(text: &str, variables: &[(String, String)]) -> Vec<String> {
    let settings = Settings::parse("hydromote.toml", text, std::path::Path::new("/nowhere"), variables.to_vec());
    let mistakes = settings.err().map(|error| error.mistakes).unwrap_or_default();
    let keys = mistakes.into_iter().filter(|mistake| !SECRETS.contains(&&*mistake.key));
    keys.map(|mistake| mistake.to_string()).collect()
}

#[test]
fn compose_sets_what_the_images_settings_leave_open() -> TestResult {
    let image = read("docker/hydromote.toml")?;
    assert_eq!(wrong(&image, &[]).len(), 1, "only the repositories are open: {:?}", wrong(&image, &[]));
    let compose = compose()?;
    let environment = compose["services"]["hydromote"]["environment"].as_object().ok_or("no environment")?;
    let value = |value: &Value| match value.as_str().unwrap_or_default() {
        open if open.starts_with("${HYDROMOTE_PUBLIC_URL") => "https://hydromote.example.com".to_owned(),
        open if open.starts_with("${HYDROMOTE_REPOSITORIES") => "acme/shop".to_owned(),
        set => set.to_owned(),
    };
    let variables: Vec<_> = environment.iter().map(|(name, text)| (name.clone(), value(text))).collect();
    assert_eq!(wrong(&image, &variables), Vec::<String>::new());
    Ok(())
}

#[test]
fn the_settings_for_kubernetes_are_complete() -> TestResult {
    assert_eq!(wrong(&read("docker/kubernetes/hydromote.toml")?, &[]), Vec::<String>::new());
    Ok(())
}

#[test]
fn containers_have_no_rights_and_nothing_to_write_but_state() -> TestResult {
    let compose = compose()?;
    let service = &compose["services"]["hydromote"];
    assert_eq!(service["read_only"], true);
    assert_eq!(service["cap_drop"], serde_json::json!(["ALL"]));
    assert_eq!(service["security_opt"], serde_json::json!(["no-new-privileges:true"]));
    let deployment: Value = serde_saphyr::from_str(&read("docker/kubernetes/deployment.yaml")?)?;
    assert_eq!(
        (&deployment["spec"]["replicas"], &deployment["spec"]["strategy"]["type"]),
        (&1.into(), &"Recreate".into())
    );
    let pod = &deployment["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(
        (
            &container["readOnlyRootFilesystem"],
            &container["allowPrivilegeEscalation"],
            &container["capabilities"]["drop"]
        ),
        (&true.into(), &false.into(), &serde_json::json!(["ALL"]))
    );
    Ok(())
}
