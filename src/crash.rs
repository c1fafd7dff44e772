//! Fail points: where a test kills the service, right before or right after an act that the outside
//! world sees.
//!
//! - Every outside act is an [`Act`]. Calls of the forge go through
//!   [`Crashing`](crate::forge::crashing::Crashing), which must implement every method of the trait;
//!   pushes through the one function that pushes. No other place needs to know of fail points.
//! - A point is armed by `HYDROMOTE_CRASH=PLACE:ACT:NTH[:ON]`, such as `before:merge_pull_request:2` or
//!   `after:post_status:1:hydromote/hold/dev`; `HYDROMOTE_CRASH=trace` only logs what is passed.
//! - The process ends by SIGKILL: nothing is flushed, closed or told to anybody.
//!
//! Only builds with debug assertions heed the variable and list the points. A release build, which is
//! what people run, cannot be killed through its environment; a cargo feature would do too, but would
//! have the tests build everything a second time, and could be enabled by another crate's request.

use std::{
    collections::BTreeMap,
    fmt,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use rustix::process::{Signal, getpid, kill_process};

/// The variable that arms a point.
const VARIABLE: &str = "HYDROMOTE_CRASH";

/// The value that arms none, and has every act logged.
const TRACE: &str = "trace";

macro_rules! acts {
    ($($(#[$doc:meta])* $act:ident = $name:literal,)+) => {
        /// An act that the outside world sees.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Act { $($(#[$doc])* $act,)+ }

        impl Act {
            /// Every act.
            pub const ALL: &[Self] = &[$(Self::$act,)+];

            /// Returns its name, as it is written in the variable.
            pub fn name(self) -> &'static str {
                match self { $(Self::$act => $name,)+ }
            }
        }
    };
}

acts! {
    /// Branches of the remote are created or moved.
    Push = "push",
    /// A pull request is opened.
    OpenPullRequest = "open_pull_request",
    /// Its title and body are replaced.
    EditPullRequest = "edit_pull_request",
    /// It is closed.
    ClosePullRequest = "close_pull_request",
    /// It is merged.
    MergePullRequest = "merge_pull_request",
    /// A commit status is posted.
    PostStatus = "post_status",
    /// A comment is written.
    PostComment = "post_comment",
    /// A comment's text is replaced.
    EditComment = "edit_comment",
    /// A comment gets a reaction.
    React = "react",
}

/// Which side of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It is decided, and nothing of it was done.
    Before,
    /// The remote end has done it, and nobody here knows.
    After,
}

impl Moment {
    /// Both sides.
    pub const ALL: [Self; 2] = [Self::Before, Self::After];

    /// Returns the word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
        }
    }
}

/// Returns the name of every fail point, `PLACE:ACT`.
pub fn fail_points() -> impl Iterator<Item = String> {
    Act::ALL.iter().flat_map(|act| Moment::ALL.map(|moment| format!("{}:{}", moment.name(), act.name())))
}

/// Where the process ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Point {
    moment: Moment,
    act: Act,
    nth: usize,
    /// What is acted on; anything when absent.
    on: Option<String>,
}

/// The variable names no fail point.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{VARIABLE}={0}` names no fail point; `hydromote crash-points` lists them: `PLACE:ACT:NTH[:ON]`")]
pub struct NoSuchPoint(String);

impl FromStr for Point {
    type Err = NoSuchPoint;

    fn from_str(text: &str) -> Result<Self, NoSuchPoint> {
        let parse = || {
            let mut parts = text.splitn(4, ':');
            let (moment, act, nth) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Self {
                moment: Moment::ALL.into_iter().find(|known| known.name() == moment)?,
                act: Act::ALL.iter().copied().find(|known| known.name() == act)?,
                nth: nth.parse().ok().filter(|nth| *nth > 0)?,
                on: parts.next().map(str::to_owned),
            })
        };
        parse().ok_or_else(|| NoSuchPoint(text.to_owned()))
    }
}

/// The fail points of a process; none unless the variable says so. Cloning is cheap.
#[derive(Clone, Default)]
pub struct FailPoints {
    armed: Option<Arc<Armed>>,
}

