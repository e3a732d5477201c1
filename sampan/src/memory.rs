//! The memory of the process: the allocator is bounded, and what a burst left is given back at rest.
//!
//! glibc makes an arena for almost every thread and keeps what was freed in each of them; and a
//! start runs through most of the program, which stays mapped. Neither is needed at rest: the free
//! pages go back to the machine, and so does the program's text, of which the page cache has what
//! runs next.

use std::ops::Range;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

/// How many arenas the allocator may have. Threads meet in one only when their own caches are empty.
#[cfg(target_env = "gnu")]
const ARENAS_MAX: i32 = 8;
/// How often it is looked whether the process rests.
const LOOK: Duration = Duration::from_secs(5);
/// From this much CPU time between two looks on there may be something to give back later.
const WORKED: Duration = Duration::from_millis(50);
/// Below this much CPU time between two looks the process rests.
const RESTS: Duration = Duration::from_millis(250);

/// Bounds the allocator. To be called before there are threads.
pub fn bound_allocator() {
    // SAFETY: it changes a setting of the allocator; no other thread is there to allocate.
    #[cfg(target_env = "gnu")]
    unsafe {
        nix::libc::mallopt(nix::libc::M_ARENA_MAX, ARENAS_MAX);
    }
}

/// Gives memory back whenever the process comes to rest, for as long as it lives.
pub async fn keep_small() {
    let mut rest = Rest { worked: true };
    let mut before = cpu_time();
    loop {
        tokio::time::sleep(LOOK).await;
        if rest.comes(cpu_time().saturating_sub(before))
            && let Err(error) = tokio::task::spawn_blocking(give_back).await
        {
            tracing::warn!(%error, "memory was not given back");
        }
        before = cpu_time();
    }
}

/// Whether there was work since memory was given back.
struct Rest {
    worked: bool,
}

impl Rest {
    /// Takes how much CPU time was used since the last look; does the process come to rest now?
    fn comes(&mut self, used: Duration) -> bool {
        self.worked |= used >= WORKED;
        let comes = self.worked && used < RESTS;
        self.worked &= !comes;
        comes
    }
}

fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or_default())
}

fn give_back() {
    // SAFETY: it takes the allocator's own locks and gives back only pages that are free.
    #[cfg(target_env = "gnu")]
    unsafe {
        nix::libc::malloc_trim(0);
    }
    match std::fs::read_to_string("/proc/self/maps") {
        Ok(maps) => texts(&maps).for_each(unmap_pages),
        Err(error) => tracing::debug!(%error, "the program's text stays mapped"),
    }
}

/// Where programs and libraries are mapped: of files, private, executable and never writable.
fn texts(maps: &str) -> impl Iterator<Item = Range<usize>> {
    maps.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let (addresses, rights) = (words.next()?, words.next()?);
        let is_file = words.nth(3).is_some_and(|path| path.starts_with('/'));
        let (start, end) = addresses.split_once('-')?;
        let range = usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?;
        (rights == "r-xp" && is_file).then_some(range)
    })
}

fn unmap_pages(text: Range<usize>) {
    // SAFETY: the range is a private mapping of a file that was never writable, so no page of it
    // differs from the file's; one that is touched again is mapped again with the same bytes.
    let result = unsafe {
        nix::libc::madvise(text.start as *mut _, text.end - text.start, nix::libc::MADV_DONTNEED)
    };
    if result != 0 {
        let error = std::io::Error::last_os_error();
        tracing::debug!(%error, "the program's text stays mapped");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_rest(used_ms: &[u64], comes: &[bool]) {
        let mut rest = Rest { worked: true };
        let answers = used_ms.iter().map(|ms| rest.comes(Duration::from_millis(*ms)));
        assert_eq!(answers.collect::<Vec<_>>(), comes);
    }

    #[test]
    fn rest_comes_once_after_the_start_and_once_after_each_burst() {
        check_rest(&[900, 10, 1, 1], &[false, true, false, false]);
        check_rest(&[1, 1, 4000, 4000, 2, 2], &[true, false, false, false, true, false]);
    }

    #[test]
    fn a_little_work_is_rest_and_worth_looking_after() {
        check_rest(&[100, 100, 49], &[true, true, false]);
    }

    #[test]
    fn only_texts_of_files_are_unmapped() {
        let maps = "\
00200000-00ddc000 r--p 00000000 fe:00 10011310 /usr/bin/sampan
00ddc000-02fde000 r-xp 00bdb000 fe:00 10011310 /usr/bin/sampan
02fde000-03160000 rw-p 02ddc000 fe:00 10011310 /usr/bin/sampan
300f5000-3064f000 rw-p 00000000 00:00 0 [heap]
7ffd01000000-7ffd01002000 r-xp 00000000 00:00 0 [vdso]
";
        let mut texts = texts(maps);
        assert_eq!(texts.next(), Some(0x00dd_c000..0x02fd_e000));
        assert_eq!(texts.next(), None);
    }

    #[test]
    fn a_process_goes_on_after_it_gave_back() {
        let before = vec![1_u8; 1 << 20];
        give_back();
        assert!(before.iter().all(|byte| *byte == 1));
        assert!(cpu_time() > Duration::ZERO);
    }
}
