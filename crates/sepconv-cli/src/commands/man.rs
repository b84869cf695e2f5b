use std::io::Write;

use clap_mangen::Man;
use sepconv::Error;

use crate::failure::Failure;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The command whose page is printed; default: the page of the program.
    command: Option<String>,
}

pub(crate) fn execute(args: &Args, mut program: clap::Command, out: &mut impl Write) -> Result<(), Failure> {
    // Gives each command its full name, `sepconv bench`, and the options of all.
    program.build();
    let page = match &args.command {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => command.clone().display_name(format!("sepconv-{name}")),
            None => {
                let names: Vec<_> = program.get_subcommands().map(clap::Command::get_name).collect();
                return Err(Error::argument(format!("no command is called `{name}`"))
                    .help(format!("the commands are {}", names.join(", ")))
                    .into());
            }
        },
    };
    Ok(Man::new(page).render(out)?)
}
