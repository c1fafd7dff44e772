//! The trailers by which a commit of ours is known.

use super::metadata::Origin;
use crate::domain::{
    ids::{DrySha, EnvironmentName, LaneName, RootName, StrategyName},
    rollback::{Restored, Rollback, Trigger},
};

/// The trailers by which a commit of ours is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trailers {
    /// The dry SHA.
    pub dry: DrySha,
    /// Where it belongs.
    pub origin: Origin,
    /// On the commit of a rollback: what it left, and why.
    pub restored: Option<Restored>,
}

const DRY_SHA: &str = "Hydromote-Dry-Sha";
const STRATEGY: &str = "Hydromote-Strategy";
const ENVIRONMENT: &str = "Hydromote-Environment";
const LANE: &str = "Hydromote-Lane";
const FROM: &str = "Hydromote-Rollback-From";
const TRIGGER: &str = "Hydromote-Rollback-Trigger";
const BY: &str = "Hydromote-Rollback-By";
const ROOTS: &str = "Hydromote-Rollback-Roots";

impl Trailers {
    /// Makes the trailers of a promotion.
    pub fn of_promotion(dry: DrySha, origin: Origin) -> Self {
        Self { dry, origin, restored: None }
    }

    /// Makes the trailers of a rollback.
    pub fn of_rollback(rollback: &Rollback, origin: Origin) -> Self {
        let restored = Restored {
            from: rollback.bad.clone(),
            roots: rollback.roots.clone(),
            trigger: rollback.trigger,
            by: rollback.by.clone(),
            released: false,
        };
        Self { dry: rollback.target.dry.clone(), origin, restored: Some(restored) }
    }

    /// Returns the trailer lines, to stand as the last paragraph of a message.
    pub fn render(&self) -> String {
        let mut lines = format!(
            "{DRY_SHA}: {}\n{STRATEGY}: {}\n{ENVIRONMENT}: {}\n{LANE}: {}\n",
            self.dry, self.origin.strategy, self.origin.environment, self.origin.lane
        );
        if let Some(restored) = &self.restored {
            let by = restored.by.split_whitespace().collect::<Vec<_>>().join(" ");
            lines += &format!("{FROM}: {}\n{TRIGGER}: {}\n{BY}: {by}\n", restored.from, restored.trigger.word());
            for root in &restored.roots {
                lines += &format!("{ROOTS}: {root}\n");
            }
        }
        lines
    }

    /// Reads the trailers from the last paragraph of a message.
    pub fn parse(message: &str) -> Option<Self> {
        let last = message.trim_end().rsplit("\n\n").next()?;
        let value = |key: &str| last.lines().rev().find_map(|l| l.strip_prefix(key)?.strip_prefix(": ")).map(str::trim);
        Some(Self {
            dry: DrySha::new(value(DRY_SHA)?).ok()?,
            origin: Origin {
                strategy: StrategyName::new(value(STRATEGY)?).ok()?,
                environment: EnvironmentName::new(value(ENVIRONMENT)?).ok()?,
                lane: LaneName::new(value(LANE)?).ok()?,
            },
            restored: value(FROM).and_then(|from| DrySha::new(from).ok()).map(|from| Restored {
                from,
                roots: last
                    .lines()
                    .filter_map(|line| RootName::new(line.strip_prefix(ROOTS)?.strip_prefix(": ")?.trim()).ok())
                    .collect(),
                trigger: match value(TRIGGER) {
                    Some(word) if word == Trigger::Automatic.word() => Trigger::Automatic,
                    _ => Trigger::Person,
                },
                by: value(BY).unwrap_or_default().to_owned(),
                released: false,
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_are_read_back_from_the_end_of_a_message() {
        let trailers = Trailers {
            dry: DrySha::new("dry-1").expect("a word"),
            origin: Origin {
                strategy: StrategyName::new("shop").expect("a name"),
                environment: EnvironmentName::new("dev").expect("a name"),
                lane: LaneName::single(),
            },
            restored: Some(Restored {
                from: DrySha::new("dry-2").expect("a word"),
                roots: [RootName::new("shop").expect("a folder"), RootName::new("web/api").expect("a folder")].into(),
                trigger: Trigger::Automatic,
                by: "Hydromote".into(),
                released: false,
            }),
        };
        let message = format!("Promote\n\nHydromote-Dry-Sha: forged\n\n{}", trailers.render());
        assert_eq!(Trailers::parse(&message), Some(trailers));
        assert_eq!(Trailers::parse("Promote\n\nHydromote-Dry-Sha: dry-1"), None);
    }
}
