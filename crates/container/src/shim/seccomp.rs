//! The default seccomp profile: an allow-list, loaded by the child itself.
//!
//! seccompiler assembles the program; it is loaded through seccomp(2) here because seccompiler's
//! own loader always bars new privileges, which is for the container's spec to say.

mod calls;

use std::collections::BTreeMap;
use std::io;

use caps::{Capability, CapsHashSet};
use nix::libc;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// Flags of clone(2) that make namespaces: only for those who may administer the system.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// The address family that reaches the hypervisor.
const AF_VSOCK: u64 = 40;

/// The harmless execution domains: Linux and 32 bit, each with or without randomisation; ask.
const PERSONALITIES: [u64; 5] = [0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Loads the profile for a process with these capabilities.
pub(super) fn load(capabilities: &CapsHashSet) -> io::Result<()> {
    let program = assemble(capabilities).map_err(io::Error::other)?;
    let program_header = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
    };
    // SAFETY: the header points to the program and has its length; both outlive the call.
    // seccompiler's sock_filter has the kernel's layout, as libc's has.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program_header,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn assemble(capabilities: &CapsHashSet) -> Result<BpfProgram, BackendError> {
    let filter = SeccompFilter::new(
        rules(capabilities)?,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        architecture(),
    )?;
    let allowed: BpfProgram = filter.try_into()?;
    if capabilities.contains(&Capability::CAP_SYS_ADMIN) {
        return Ok(allowed);
    }
    Ok(clone3_is_unknown().into_iter().chain(allowed).collect())
}

/// clone3's flags are behind a pointer that a filter cannot follow. Told that the call does not
/// exist, C libraries fall back to clone; told that it is not permitted, they give up.
fn clone3_is_unknown() -> [sock_filter; 3] {
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const ERRNO: u32 = 0x0005_0000;
    let number = u32::try_from(libc::SYS_clone3).expect("call numbers are small");
    [
        sock_filter { code: LOAD_WORD, jt: 0, jf: 0, k: 0 },
        sock_filter { code: JUMP_IF_EQUAL, jt: 0, jf: 1, k: number },
        sock_filter { code: RETURN, jt: 0, jf: 0, k: ERRNO | libc::ENOSYS as u32 },
    ]
}

fn rules(capabilities: &CapsHashSet) -> Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let always = [calls::COMMON, calls::UNNAMED, calls::ARCHITECTURE].into_iter().flatten();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        always.map(|call| (*call, Vec::new())).collect();
    rules.insert(libc::SYS_socket, vec![when(SeccompCmpOp::Ne, AF_VSOCK)?]);
    let personality: Result<Vec<SeccompRule>, BackendError> =
        PERSONALITIES.iter().map(|value| when(SeccompCmpOp::Eq, *value)).collect();
    rules.insert(libc::SYS_personality, personality?);
    rules.insert(libc::SYS_clone, vec![when(SeccompCmpOp::MaskedEq(CLONE_NAMESPACES), 0)?]);
    for (capability, calls) in calls::BY_CAPABILITY {
        if capabilities.contains(capability) {
            rules.extend(calls.iter().map(|call| (*call, Vec::new())));
        }
    }
    Ok(rules)
}

/// If the call's first argument compares so.
fn when(operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}

#[cfg(target_arch = "x86_64")]
fn architecture() -> TargetArch {
    TargetArch::x86_64
}

#[cfg(target_arch = "aarch64")]
fn architecture() -> TargetArch {
    TargetArch::aarch64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOW: u32 = 0x7fff_0000;
    const EPERM: u32 = 0x0005_0001;
    const ENOSYS: u32 = 0x0005_0026;

    /// The filter's verdict, by running it as the kernel does.
    fn verdict(program: &[sock_filter], number: i64, argument: u64) -> u32 {
        #[cfg(target_arch = "x86_64")]
        let architecture = 0xc000_003e_u32;
        #[cfg(target_arch = "aarch64")]
        let architecture = 0xc000_00b7_u32;
        let word = |offset: u32| match offset {
            0 => number as u32,
            4 => architecture,
            16 => argument as u32,
            20 => (argument >> 32) as u32,
            _ => 0,
        };
        let (mut at, mut accumulator) = (0, 0u32);
        loop {
            let step = &program[at];
            at += 1;
            let jump = |condition: bool| usize::from(if condition { step.jt } else { step.jf });
            match step.code {
                0x20 => accumulator = word(step.k),
                0x54 => accumulator &= step.k,
                0x05 => at += step.k as usize,
                0x15 => at += jump(accumulator == step.k),
                0x25 => at += jump(accumulator > step.k),
                0x35 => at += jump(accumulator >= step.k),
                0x06 => return step.k,
                code => panic!("unknown step {code:#x}"),
            }
        }
    }

    fn check(capabilities: &[Capability], number: i64, argument: u64, expected: u32) {
        let program = assemble(&capabilities.iter().copied().collect()).unwrap();
        assert!(program.len() < 4096, "{}", program.len());
        let found = verdict(&program, number, argument);
        assert_eq!(found, expected, "call {number} ({argument:#x}) with {capabilities:?}");
    }

    #[test]
    fn ordinary_calls_are_allowed() {
        for call in [libc::SYS_read, libc::SYS_openat, libc::SYS_execve, libc::SYS_futex] {
            check(&[], call, 0, ALLOW);
        }
    }

    #[test]
    fn calls_against_the_host_need_their_capability() {
        for call in [libc::SYS_mount, libc::SYS_unshare, libc::SYS_bpf, libc::SYS_setns] {
            check(&[], call, 0, EPERM);
            check(&[Capability::CAP_SYS_ADMIN], call, 0, ALLOW);
        }
        check(&[], libc::SYS_reboot, 0, EPERM);
        check(&[Capability::CAP_SYS_BOOT], libc::SYS_reboot, 0, ALLOW);
        check(&[], libc::SYS_chroot, 0, EPERM);
        check(&[Capability::CAP_SYS_CHROOT], libc::SYS_chroot, 0, ALLOW);
    }

    #[test]
    fn some_calls_are_allowed_to_nobody() {
        for call in [libc::SYS_keyctl, libc::SYS_add_key, libc::SYS_kexec_load, libc::SYS_swapon] {
            check(&[Capability::CAP_SYS_ADMIN], call, 0, EPERM);
        }
        check(&[], libc::SYS_io_uring_setup, 0, EPERM);
    }

    #[test]
    fn clone_makes_processes_and_threads_but_no_namespaces() {
        check(&[], libc::SYS_clone, 17, ALLOW);
        check(&[], libc::SYS_clone, 0x3d_0f00, ALLOW);
        check(&[], libc::SYS_clone, 0x1000_0000, EPERM);
        check(&[], libc::SYS_clone, 0x0002_0000, EPERM);
        check(&[Capability::CAP_SYS_ADMIN], libc::SYS_clone, 0x1000_0000, ALLOW);
    }

    #[test]
    fn clone3_seems_not_to_exist() {
        check(&[], libc::SYS_clone3, 0, ENOSYS);
        check(&[Capability::CAP_SYS_ADMIN], libc::SYS_clone3, 0, ALLOW);
    }

    #[test]
    fn arguments_decide_where_they_must() {
        check(&[], libc::SYS_socket, 2, ALLOW);
        check(&[], libc::SYS_socket, AF_VSOCK, EPERM);
        check(&[], libc::SYS_personality, 0xffff_ffff, ALLOW);
        check(&[], libc::SYS_personality, 0x0004_0000, EPERM);
    }
}
