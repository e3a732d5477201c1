//! A program in the container, judged by its exit code.

use tokio::io::AsyncReadExt;

use super::Place;

/// What of a program's output is shown when it fails.
const OUTPUT_BYTES_MAX: u64 = 10 * 1024;

pub(super) async fn run(place: Place<'_>, args: &[String]) -> Result<(), String> {
    let spec = container::ExecSpec {
        container: place.container.to_owned(),
        args: args.to_vec(),
        stdout: true,
        stderr: true,
        ..Default::default()
    };
    let mut exec = place.pod.exec(spec).await.map_err(|error| error.to_string())?;
    let (stdout, stderr) = (exec.stdout.take(), exec.stderr.take());
    let (out, err) = tokio::join!(read_some(stdout), read_some(stderr));
    let status = exec.wait().await.map_err(|error| error.to_string())?;
    if status.code == 0 {
        return Ok(());
    }
    let output = format!("{out}{err}");
    let output = output.trim();
    let code = status.code;
    Err(if output.is_empty() {
        format!("command terminated with exit code {code}")
    } else {
        output.to_owned()
    })
}

/// The start of an output; all of it is read, or the program would block.
async fn read_some(reader: Option<container::StdioReader>) -> String {
    let Some(reader) = reader else { return String::new() };
    let mut start = Vec::new();
    let mut limited = reader.take(OUTPUT_BYTES_MAX);
    if limited.read_to_end(&mut start).await.is_ok() {
        let mut rest = limited.into_inner();
        // What does not fit into a message is dropped.
        let _ = tokio::io::copy(&mut rest, &mut tokio::io::sink()).await;
    }
    String::from_utf8_lossy(&start).into_owned()
}
