//! The command line of spa-knockd.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
