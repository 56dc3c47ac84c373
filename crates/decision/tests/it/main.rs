//! Decisions from the outside: the language-neutral cases, and properties over many units.

#[cfg(test)]
mod adaptive;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod explanation;
#[cfg(test)]
mod person;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod spec_assignment;
#[cfg(test)]
mod spec_decisions;
#[cfg(test)]
mod spec_hashing;