struct Armed {
    point: Option<Point>,
    passed: Mutex<BTreeMap<(Act, String), usize>>,
}

impl FailPoints {
    /// Reads which point is armed from the process's environment.
    ///
    /// # Errors
    /// When the variable is set and names none.
    pub fn from_environment(environment: &[(String, String)]) -> Result<Self, NoSuchPoint> {
        let value = environment.iter().find(|(name, _)| name == VARIABLE).map(|(_, value)| value.as_str());
        match value.filter(|_| cfg!(debug_assertions)) {
            None => Ok(Self::default()),
            Some(TRACE) => Ok(Self::armed(None)),
            Some(point) => Ok(Self::armed(Some(point.parse()?))),
        }
    }

    fn armed(point: Option<Point>) -> Self {
        Self { armed: Some(Arc::new(Armed { point, passed: Mutex::default() })) }
    }

    /// Says whether anything is armed or logged.
    pub fn are_armed(&self) -> bool {
        self.armed.is_some()
    }

    /// Does an act on `on`, unless the process is to end before it; it may end after it.
    pub async fn around<T, E>(&self, act: Act, on: &str, doing: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let Some(armed) = &self.armed else { return doing.await };
        let is_it = armed.pass(act, on);
        if is_it == Some(Moment::Before) {
            end();
        }
        let done = doing.await;
        if is_it == Some(Moment::After) && done.is_ok() {
            end();
        }
        done
    }
}

impl fmt::Debug for FailPoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FailPoints").field(&self.armed.as_ref().map(|armed| &armed.point)).finish()
    }
}

impl Armed {
    /// Counts an act; says on which side of it the process is to end.
    fn pass(&self, act: Act, on: &str) -> Option<Moment> {
        let mut passed = self.passed.lock().unwrap_or_else(PoisonError::into_inner);
        let here = passed.entry((act, on.to_owned())).or_default();
        *here += 1;
        tracing::info!("fail point: {} {here} on {on}", act.name());
        let point = self.point.as_ref().filter(|point| point.act == act)?;
        let count = match &point.on {
            Some(wanted) => passed.get(&(act, wanted.clone())).copied().filter(|_| wanted == on)?,
            None => passed.iter().filter(|((other, _), _)| *other == act).map(|(_, count)| count).sum(),
        };
        (count == point.nth).then_some(point.moment)
    }
}

/// Ends the process as a machine does that loses its power.
fn end() -> ! {
    // It cannot fail: a process may always signal itself.
    let _ = kill_process(getpid(), Signal::KILL);
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(value: &str) -> Result<FailPoints, NoSuchPoint> {
        FailPoints::from_environment(&[(VARIABLE.to_owned(), value.to_owned())])
    }

    #[test]
    fn nothing_is_armed_unless_the_variable_is_set() {
        assert!(!FailPoints::from_environment(&[]).expect("nothing to misread").are_armed());
        assert_eq!(set("trace").expect("a word that is known").are_armed(), cfg!(debug_assertions));
    }

    #[test]
    fn what_names_no_point_is_refused() {
        for wrong in ["", "before", "before:push", "during:push:1", "before:fetch:1", "before:push:0", "after:push:x"] {
            assert_eq!(set(wrong).map(|_| ()), Err(NoSuchPoint(wrong.to_owned())));
        }
        assert!(fail_points().all(|point| format!("{point}:1").parse::<Point>().is_ok()));
    }

    #[test]
    fn acts_are_counted_on_what_they_act_on_where_that_is_named() {
        let armed = |text: &str| Armed { point: text.parse().ok(), passed: Mutex::default() };
        let any = armed("before:push:2");
        assert_eq!(any.pass(Act::Push, "env/dev"), None);
        assert_eq!(any.pass(Act::React, ""), None);
        assert_eq!(any.pass(Act::Push, "env/staging"), Some(Moment::Before));
        assert_eq!(any.pass(Act::Push, "env/staging"), None);
        let one = armed("after:push:2:env/dev");
        assert_eq!(one.pass(Act::Push, "env/dev"), None);
        assert_eq!(one.pass(Act::Push, "env/staging"), None);
        assert_eq!(one.pass(Act::Push, "env/dev"), Some(Moment::After));
    }
}
