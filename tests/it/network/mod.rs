//! Through a proxy to a forge behind TLS with certificates of a private issuer: git, and the API.

mod proxy;
pub(crate) mod tls;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hydromote::{
    charts::{Cache, ChartLimits, Downloads, HostRule, Hosts, LockFile, Locked, lock},
    domain::{
        chart::{ChartOrigin, VersionRange, WantedChart},
        ids::{BranchName, RepositoryId},
    },
    forge::{
        Forge, ForgeError,
        github::{Credentials, GitHub, GitHubOptions, Limits},
    },
    git::{
        GitError,
        mirror::{Mirror, Remote},
    },
    local_forge::{LocalForge, Options, Permission, RepositoryOptions},
    network::{Exception, Network, Proxy, Roots},
};
use secrecy::SecretString;
use tempfile::TempDir;

use self::{proxy::TestProxy, tls::Issuer};
use crate::{
    chart_host::ChartHost,
    program::{Site, Start},
    world::{everywhere, strategy},
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

const REPOSITORY: &str = "acme/shop";
/// Where the forge is, as only the proxy knows: nothing listens on this port.
const SITE: &str = "https://localhost:9";

/// A forge behind TLS, which is reached through the proxy alone.
struct Lab {
    dir: TempDir,
    forge: LocalForge,
    token: String,
    issuer: Issuer,
    proxy: TestProxy,
}

impl Lab {
    async fn new() -> Result<Self, Box<dyn std::error::Error>> {
        hydromote::app::install_tls();
        let dir = tempfile::tempdir()?;
        let forge = LocalForge::start(Options::new(dir.path().join("forge"))).await?;
        let (_, token) = forge.create_user("bot").await?;
        let files = vec![("README.md".to_owned(), "shop\n".to_owned())];
        forge.create_repository("acme", "shop", RepositoryOptions { files, ..Default::default() }).await?;
        forge.grant(REPOSITORY, "bot", Permission::Write).await?;
        let issuer = Issuer::new()?;
        let front = tls::front(issuer.server("localhost")?, forge.address()).await?;
        let proxy = TestProxy::start(front, "us er", "p@ss/w").await?;
        Ok(Self { dir, forge, token: token.expose().to_owned(), issuer, proxy })
    }

    /// Returns the way through the proxy, trusting what is given.
    fn network(&self, roots: Option<&Issuer>, credentials: Option<(&str, &str)>) -> Result<Network, std::io::Error> {
        let credentials = credentials.map(|(user, password)| format!("{user}:{password}").into());
        let address = self.proxy.url.parse().expect("because the proxy has an address");
        let roots = roots.map(|issuer| {
            let with_the_machines = self.dir.path().join("trusted.pem");
            Roots { pem: issuer.pem().into_bytes(), with_the_machines }
        });
        let network = Network::new(Some(Proxy { address, credentials, exceptions: Vec::new() }), roots);
        network.prepare()?;
        Ok(network)
    }

    fn github(&self, network: &Network) -> Result<GitHub, Box<dyn std::error::Error>> {
        let options = GitHubOptions {
            api_url: format!("{SITE}/api/v3"),
            credentials: Credentials::Token(self.token.as_str().into()),
            limits: Limits::default(),
        };
        Ok(GitHub::through(&options, network)?)
    }

    async fn account(&self, network: &Network) -> Result<Result<String, String>, Box<dyn std::error::Error>> {
        let account = self.github(network)?.account().await;
        Ok(account.map(|account| account.login).map_err(|error| format!("{:#}", anyhow::Error::new(error))))
    }

    async fn fetch(&self, network: &Network) -> Result<Result<Mirror, GitError>, Box<dyn std::error::Error>> {
        let mirror = Mirror::open(&self.dir.path().join("mirror.git"))?.with_network(network.clone());
        let pair = BASE64_STANDARD.encode(format!("bot:{}", self.token));
        let authorization = Some(SecretString::from(format!("Basic {pair}")));
        let remote = Remote { url: format!("{SITE}/{REPOSITORY}.git"), authorization };
        let fetched = mirror.fetch_branches(&remote, &[BranchName::new("main")?]).await;
        Ok(fetched.map(|()| mirror))
    }
}

const CREDENTIALS: Option<(&str, &str)> = Some(("us er", "p@ss/w"));

#[tokio::test]
async fn git_and_the_api_go_through_the_proxy_and_trust_the_issuer() -> TestResult {
    let lab = Lab::new().await?;
    let network = lab.network(Some(&lab.issuer), CREDENTIALS)?;
    assert_eq!(lab.account(&network).await?, Ok("bot".to_owned()));
    let repository = lab.github(&network)?.repository(&RepositoryId::new(REPOSITORY)?).await?;
    assert_eq!(repository.default_branch.as_str(), "main");
    let by_api = lab.proxy.tunnels();
    assert!(!by_api.is_empty() && by_api.iter().all(|target| target == "localhost:9"), "{by_api:?}");
    let mirror = lab.fetch(&network).await??;
    let main = lab.forge.repository(REPOSITORY).await?.branch("main").map(str::to_owned);
    assert_eq!(mirror.branch(&BranchName::new("main")?).await?.map(|id| id.to_string()), main);
    assert!(!lab.proxy.tunnels().is_empty(), "git went through it");
    Ok(())
}

/// Pins a chart of the host behind the proxy.
async fn locked(lab: &Lab, roots: Option<&Issuer>) -> Result<Locked, Box<dyn std::error::Error>> {
    let network = lab.network(roots, CREDENTIALS)?;
    let hosts = Hosts::Listed(Vec::from_iter(HostRule::parse(SITE)));
    let downloads = Downloads::new(network, hosts, Vec::new(), ChartLimits::default());
    let chart = WantedChart {
        origin: ChartOrigin::repository(SITE, "redis").map_err(|error| error.to_string())?,
        range: VersionRange::parse("20.x").map_err(|error| error.to_string())?,
    };
    let cache = Cache::new(lab.dir.path().join("charts"), 1 << 20);
    Ok(lock(&downloads, &cache, &[chart].into(), &LockFile::default(), |_| false, |_| {}).await)
}

#[tokio::test]
async fn charts_come_through_the_proxy_from_whom_the_issuer_vouches_for() -> TestResult {
    let mut lab = Lab::new().await?;
    let host = ChartHost::start().await;
    host.publish("redis", "20.0.1", "low");
    let front = tls::front(lab.issuer.server("localhost")?, host.address()).await?;
    lab.proxy = TestProxy::start(front, "us er", "p@ss/w").await?;
    let refused = locked(&lab, None).await?;
    let told = format!("{:?}", refused.failed);
    assert!(told.contains("the certificate of `localhost:9` is not trusted"), "{told}");
    let pinned = locked(&lab, Some(&lab.issuer)).await?;
    assert!(pinned.failed.is_empty(), "{:?}", pinned.failed);
    assert!(pinned.file.to_string().contains("20.0.1"), "{}", pinned.file);
    assert_eq!(host.asked(), ["/index.yaml", "/redis-20.0.1.tgz"]);
    let tunnels = lab.proxy.tunnels();
    assert!(!tunnels.is_empty() && tunnels.iter().all(|target| target == "localhost:9"), "{tunnels:?}");
    Ok(())
}

#[tokio::test]
async fn a_certificate_of_nobody_we_trust_is_told_with_what_to_do() -> TestResult {
    let lab = Lab::new().await?;
    let expected = "the certificate of `localhost` is not trusted: if it is right, name a file with its issuer's root \
                    certificate as `ca_bundle` of `[network]`";
    // None is trusted but the machine's; then another private one, too.
    let other = Issuer::new()?;
    for roots in [None, Some(&other)] {
        let network = lab.network(roots, CREDENTIALS)?;
        let told = lab.account(&network).await?.err().ok_or("nobody is to be reached")?;
        assert!(told.contains(expected), "{told}");
        let error = lab.fetch(&network).await?.err().ok_or("nothing is to be fetched")?;
        assert!(error.to_string().contains(expected), "{error}");
        assert!(!format!("{told} {error:?}").contains("trusted.pem"), "no path is told");
    }
    Ok(())
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_taken() -> TestResult {
    let mut lab = Lab::new().await?;
    let front = tls::front(lab.issuer.server("elsewhere.example.com")?, lab.forge.address()).await?;
    lab.proxy = TestProxy::start(front, "us er", "p@ss/w").await?;
    let network = lab.network(Some(&lab.issuer), CREDENTIALS)?;
    let told = lab.account(&network).await?.err().ok_or("nobody is to be reached")?;
    assert!(told.contains("the certificate of `localhost` is not trusted"), "{told}");
    let error = lab.fetch(&network).await?.err().ok_or("nothing is to be fetched")?;
    assert!(error.to_string().contains("the certificate of `localhost` is not trusted"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_proxy_that_wants_other_credentials_is_named_without_them() -> TestResult {
    let lab = Lab::new().await?;
    for credentials in [None, Some(("us er", "wr0ng"))] {
        let network = lab.network(Some(&lab.issuer), credentials)?;
        let error = lab.github(&network)?.account().await.err().ok_or("nobody is to be reached")?;
        assert!(matches!(error, ForgeError::Unavailable { .. }));
        let told = format!("{:#}", anyhow::Error::new(error));
        let named = format!("could not reach `localhost` through the proxy `{}`", lab.proxy.url);
        assert!(told.contains(&named), "{told}");
        let error = lab.fetch(&network).await?.err().ok_or("nothing is to be fetched")?;
        assert!(error.to_string().contains("407"), "{error}");
        assert!(!format!("{told} {error:?}").contains("wr0ng"));
    }
    Ok(())
}

#[tokio::test]
async fn what_is_an_exception_is_reached_without_the_proxy() -> TestResult {
    let lab = Lab::new().await?;
    let network = lab.network(Some(&lab.issuer), CREDENTIALS)?;
    let exceptions = vec![Exception::parse("127.0.0.0/8").ok_or("it is a range")?];
    let proxy = network.proxy.as_ref().map(|proxy| Proxy { exceptions, ..(**proxy).clone() });
    let network = Network::new(proxy, network.roots.as_deref().cloned());
    let options = GitHubOptions {
        api_url: lab.forge.api_url(),
        credentials: Credentials::Token(lab.token.as_str().into()),
        limits: Limits::default(),
    };
    assert_eq!(GitHub::through(&options, &network)?.account().await?.login, "bot");
    assert!(lab.proxy.tunnels().is_empty());
    Ok(())
}

/// With the settings that people write: hydration, promotion and comments of the service itself.
#[tokio::test]
async fn a_service_promotes_through_the_proxy_on_a_forge_that_the_issuer_vouches_for() -> TestResult {
    let site = Site::behind(SITE).await?;
    let issuer = Issuer::new()?;
    let front = tls::front(issuer.server("localhost")?, site.forge.address()).await?;
    let proxy = TestProxy::start(front, "us er", "p@ss/w").await?;
    site.write("roots.pem", &issuer.pem())?;
    let roots = site.dir.path().join("roots.pem").to_string_lossy().into_owned();
    let environment = [
        ("HYDROMOTE__NETWORK__PROXY", &*proxy.url),
        ("HYDROMOTE__NETWORK__PROXY_CREDENTIALS", "us er:p@ss/w"),
        ("HYDROMOTE__NETWORK__CA_BUNDLE", &*roots),
    ];
    let start = Start { environment: &environment, ..Start::default() };
    let served = site.serve(start).await?;
    site.tell(&served).await?;
    let mut files = everywhere("v1");
    files.push(("hydromote.yaml".to_owned(), strategy(&["dev", "staging"])));
    let one = site.push("first", files).await?;
    served.runs("dev", &one).await?;
    site.healthy("dev").await?;
    served.runs("staging", &one).await?;
    let tunnels = proxy.tunnels();
    assert!(!tunnels.is_empty() && tunnels.iter().all(|target| target == "localhost:9"), "{tunnels:?}");
    let (arguments, log) = (served.arguments()?, served.terminate().await?.1);
    assert!(!format!("{arguments}{log}").contains("p@ss"), "{log}");
    site.forge.shutdown().await?;
    Ok(())
}
