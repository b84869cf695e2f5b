//! Standard output.

use std::io::{self, BufWriter, StdoutLock, Write};

/// Standard output, which never fails while a command works: the first failure is kept for the end. So the exit code
/// tells what the command found, whether or not anything reads it.
pub(crate) struct Output {
    buffer: BufWriter<StdoutLock<'static>>,
    result: io::Result<()>,
}

impl Output {
    pub(crate) fn new() -> Self {
        Self { buffer: BufWriter::new(io::stdout().lock()), result: Ok(()) }
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The first failure to write anything.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.result
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.result.is_ok() {
            self.result = self.buffer.write_all(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.result.is_ok() {
            self.result = self.buffer.flush();
        }
        Ok(())
    }
}
