//! How a command fails: with exit code 1 when something went wrong, 2 when it was asked wrongly.

use std::process::ExitCode;

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was asked wrongly: nothing was done.
    Usage(String),
    /// It was asked rightly, and failed.
    Failed(anyhow::Error),
}

/// What a command ends with.
pub(crate) type Outcome = Result<(), Failure>;

impl Failure {
    /// A usage failure with a sentence that says what to write instead.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    /// The exit code that scripts see.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::from(1),
        }
    }

    /// The message, each cause on a line of its own.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Usage(message) => message.clone(),
            Self::Failed(error) => {
                let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
                causes.join("\n  because ")
            }
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_told_in_order() {
        let error = anyhow::anyhow!("disk full").context("writing the truth file");
        let failure = Failure::from(error);
        assert_eq!(failure.message(), "writing the truth file\n  because disk full");
        assert_eq!(failure.exit_code(), ExitCode::from(1));
        assert_eq!(Failure::usage("x").exit_code(), ExitCode::from(2));
    }
}
