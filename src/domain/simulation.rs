//! Two hours of steady commits, with simulated time: how much every environment gets, and how far it is
//! behind. Rules that look right one promotion at a time may starve whatever comes last.

use std::{collections::BTreeMap, fmt::Write as _};

use jiff::SignedDuration;

use super::{
    content::Content,
    ids::{DrySha, EnvironmentName},
    status::StatusState,
    strategy::Newer,
    world::{World, content, environment, rule, strategy},
};

/// How long it goes on, minutes; a commit is pushed in each.
const MINUTES: usize = 120;

/// How long after a merge its health is reported, seconds.
const HEALTH_AFTER: i64 = 30;

/// A strategy under steady commits.
struct Hours {
    world: World,
    /// How long checks on proposals take, minutes.
    checks: BTreeMap<EnvironmentName, i64>,
    /// How many commits there are for each that changes something, where that is not every one.
    every: BTreeMap<EnvironmentName, usize>,
}

impl Hours {
    fn new(environments: &[(&str, &[&str])]) -> Self {
        let environments = environments.iter().map(|(name, before)| environment(name, before)).collect();
        Self { world: World::new(strategy(environments)), checks: BTreeMap::new(), every: BTreeMap::new() }
    }

    fn soak(mut self, name: &str, minutes: i64) -> Self {
        self.environment(name).soak = SignedDuration::from_mins(minutes);
        self
    }

    fn check(mut self, name: &str, minutes: i64) -> Self {
        let environment = self.environment(name);
        (environment.proposed_statuses, environment.newer) = (vec![rule("scan")], Newer::Finish);
        self.checks.insert(World::name(name), minutes);
        self
    }

    fn changed_every(mut self, name: &str, commits: usize) -> Self {
        self.every.insert(World::name(name), commits);
        self
    }

    fn environment(&mut self, name: &str) -> &mut super::strategy::Environment {
        let mut environments = self.world.strategy.environments.iter_mut();
        environments.find(|environment| environment.name.as_str() == name).expect("an environment")
    }

    /// Plays them; returns for each environment the promotions and how old what runs is, in minutes,
    /// at the median and at the worst.
    fn play(mut self) -> String {
        let names: Vec<_> = self.world.strategy.environments.iter().map(|e| e.name.clone()).collect();
        let mut behind: BTreeMap<EnvironmentName, Vec<usize>> = BTreeMap::new();
        let begun = self.world.now;
        for minute in 0..MINUTES {
            let contents: Vec<Option<Content>> =
                names.iter().map(|name| Some(content(self.version(name, minute)))).collect();
            self.world.push_contents(&format!("dry-{minute}"), contents);
            for half in [30, 60] {
                self.let_checks_report(&names);
                let until = begun + SignedDuration::from_secs(minute as i64 * 60 + half);
                self.world.wait(until.duration_since(self.world.now).as_secs().max(0));
            }
            for name in &names {
                let taken = self.taken(name).and_then(|dry| dry.as_str().strip_prefix("dry-")?.parse::<usize>().ok());
                if let Some(taken) = taken {
                    behind.entry(name.clone()).or_default().push(minute - taken);
                }
            }
        }
        let mut told = String::new();
        for name in &names {
            let merges = self.world.merges.iter().filter(|(merged, _)| merged == name).count();
            let mut ages = behind.remove(name).unwrap_or_default();
            ages.sort_unstable();
            let (median, worst) = (ages.get(ages.len() / 2), ages.last());
            let age = |age: Option<&usize>| age.map_or_else(|| "-".to_owned(), ToString::to_string);
            writeln!(told, "{name}: {merges} promotions, {} min behind, {} at most", age(median), age(worst))
                .expect("because it is a string");
        }
        told
    }

    fn version(&self, name: &EnvironmentName, minute: usize) -> u32 {
        let every = self.every.get(name).copied().unwrap_or(1);
        u32::try_from(minute / every + 1).expect("because they are few")
    }

    fn taken(&self, name: &EnvironmentName) -> Option<DrySha> {
        let plan = self.world.plan();
        plan.places.into_iter().find(|view| view.place.environment == *name)?.taken
    }

    fn let_checks_report(&mut self, names: &[EnvironmentName]) {
        self.world.settle();
        for name in names {
            let head = self.world.head(name).map(|head| (head.sha.to_string(), head.at));
            if let Some((sha, at)) = head
                && self.world.now.duration_since(at) >= SignedDuration::from_secs(HEALTH_AFTER)
                && !self.world.is_reported(&sha)
            {
                self.world.report(&sha, "health", StatusState::Success);
            }
            let proposal = self.world.environments[name].proposal.clone();
            if let (Some(minutes), Some(proposal)) = (self.checks.get(name), proposal)
                && self.world.now.duration_since(proposal.since) >= SignedDuration::from_mins(*minutes)
                && !self.world.is_reported(proposal.sha.as_str())
            {
                self.world.report(proposal.sha.as_str(), "scan", StatusState::Success);
            }
        }
        self.world.settle();
    }
}

/// Defect 5 of the model: without settling, soaks would never end.
#[test]
fn a_soak_of_ten_minutes_under_a_commit_a_minute() {
    let hours = Hours::new(&[("dev", &[]), ("staging", &["dev"]), ("prod", &["staging"])]);
    insta::assert_snapshot!(hours.soak("staging", 10).play(), @"
    dev: 120 promotions, 0 min behind, 0 at most
    staging: 12 promotions, 5 min behind, 10 at most
    prod: 11 promotions, 15 min behind, 20 at most
    ");
}

/// Defect 18: checks that take longer than commits need to come by would begin again for ever.
#[test]
fn checks_of_half_an_hour_on_what_is_proposed() {
    let hours = Hours::new(&[("dev", &[]), ("staging", &["dev"]), ("prod", &["staging"])]);
    insta::assert_snapshot!(hours.soak("staging", 10).check("prod", 30).play(), @"
    dev: 120 promotions, 0 min behind, 0 at most
    staging: 12 promotions, 5 min behind, 10 at most
    prod: 3 promotions, 54 min behind, 71 at most
    ");
}

/// Defect 17: two environments with soaks of their own, and one that waits for both.
#[test]
fn a_diamond_with_soaks_of_seven_and_forty_five_minutes() {
    let hours = Hours::new(&[("dev", &[]), ("eu", &["dev"]), ("us", &["dev"]), ("prod", &["eu", "us"])]);
    insta::assert_snapshot!(hours.soak("eu", 7).soak("us", 45).play(), @"
    dev: 120 promotions, 0 min behind, 0 at most
    eu: 17 promotions, 4 min behind, 7 at most
    us: 3 promotions, 28 min behind, 55 at most
    prod: 2 promotions, 69 min behind, 90 at most
    ");
}

/// Defect 19: what changes nothing in an environment would make its checks begin again.
#[test]
fn an_environment_that_few_commits_change() {
    let hours = Hours::new(&[("dev", &[]), ("prod", &["dev"])]);
    insta::assert_snapshot!(hours.changed_every("prod", 60).check("prod", 30).play(), @"
    dev: 120 promotions, 0 min behind, 0 at most
    prod: 2 promotions, 1 min behind, 30 at most
    ");
}
