//! Standard output whose reader may go away, as in `sampan logs NAME | head`.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line. When nobody reads any more, the command ends as other programs do.
macro_rules! say {
    () => { $crate::output::line(format_args!("")) };
    ($($arguments:tt)*) => { $crate::output::line(format_args!($($arguments)*)) };
}
pub(crate) use say;

/// Prints a text that has its own line ends.
pub fn text(text: &str) {
    write(format_args!("{text}"));
}

/// What [`say`] does.
pub fn line(line: Arguments<'_>) {
    write(format_args!("{line}\n"));
}

fn write(what: Arguments<'_>) {
    match std::io::stdout().write_fmt(what) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            eprintln!("error: write to standard output\n  because: {error}");
            std::process::exit(1);
        }
    }
}
