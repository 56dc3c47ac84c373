//! The paths of accounts.

use axum::routing::get;
use engine::definitions::Scope;

use super::{Doc, PAGE, Route, scope};
use crate::accounts;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "get",
        path: "/api/v1/accounts",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(accounts::list),
        doc: Doc {
            id: "list_accounts",
            tag: "accounts",
            summary: "The accounts that people belong to, in no order that means anything",
            query: PAGE,
            body: None,
            answer: (200, Some("AccountPage")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/accounts/{id}",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(accounts::read),
        doc: Doc {
            id: "get_account",
            tag: "accounts",
            summary: "What is known of an account, and how many of its members are in audiences that conditions ask about",
            query: &[],
            body: None,
            answer: (200, Some("Account")),
        },
    },
    Route {
        method: "get",
        path: "/api/v1/accounts/{id}/members",
        aliases: &[],
        access: scope(Scope::ProfilesRead),
        handler: || get(accounts::members),
        doc: Doc {
            id: "list_account_members",
            tag: "accounts",
            summary: "The people who belong to an account",
            query: PAGE,
            body: None,
            answer: (200, Some("AccountMemberPage")),
        },
    },
];
