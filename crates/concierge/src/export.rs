//! `concierge export`: tables for analysis, and definitions as files that `apply` takes back.

use crate::{cli::ClientFlags, failure::Outcome, settings::Settings, target::Target};

pub(crate) mod definitions;
mod rows;

const EXAMPLES: &str = "\
Examples:
  concierge export events --purpose analytics --format parquet --to events.parquet
  concierge export profiles --purpose marketing --format csv > people.csv
  concierge export memberships --purpose personalization --audience vip
  concierge export definitions --to definitions/        (`concierge apply -f definitions/` takes them back)

Whoever does not grant the purpose is left out, and so is what was collected without it; both are counted. Exports of people \
need a token with the scope `export`, definitions one with `definitions:read`.";

/// Arguments of `concierge export`.
#[derive(clap::Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) flags: ClientFlags,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand, Debug)]
enum What {
    /// People with their identifiers and traits
    Profiles(rows::RowsArgs),
    /// Events
    Events(rows::TimedArgs),
    /// Who is in which audience now
    Memberships(rows::MembershipsArgs),
    /// What people said about purposes, refusals included
    Consents(rows::RowsArgs),
    /// What was decided
    Decisions(rows::TimedArgs),
    /// Accounts (companies, groups) with their traits
    Accounts(rows::RowsArgs),
    /// Who belongs to which account
    #[command(name = "account_members")]
    AccountMembers(rows::RowsArgs),
    /// Definitions, one file each
    Definitions(definitions::DefinitionsArgs),
}

/// Exports.
pub(crate) fn run(settings: &Settings, args: &ExportArgs) -> Outcome {
    let export = match &args.what {
        What::Profiles(args) => rows::Export::of(&lake::table::PROFILES, args),
        What::Consents(args) => rows::Export::of(&lake::table::CONSENTS, args),
        What::Events(args) => args.of(&lake::table::EVENTS),
        What::Decisions(args) => args.of(&lake::table::DECISIONS),
        What::Accounts(args) => rows::Export::of(&lake::table::ACCOUNTS, args),
        What::AccountMembers(args) => rows::Export::of(&lake::table::ACCOUNT_MEMBERS, args),
        What::Memberships(args) => args.of(&lake::table::MEMBERSHIPS),
        What::Definitions(to) => {
            let target = Target::open(settings, &args.flags)?;
            let written = definitions::write(target.client(), to);
            target.close()?;
            return Ok(written?);
        }
    };
    let destination = export.destination()?;
    let target = Target::open(settings, &args.flags)?;
    let written = export.write(target.client(), destination);
    target.close()?;
    Ok(written?)
}
