//! One line of the route table.

use axum::routing::{MethodFilter, MethodRouter};

use crate::app::App;
use crate::contract::Operation;
use crate::permission::Permission;

/// Who may call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, without a key.
    Open,
    /// Whoever sends the bootstrap token, which the route itself compares.
    Token,
    /// A key whose role includes this.
    Needs(Permission),
}

/// One endpoint.
#[derive(Clone, Copy, Debug)]
pub struct Route {
    /// Its method.
    pub method: &'static str,
    /// Its path, `{id}` for an id.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    /// What it takes and answers.
    pub(crate) operation: Operation,
    on: MethodFilter,
    handler: Handler,
}

/// Makes the router of one method, so that a line of the table names its method once.
type Handler = fn(MethodFilter) -> MethodRouter<App>;

impl Route {
    /// A reading endpoint.
    pub(super) const fn get(
        path: &'static str,
        permission: Permission,
        operation: Operation,
        handler: Handler,
    ) -> Self {
        let access = Access::Needs(permission);
        Self {
            method: "GET",
            path,
            access,
            operation,
            on: MethodFilter::GET,
            handler,
        }
    }

    /// A writing endpoint.
    pub(super) const fn post(
        path: &'static str,
        permission: Permission,
        operation: Operation,
        handler: Handler,
    ) -> Self {
        Self {
            method: "POST",
            on: MethodFilter::POST,
            ..Self::get(path, permission, operation, handler)
        }
    }

    /// An endpoint without a key; its path must be among [`super::OPEN`].
    pub(super) const fn open(path: &'static str, operation: Operation, handler: Handler) -> Self {
        Self {
            access: Access::Open,
            ..Self::get(path, Permission::ContractRead, operation, handler)
        }
    }

    /// The door of the first admin: [`super::BOOTSTRAP`] and no other path.
    pub(super) const fn by_token(
        path: &'static str,
        operation: Operation,
        handler: Handler,
    ) -> Self {
        Self {
            access: Access::Token,
            ..Self::post(path, Permission::ContractRead, operation, handler)
        }
    }

    /// What the operation does, in one sentence.
    #[must_use]
    pub const fn summary(&self) -> &'static str {
        self.operation.summary()
    }

    pub(super) fn method_router(&self) -> MethodRouter<App> {
        (self.handler)(self.on)
    }
}
