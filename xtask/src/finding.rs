//! What is a finding, and how is it shown?

use std::fmt;

/// One breach of a rule: where it is, what is wrong, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The file, relative to the root of the repository.
    pub(crate) path: String,
    /// The line, counted from one; zero when the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) fault: String,
    /// What to do about it.
    pub(crate) advice: String,
}

impl Finding {
    /// A finding at a line of a file.
    pub(crate) fn at(
        path: &str,
        line: usize,
        fault: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self { path: path.to_owned(), line, fault: fault.into(), advice: advice.into() }
    }

    /// A finding about a file as a whole.
    pub(crate) fn in_file(path: &str, fault: impl Into<String>, advice: impl Into<String>) -> Self {
        Self::at(path, 0, fault, advice)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}; {}", self.path, self.fault, self.advice),
            line => write!(f, "{}:{line}: {}; {}", self.path, self.fault, self.advice),
        }
    }
}
