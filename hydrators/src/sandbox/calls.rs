//! seccomp: the system calls that no renderer needs, and that lead out of the sandbox.
//!
//! This holds where namespaces are refused, as in most containers, and covers what Landlock does
//! not: datagrams, sockets that are files, new processes, and memory that no limit counts.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};

/// What is refused, whatever the arguments are.
const REFUSED: &[i64] = &[
    // Any network, also by way of a queue that does without system calls, and sockets of this machine.
    libc::SYS_socket,
    libc::SYS_io_uring_setup,
    // Other processes: their memory, their open files, their ends.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    // Memory that is not counted as this process's.
    libc::SYS_memfd_create,
    libc::SYS_shmget,
    libc::SYS_msgget,
    libc::SYS_semget,
    libc::SYS_mq_open,
    // The kernel's own matters.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_fsopen,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_open_by_handle_at,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Set in the number of a call of the variant of x86-64 with short pointers, which some kernels take.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refuses those calls from here on.
pub(super) fn refuse() -> Result<(), String> {
    let failed = |error: seccompiler::Error| {
        format!("system calls could not be refused ({error}): the kernel needs CONFIG_SECCOMP_FILTER")
    };
    let backend = |error: BackendError| failed(error.into());
    let pid = u64::from(std::process::id());
    // Its arguments are in memory, where a filter cannot look; told that there is no such call, programs take `clone`.
    let absent = Rules::from([(libc::SYS_clone3, Vec::new())]);
    install(absent, libc::ENOSYS).map_err(failed)?;
    let mut rules: Rules = REFUSED.iter().map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![thread_less().map_err(backend)?]);
    for call in [libc::SYS_kill, libc::SYS_tgkill] {
        rules.insert(call, vec![of_others(pid).map_err(backend)?]);
    }
    install(rules, libc::EPERM).map_err(failed)
}

/// Matches `clone` that makes a process instead of a thread.
fn thread_less() -> Result<SeccompRule, BackendError> {
    let flag = SeccompCmpOp::MaskedEq(libc::CLONE_THREAD as u64);
    SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Qword, flag, 0)?])
}

/// Matches a first argument that is not `pid`.
fn of_others(pid: u64) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, pid)?])
}

fn install(rules: Rules, error: i32) -> Result<(), seccompiler::Error> {
    #[cfg(target_arch = "x86_64")]
    let rules = rules.into_iter().flat_map(|(call, rule)| [(call, rule.clone()), (call | X32, rule)]).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let refusal = SeccompAction::Errno(error.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refusal, arch)?;
    let program: BpfProgram = filter.try_into()?;
    apply_filter(&program)
}
