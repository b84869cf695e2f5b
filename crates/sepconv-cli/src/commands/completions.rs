use std::io::Write;

use clap_complete::Shell;

use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell to complete commands and options in.
    shell: Shell,
}

pub(crate) fn execute(args: &Args, mut program: clap::Command, out: &mut impl Write) -> Result<(), Failure> {
    // Writing to memory cannot fail; the generator panics where writing fails.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "sepconv", &mut script);
    Ok(out.write_all(&script)?)
}
