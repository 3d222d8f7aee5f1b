//! Test programs without a harness: their workers are they themselves again, so that
//! their own `main` must come first.

use std::process::ExitCode;

/// Runs this process as what it was started as: a worker, or what runs the tests.
pub fn main(tests: impl FnOnce(&Filter)) -> ExitCode {
    sandbox::make_files_private();
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(code) = sandbox::role(&arguments, || {}) {
        return code;
    }
    tests(&Filter::of(&arguments));
    ExitCode::SUCCESS
}

/// Which tests are to run, said as to any test program.
#[derive(Default)]
pub struct Filter {
    wanted: Vec<String>,
    skipped: Vec<String>,
}

impl Filter {
    /// Understands the arguments of a process, the first of which is its name.
    fn of(arguments: &[String]) -> Self {
        let mut filter = Self::default();
        let mut words = arguments.iter().skip(1).cloned();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--skip" => filter.skipped.extend(words.next()),
                "--test-threads" | "--format" | "--color" | "--logfile" => drop(words.next()),
                flag if flag.starts_with('-') => {}
                _ => filter.wanted.push(word),
            }
        }
        filter
    }

    /// Runs the test of this name, if it is wanted.
    #[expect(clippy::print_stdout, reason = "as the harness of the standard library does")]
    pub fn run(&self, name: &str, test: impl FnOnce()) {
        if self.wants(name) {
            test();
            println!("test {name} ... ok");
        }
    }

    fn wants(&self, name: &str) -> bool {
        let has = |part: &String| name.contains(part.as_str());
        (self.wanted.is_empty() || self.wanted.iter().any(has)) && !self.skipped.iter().any(has)
    }
}
