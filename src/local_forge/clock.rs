//! The forge's clock.

use jiff::Timestamp;

/// Returns the time.
pub(super) fn now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is where the forge's time comes from")]
    Timestamp::now()
}
