//! Holds native Python to the headers of `tests/programs`, or writes them.
//!
//! `cargo run --release --bin native-python -- PYTHON [--write] [NAME ...]`
//!
//! Each program runs with PYTHON in an empty directory that stands for the
//! workspace. A program whose header says `differs` must do something else
//! than the header expects of the sandbox.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for people: it prints, and stops at the first thing that fails"
)]

mod header;
mod native;

use std::process::ExitCode;

use native::Interpreter;
use tests::Program;

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let write = arguments.iter().any(|argument| argument == "--write");
    arguments.retain(|argument| argument != "--write");
    if arguments.is_empty() {
        println!("usage: native-python PYTHON [--write] [NAME ...]");
        return ExitCode::FAILURE;
    }
    let interpreter = Interpreter::new(&arguments.remove(0));
    let names = arguments;
    if write && names.is_empty() {
        println!("--write needs the names of programs");
        return ExitCode::FAILURE;
    }
    let mut programs = Program::all();
    for name in &names {
        assert!(programs.iter().any(|program| program.name == *name), "there is no program {name}");
    }
    programs.retain(|program| names.is_empty() || names.contains(&program.name));
    let mut wrong = 0;
    for program in &programs {
        let outcome = interpreter.run(program);
        if write {
            let path = Program::folder().join(&program.name);
            std::fs::write(path, header::written(&program.code, &outcome)).expect("a program can be written");
            println!("{}: written", program.name);
            continue;
        }
        let complaints = outcome.complaints(program);
        match &program.differs {
            Some(reason) if complaints.is_empty() => {
                println!("{}: native Python does the same, but the header says it differs: {reason}\n", program.name);
                wrong += 1;
            }
            Some(reason) => println!("{}: differs: {reason}", program.name),
            None if complaints.is_empty() => {}
            None => {
                println!("{}: native Python does something else: {}\n", program.name, complaints.join("\n"));
                wrong += 1;
            }
        }
    }
    println!("{} programs, {wrong} are wrong", programs.len());
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
