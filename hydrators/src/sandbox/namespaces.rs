//! A user namespace, in which a process has no right over anything outside, with a network of its
//! own that has not even a loopback device.

use rustix::thread::UnshareFlags;

/// Moves this process, which must have one thread, into namespaces of its own.
pub(super) fn leave() -> Result<(), String> {
    #[expect(
        deprecated,
        reason = "the safe form: what makes it unsafe, a table of open files of its own, is not asked for"
    )]
    rustix::thread::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWIPC).map_err(|error| {
        format!(
            "there is no network namespace ({error}): allow unprivileged user namespaces (`user.max_user_namespaces`, \
             `RestrictNamespaces=`, the container's seccomp profile)"
        )
    })
}
