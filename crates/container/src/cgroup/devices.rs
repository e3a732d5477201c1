//! Which devices a container may touch. v1 has files for it; v2 wants a small BPF program,
//! assembled here by hand: it is thirty instructions, and a compiler would be a C library.

use std::fmt;
use std::fs::File;
use std::io;
use std::mem;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::libc;

/// A rule: kind, numbers (`None` is any) and access.
pub(super) struct Rule {
    kind: Kind,
    major: Option<u32>,
    minor: Option<u32>,
    access: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Block = 1,
    Character = 2,
}

/// As in the kernel's `BPF_DEVCG_ACC_*`.
const MKNOD: u32 = 1;
const READ: u32 = 2;
const WRITE: u32 = 4;
const ALL: u32 = MKNOD | READ | WRITE;

/// The kernel's major number for Unix98 terminals.
const PTS_MAJOR: u32 = 136;

const fn character(major: u32, minor: u32) -> Rule {
    Rule { kind: Kind::Character, major: Some(major), minor: Some(minor), access: ALL }
}

const fn any(kind: Kind) -> Rule {
    Rule { kind, major: None, minor: None, access: MKNOD }
}

/// What every container may do: make any node, and use null, zero, full, random, urandom, tty,
/// console, ptmx and the terminals.
pub(super) const ALLOWED: &[Rule] = &[
    any(Kind::Character),
    any(Kind::Block),
    character(1, 3),
    character(1, 5),
    character(1, 7),
    character(1, 8),
    character(1, 9),
    character(5, 0),
    character(5, 1),
    character(5, 2),
    Rule { kind: Kind::Character, major: Some(PTS_MAJOR), minor: None, access: ALL },
];

