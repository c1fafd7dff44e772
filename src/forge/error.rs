//! Why a forge did not do what was asked.

use std::{fmt, time::Duration};

/// Who asks to wait before the next call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitedBy {
    /// The forge.
    Forge,
    /// We do: what the forge still allows is kept for merges.
    Reserve {
        /// How many calls are left.
        remaining: u64,
        /// How many there were.
        limit: u64,
    },
}

impl fmt::Display for LimitedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forge => f.write_str("the forge asks to wait"),
            Self::Reserve { remaining, limit } => {
                write!(
                    f,
                    "only {remaining} of {limit} calls to the forge are left, which are kept for merges; comments wait"
                )
            }
        }
    }
}

/// Why a forge did not do what was asked, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The thing is not there, or may not be seen.
    #[error("{what} was not found on the forge")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The credentials are wrong or lack a right; the operator must act.
    #[error("{}{what}: {words}", unauthorised(*invalid))]
    Unauthorised {
        /// What was attempted.
        what: String,
        /// The forge's words.
        words: String,
        /// Whether the credentials themselves are not valid, rather than lack the right: new ones mend that.
        invalid: bool,
    },
    /// The world has moved on: observe again.
    #[error("the forge has another state than expected: {words}")]
    Moved {
        /// The forge's words.
        words: String,
    },
    /// The forge's rules forbid it now; a closed gate in its words.
    #[error("the forge refused to {what}: {words}")]
    Refused {
        /// What was attempted.
        what: String,
        /// The forge's words.
        words: String,
    },
    /// Too many calls: nothing more of this kind before this time has passed.
    #[error("{by} {} s", retry_after.as_secs())]
    RateLimited {
        /// How long to wait.
        retry_after: Duration,
        /// Who asks for it.
        by: LimitedBy,
    },
    /// No usable answer (network, time limit, 5xx): try again later.
    #[error("the forge did not answer while it was asked to {what}")]
    Unavailable {
        /// What was attempted.
        what: String,
        /// What went wrong.
        #[source]
        source: anyhow::Error,
    },
}

/// Returns how it is told that credentials are not valid, or are and lack a right.
fn unauthorised(invalid: bool) -> &'static str {
    if invalid {
        "the forge refused the credentials while it was asked to "
    } else {
        "the credentials do not suffice to "
    }
}
