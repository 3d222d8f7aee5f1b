//! What a test program without a harness is told: its workers are itself again, so
//! that its own `main` must come first.

/// Which tests are to run, said as to any test program.
#[derive(Default)]
pub struct Filter {
    wanted: Vec<String>,
    skipped: Vec<String>,
}

impl Filter {
    /// Understands the arguments of a process, the first of which is its name.
    pub fn of(arguments: &[String]) -> Self {
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

    /// Whether the test of this name is to run.
    pub fn wants(&self, name: &str) -> bool {
        let has = |part: &String| name.contains(part.as_str());
        (self.wanted.is_empty() || self.wanted.iter().any(has)) && !self.skipped.iter().any(has)
    }
}
