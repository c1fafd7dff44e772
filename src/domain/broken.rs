//! Rules that can be broken on purpose, so that the model checker shows that it would notice.
//!
//! Outside of tests nothing is ever broken: [`is`] is `false` before the program runs, and what asks it
//! compiles to the rule alone.

/// One rule, broken: what then is so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain) enum Broken {
    /// A candidate need not be newer than what the place has taken.
    Forward,
    /// What is blocked or rejected stays a candidate.
    Filter,
    /// A proposal goes on for ever where its environment finishes what it began.
    FinishEnd,
    /// A no-op is verified though what it passes through does not have it verified any more.
    NoOpChain,
    /// A no-op is verified whatever became of the content that it runs on.
    NoOpHead,
    /// A no-op is taken before what the environment depends on has verified it.
    NoOpOrder,
    /// What a rollback left stays verified.
    LeftStaysVerified,
    /// A failure of restored content takes nothing back of what it had earned before.
    RestoredFails,
    /// A rollback blocks in its own environment alone.
    BlockHere,
    /// A block looks at places on the line, and not at renderings.
    BlockContent,
    /// A block looks at the bad commit and its renderings, and not at what lies between.
    BlockRange,
    /// Nothing waits for what runs to settle.
    Settling,
    /// What runs settles for ever.
    SettleEnd,
    /// What an environment depends on is no gate.
    DependsOn,
    /// A hold is no gate.
    HoldGate,
    /// A strict hold ends like any other.
    StrictStays,
    /// A rollback that starts by itself goes to whatever ran before.
    KnownGood,
    /// What a rollback restored is rolled back by itself.
    GuardRestored,
    /// The same content is rolled back by itself again and again.
    GuardOnce,
    /// An old failure starts a rollback.
    GuardAge,
    /// Rollbacks that start by themselves follow each other at once.
    GuardPause,
    /// The second rollback in a row stops nothing.
    SecondInARow,
}

/// Says whether a rule is broken.
#[cfg(not(test))]
pub(in crate::domain) const fn is(_: Broken) -> bool {
    false
}

#[cfg(test)]
thread_local! {
    static BROKEN: std::cell::Cell<Option<Broken>> = const { std::cell::Cell::new(None) };
}

/// Says whether a rule is broken.
#[cfg(test)]
pub(in crate::domain) fn is(rule: Broken) -> bool {
    BROKEN.get() == Some(rule)
}

/// Does something while a rule is broken, in this thread.
#[cfg(test)]
pub(in crate::domain) fn with<T>(rule: Broken, act: impl FnOnce() -> T) -> T {
    BROKEN.set(Some(rule));
    let done = act();
    BROKEN.set(None);
    done
}
