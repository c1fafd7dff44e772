//! Landlock: which files a renderer reads, writes and starts.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, RestrictionStatus, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError, Scope, make_bitflags,
};

use super::{Grants, loader};

/// The newest version whose rights are given up; older kernels give up what they know.
const NEWEST: ABI = ABI::V9;
/// The first version that holds against writing by truncating.
const OLDEST: ABI = ABI::V3;

/// Gives up all files but those that are granted, TCP, and signals to and sockets of others.
pub(super) fn restrict(grants: &Grants<'_>) -> Result<(), String> {
    let status = apply(grants).map_err(|error| format!("Landlock could not be applied: {error}"))?;
    match status.landlock {
        LandlockStatus::NotEnabled => {
            Err("Landlock is built into this kernel but off: add `landlock` to the kernel's parameter `lsm=`".into())
        }
        LandlockStatus::NotImplemented => Err("there is no Landlock here: it needs Linux 6.2 or later with \
             CONFIG_SECURITY_LANDLOCK, and in a container a seccomp profile that lets `landlock_create_ruleset` pass"
            .into()),
        LandlockStatus::Available { effective_abi, .. } if effective_abi < OLDEST => {
            Err("Landlock of this kernel does not hold against all writing: use Linux 6.2 or later".into())
        }
        LandlockStatus::Available { .. } => Ok(()),
    }
}

fn apply(grants: &Grants<'_>) -> Result<RestrictionStatus, RulesetError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .handle_access(AccessNet::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?
        .create()?;
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let start = make_bitflags!(AccessFs::{ReadFile | Execute});
    let write = read
        | make_bitflags!(AccessFs::{WriteFile | Truncate | MakeReg | MakeDir | MakeSym | RemoveFile | RemoveDir | Refer});
    let needs = loader::needs(grants.program);
    let ruleset = add(ruleset, &needs.start, start)?;
    let ruleset = add(ruleset, &needs.read, read)?;
    let ruleset = add(ruleset, grants.read, read)?;
    add(ruleset, grants.write, write)?.restrict_self()
}

/// Grants access to what is there; what is not can be no harm.
fn add(
    mut ruleset: RulesetCreated,
    paths: &[PathBuf],
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        let Ok(opened) = PathFd::new(path) else { continue };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(NEWEST) };
        ruleset = ruleset.add_rule(PathBeneath::new(opened, access))?;
    }
    Ok(ruleset)
}
