//! Stripping a program: everything that running it does not need is cut off.
//!
//! The kernel loads segments. Symbols, debug information and the section table lie behind the last
//! segment, so the file is cut there and its header told that there are no sections. Files that are
//! not laid out so are left as they are. Layout: the ELF-64 object file format.

const MAGIC: &[u8] = b"\x7fELF";
const CLASS_64: u8 = 2;
const LITTLE_ENDIAN: u8 = 1;
const HEADER_LEN: usize = 64;
const SEGMENT_LEN: usize = 56;

/// The part of `file` that is needed to run it.
pub(super) fn strip(mut file: Vec<u8>) -> Vec<u8> {
    if let Some(end) = end_of_segments(&file) {
        file.truncate(end);
        // e_shoff, e_shnum and e_shstrndx: no section table.
        file[0x28..0x30].fill(0);
        file[0x3c..0x40].fill(0);
    }
    file
}

fn end_of_segments(file: &[u8]) -> Option<usize> {
    let header = file.get(..HEADER_LEN)?;
    if !header.starts_with(MAGIC) || header[4] != CLASS_64 || header[5] != LITTLE_ENDIAN {
        return None;
    }
    let table = usize::try_from(u64_at(file, 0x20)?).ok()?;
    let count = usize::from(u16_at(file, 0x38)?);
    let table_end = table.checked_add(count.checked_mul(SEGMENT_LEN)?)?;
    if usize::from(u16_at(file, 0x36)?) != SEGMENT_LEN || count == 0 || table_end > file.len() {
        return None;
    }
    let mut end = table_end.max(HEADER_LEN);
    for index in 0..count {
        let segment = table + index * SEGMENT_LEN;
        let offset = usize::try_from(u64_at(file, segment + 0x08)?).ok()?;
        let length = usize::try_from(u64_at(file, segment + 0x20)?).ok()?;
        end = end.max(offset.checked_add(length)?);
    }
    (end <= file.len()).then_some(end)
}

fn u64_at(file: &[u8], at: usize) -> Option<u64> {
    let bytes = file.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn u16_at(file: &[u8], at: usize) -> Option<u16> {
    let bytes = file.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_stripped_program_is_smaller_and_still_runs() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let stripped = strip(own.clone());
        assert!(stripped.len() < own.len());

        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, &stripped).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let status = std::process::Command::new(&program)
            .args(["--list"])
            .stdout(std::process::Stdio::null())
            .status();
        assert!(status.unwrap().success());
        assert_eq!(strip(stripped.clone()), stripped);
    }

    #[test]
    fn files_that_are_no_elf_or_are_damaged_stay_as_they_are() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let mut bad_table = own[..4096].to_vec();
        bad_table[0x20..0x28].fill(0xff);
        for file in [b"#!/bin/sh\n".to_vec(), Vec::new(), own[..100].to_vec(), bad_table] {
            assert_eq!(strip(file.clone()), file);
        }
    }
}
