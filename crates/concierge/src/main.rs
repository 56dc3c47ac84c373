#![doc = include_str!("../README.md")]

mod allocator;
#[cfg(feature = "query")]
mod analytics;
mod apply;
mod audience;
mod backtest;
mod backup;
mod cli;
mod client;
mod decide;
mod demo;
mod diff;
mod doctor;
mod explain;
mod export;
mod failure;
mod host;
mod import;
mod lake_files;
mod linkage;
mod profile;
mod proxy;
mod query;
mod restore;
mod results;
mod rows;
mod screen;
mod serve;
mod settings;
mod simulate;
mod target;
mod weather;
mod whole;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::run()
}