impl fmt::Display for Rule {
    /// As `devices.allow` wants it: `c 1:3 rwm`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind == Kind::Block { 'b' } else { 'c' };
        let number = |number: Option<u32>| number.map_or("*".to_owned(), |have| have.to_string());
        write!(f, "{kind} {}:{} ", number(self.major), number(self.minor))?;
        for (bit, letter) in [(READ, 'r'), (WRITE, 'w'), (MKNOD, 'm')] {
            if self.access & bit != 0 {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

/// One BPF instruction, as the kernel lays it out.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

const LOAD_WORD: u8 = 0x61;
const MOVE: u8 = 0xb7;
const MOVE_REGISTER: u8 = 0xbf;
const AND: u8 = 0x57;
const SHIFT_RIGHT: u8 = 0x77;
const JUMP_NOT_EQUAL: u8 = 0x55;
const EXIT: u8 = 0x95;

const fn op(code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> Instruction {
    Instruction { code, registers: from << 4 | to, offset, immediate }
}

/// The program: 1 (allow) if any rule matches, else 0.
///
/// The context is `struct bpf_cgroup_dev_ctx`: access type (kind in the low 16 bits, access in
/// the high ones), major, minor. Registers: r2 kind, r3 access, r4 major, r5 minor.
fn program(rules: &[Rule]) -> Vec<Instruction> {
    let mut program = vec![
        op(LOAD_WORD, 2, 1, 0, 0),
        op(MOVE_REGISTER, 3, 2, 0, 0),
        op(AND, 2, 0, 0, 0xffff),
        op(SHIFT_RIGHT, 3, 0, 0, 16),
        op(LOAD_WORD, 4, 1, 4, 0),
        op(LOAD_WORD, 5, 1, 8, 0),
    ];
    for rule in rules {
        push_rule(&mut program, rule);
    }
    program.extend([op(MOVE, 0, 0, 0, 0), op(EXIT, 0, 0, 0, 0)]);
    program
}

/// Appends the checks of a rule; each that fails jumps behind the rule's end.
fn push_rule(program: &mut Vec<Instruction>, rule: &Rule) {
    let start = program.len();
    program.push(op(JUMP_NOT_EQUAL, 2, 0, 0, rule.kind as i32));
    if rule.access != ALL {
        // Whatever is wanted beyond what the rule gives makes it not match.
        program.push(op(MOVE_REGISTER, 0, 3, 0, 0));
        program.push(op(AND, 0, 0, 0, (ALL & !rule.access) as i32));
        program.push(op(JUMP_NOT_EQUAL, 0, 0, 0, 0));
    }
    for (register, number) in [(4, rule.major), (5, rule.minor)] {
        if let Some(number) = number {
            program.push(op(JUMP_NOT_EQUAL, register, 0, 0, number as i32));
        }
    }
    program.extend([op(MOVE, 0, 0, 0, 1), op(EXIT, 0, 0, 0, 0)]);
    let end = program.len();
    for (at, instruction) in program.iter_mut().enumerate().skip(start) {
        if instruction.code == JUMP_NOT_EQUAL {
            instruction.offset = i16::try_from(end - at - 1).expect("a rule has few instructions");
        }
    }
}

/// The parts of `union bpf_attr` that BPF_PROG_LOAD reads, in order.
#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    program_type: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buffer: u64,
    kernel_version: u32,
    program_flags: u32,
}

/// The parts of `union bpf_attr` that BPF_PROG_ATTACH reads, in order.
#[repr(C)]
#[derive(Default)]
struct AttachAttributes {
    target: u32,
    program: u32,
    attach_type: u32,
    flags: u32,
}

const BPF_PROG_LOAD: libc::c_long = 5;
const BPF_PROG_ATTACH: libc::c_long = 8;
const BPF_PROG_TYPE_CGROUP_DEVICE: u32 = 15;
const BPF_CGROUP_DEVICE: u32 = 6;
const BPF_F_ALLOW_MULTI: u32 = 2;

/// Loads the program and attaches it to the group's directory; it lives as long as the group.
pub(super) fn attach(group: &Path) -> io::Result<()> {
    use std::os::fd::{FromRawFd, OwnedFd};

    let program = program(ALLOWED);
    let mut load = LoadAttributes {
        program_type: BPF_PROG_TYPE_CGROUP_DEVICE,
        instruction_count: u32::try_from(program.len()).expect("a program is short"),
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        ..LoadAttributes::default()
    };
    // SAFETY: the attributes are laid out as the kernel's union, and point to a program and a
    // license that outlive the call.
    let loaded = unsafe { bpf(BPF_PROG_LOAD, &mut load) }?;
    // SAFETY: the kernel has just made this descriptor for us.
    let loaded = unsafe { OwnedFd::from_raw_fd(loaded) };
    let group = File::open(group)?;
    let number = |fd: i32| u32::try_from(fd).expect("an open descriptor is not negative");
    let mut attach = AttachAttributes {
        target: number(group.as_raw_fd()),
        program: number(loaded.as_raw_fd()),
        attach_type: BPF_CGROUP_DEVICE,
        flags: BPF_F_ALLOW_MULTI,
    };
    // SAFETY: as above; no pointers in it.
    unsafe { bpf(BPF_PROG_ATTACH, &mut attach) }?;
    Ok(())
}

/// # Safety
/// `attributes` must be laid out as the command's part of `union bpf_attr`, its pointers valid.
unsafe fn bpf<T>(command: libc::c_long, attributes: &mut T) -> io::Result<i32> {
    // SAFETY: the caller's promise; the size given is the size of what is pointed to.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes, mem::size_of::<T>()) };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the program as the kernel would, on the few instructions it uses.
    fn run(program: &[Instruction], kind: Kind, access: u32, major: u32, minor: u32) -> i64 {
        let context = [access << 16 | kind as u32, major, minor];
        let mut registers = [0i64; 11];
        let mut at = 0;
        loop {
            let instruction = program[at];
            let (to, from) =
                ((instruction.registers & 15) as usize, (instruction.registers >> 4) as usize);
            at += 1;
            match instruction.code {
                LOAD_WORD => registers[to] = context[instruction.offset as usize / 4].into(),
                MOVE => registers[to] = instruction.immediate.into(),
                MOVE_REGISTER => registers[to] = registers[from],
                AND => registers[to] &= i64::from(instruction.immediate),
                SHIFT_RIGHT => registers[to] >>= instruction.immediate,
                JUMP_NOT_EQUAL if registers[to] != i64::from(instruction.immediate) => {
                    at += instruction.offset as usize;
                }
                JUMP_NOT_EQUAL => {}
                EXIT => return registers[0],
                code => panic!("unknown instruction {code:#x}"),
            }
        }
    }

    fn check(kind: Kind, access: u32, major: u32, minor: u32, allowed: bool) {
        let result = run(&program(ALLOWED), kind, access, major, minor);
        assert_eq!(result == 1, allowed, "{access} {major}:{minor}");
    }

    #[test]
    fn harmless_devices_may_be_used() {
        check(Kind::Character, READ | WRITE, 1, 3, true);
        check(Kind::Character, READ, 1, 9, true);
        check(Kind::Character, READ | WRITE, PTS_MAJOR, 12, true);
    }

    #[test]
    fn disks_and_memory_may_not_be_opened() {
        check(Kind::Block, READ, 8, 0, false);
        check(Kind::Block, READ, 1, 3, false);
        check(Kind::Character, READ | WRITE, 1, 1, false);
        check(Kind::Character, READ, 10, 200, false);
    }

    #[test]
    fn any_node_may_be_made_but_not_used() {
        check(Kind::Block, MKNOD, 8, 0, true);
        check(Kind::Block, MKNOD | READ, 8, 0, false);
    }

    #[test]
    fn rules_read_as_v1_wants_them() {
        assert_eq!(any(Kind::Block).to_string(), "b *:* m");
        assert_eq!(character(1, 3).to_string(), "c 1:3 rwm");
        assert_eq!(ALLOWED.last().unwrap().to_string(), "c 136:* rwm");
    }

    /// Needs root and a cgroup2 hierarchy anywhere.
    #[test]
    fn the_kernel_takes_the_program_and_minds_it() {
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
        let unified = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"));
        let Some(unified) = unified.filter(|_| nix::unistd::geteuid().is_root()) else {
            println!("NOT RUN: this needs root and a cgroup2 hierarchy");
            return;
        };
        let name = format!("sampan-device-test-{}", std::process::id());
        let group = Path::new(unified.split(' ').nth(1).unwrap()).join(name);
        std::fs::create_dir(&group).unwrap();
        attach(&group).unwrap();
        let directory = tempfile::tempdir().unwrap();
        // 254 is no disk: without the program it opens with another error than EPERM.
        let script = "echo $$ > \"$0/cgroup.procs\" && mknod node b 254 0 && echo made; \
                      head -c0 /dev/null && echo null; head -c1 node";
        let output = std::process::Command::new("sh")
            .args(["-c", script])
            .arg(&group)
            .current_dir(directory.path())
            .output()
            .unwrap();
        std::fs::remove_dir(&group).unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "made\nnull\n");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(complaint.contains("Operation not permitted"), "{complaint}");
    }
}
