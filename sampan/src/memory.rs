//! The memory of the process: the allocator, and how what a burst left is given back at rest.
//!
//! A write of an object allocates some hundred times; mimalloc takes a third of the time of glibc's
//! allocator for it. It keeps what was freed for the next burst; and a start runs through most of
//! the program, which stays mapped. Neither is needed at rest: the free pages go back to the machine,
//! and so does the program's text, of which the page cache has what runs next.

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often it is looked what the process does.
const LOOK: Duration = Duration::from_secs(1);
/// From this much CPU time between two looks on the process works.
const WORKS: Duration = Duration::from_millis(50);
/// After this many looks without work the process rests.
const RESTS_AFTER: u32 = 5;
/// How long the allocator keeps free pages while the process works, in milliseconds. At rest it
/// keeps none, and so at the start, which frees much of what it needs.
const KEEPS_PAGES_MS: std::ffi::c_long = 1000;
/// mimalloc's `mi_option_purge_delay`, of which the crate has no name.
const PURGE_DELAY: libmimalloc_sys::mi_option_t = 15;

/// How often the process came to rest.
static RESTS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// At which rest this thread gave back what it kept.
    static GAVE_BACK_AT: Cell<u64> = const { Cell::new(0) };
}

/// Sets the allocator up. To be called before there are threads.
pub fn keep_no_pages() {
    // SAFETY: it changes a number that the allocator reads.
    unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, 0) };
}

/// Gives back what this thread keeps for itself, once each time the process comes to rest. For
/// a worker to call when it has nothing to do: the allocator lets no other thread do it.
pub fn give_back_at_rest() {
    let rests = RESTS.load(Ordering::Relaxed);
    if GAVE_BACK_AT.replace(rests) != rests {
        // SAFETY: it gives back only pages that are free.
        unsafe { libmimalloc_sys::mi_collect(true) };
    }
}

/// Keeps free pages at hand while there is work and gives them back at rest, for as long as the
/// process lives.
pub async fn keep_small() {
    let mut pace = Pace { works: false, quiet: 0 };
    // What the start needed is given back too.
    let mut before = Duration::ZERO;
    loop {
        tokio::time::sleep(LOOK).await;
        let now = cpu_time();
        match pace.changes(now.saturating_sub(before)) {
            // SAFETY: it changes a number that the allocator reads.
            Some(Change::Works) => unsafe {
                libmimalloc_sys::mi_option_set(PURGE_DELAY, KEEPS_PAGES_MS);
            },
            Some(Change::Rests) => {
                if let Err(error) = tokio::task::spawn_blocking(give_back).await {
                    tracing::warn!(%error, "memory was not given back");
                }
            }
            None => {}
        }
        before = now;
    }
}

/// Whether the process works.
struct Pace {
    works: bool,
    /// How many looks in a row saw no work.
    quiet: u32,
}

#[derive(Debug, PartialEq)]
enum Change {
    Works,
    Rests,
}

impl Pace {
    /// Takes how much CPU time was used since the last look.
    fn changes(&mut self, used: Duration) -> Option<Change> {
        if used >= WORKS {
            self.quiet = 0;
            return (!std::mem::replace(&mut self.works, true)).then_some(Change::Works);
        }
        self.quiet = self.quiet.saturating_add(1);
        let rests = self.works && self.quiet >= RESTS_AFTER;
        self.works &= !rests;
        rests.then_some(Change::Rests)
    }
}

fn cpu_time() -> Duration {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Duration::ZERO };
    let microseconds = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(u64::try_from(microseconds).unwrap_or_default())
}

fn give_back() {
    // SAFETY: it takes the allocator's own locks and gives back only pages that are free.
    unsafe {
        libmimalloc_sys::mi_collect(true);
        libmimalloc_sys::mi_option_set(PURGE_DELAY, 0);
    }
    RESTS.fetch_add(1, Ordering::Relaxed);
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
    fn check_pace(used_ms: &[u64], changes: &[(usize, Change)]) {
        let mut pace = Pace { works: false, quiet: 0 };
        let seen = used_ms.iter().enumerate().filter_map(|(at, ms)| {
            pace.changes(Duration::from_millis(*ms)).map(|change| (at, change))
        });
        assert_eq!(seen.collect::<Vec<_>>(), changes);
    }

    #[test]
    fn it_works_from_the_first_busy_look_and_rests_after_quiet_ones() {
        check_pace(&[900, 10, 1, 1, 1, 1, 1], &[(0, Change::Works), (5, Change::Rests)]);
        check_pace(&[1, 1, 1, 1, 1, 1, 1], &[]);
        check_pace(&[900, 1, 1, 1, 1, 900, 1, 1, 1, 1], &[(0, Change::Works)]);
    }

    #[test]
    fn a_little_work_is_rest() {
        check_pace(&[49, 49, 50, 49], &[(2, Change::Works)]);
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
