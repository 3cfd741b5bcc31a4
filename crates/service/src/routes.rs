//! Routes of which each names the role that it needs.
//!
//! [`Routes`] stands in front of axum's router: a handler is added together with its [`Role`], and what was declared can
//! be read as data. Nothing is enforced here; the guard of a service reads the declarations.

use std::convert::Infallible;
use std::fmt;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{self, MethodRouter, Route};
use shadowline_api::Role;
use tower::{Layer, Service};

/// A route, or a method of gRPC, and the role that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Declared {
    /// The path, with `{name}` for a parameter.
    pub path: &'static str,
    /// The HTTP method, `POST` for every method of gRPC. Who may `GET` may also `HEAD`.
    pub method: &'static str,
    /// What a caller must be allowed to do.
    pub role: Role,
}

impl fmt::Display for Declared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} needs {}", self.method, self.path, self.role)
    }
}

/// Routes whose handlers share a state, each with the role that it needs.
#[derive(Debug)]
#[must_use]
pub struct Routes<S = ()> {
    router: Router<S>,
    declared: Vec<Declared>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Starts with no routes.
    pub fn new() -> Self {
        Self { router: Router::new(), declared: Vec::new() }
    }

    /// Adds a handler for `GET`.
    ///
    /// # Panics
    /// As every method that adds a handler: if the path has one for the method already.
    pub fn get<H: Handler<T, S>, T: 'static>(
        self,
        role: Role,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.route("GET", role, path, routing::get(handler))
    }

    /// Adds a handler for `POST`.
    ///
    /// A path may end with a verb behind a parameter, as in `/v1/models/{name}:predict`. It is routed by the parameter,
    /// because axum knows none with text behind it, and its handler has to look for the verb.
    pub fn post<H: Handler<T, S>, T: 'static>(
        self,
        role: Role,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.route("POST", role, path, routing::post(handler))
    }

    /// Adds a handler for `PUT`.
    pub fn put<H: Handler<T, S>, T: 'static>(
        self,
        role: Role,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.route("PUT", role, path, routing::put(handler))
    }

    /// Adds a handler for `PATCH`.
    pub fn patch<H: Handler<T, S>, T: 'static>(
        self,
        role: Role,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.route("PATCH", role, path, routing::patch(handler))
    }

    /// Adds a handler for `DELETE`.
    pub fn delete<H: Handler<T, S>, T: 'static>(
        self,
        role: Role,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.route("DELETE", role, path, routing::delete(handler))
    }

    fn route(
        mut self,
        method: &'static str,
        role: Role,
        path: &'static str,
        handler: MethodRouter<S>,
    ) -> Self {
        self.declared.push(Declared { path, method, role });
        self.router = self.router.route(without_verb(path), handler);
        self
    }

    /// Adds the routes of another.
    pub fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.declared.extend(other.declared);
        self
    }

    /// Puts a layer around the routes added so far, as [`Router::layer`].
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.layer(layer);
        self
    }

    /// Puts a layer around the routes added so far that runs only where one matches, as [`Router::route_layer`].
    pub fn route_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        self.router = self.router.route_layer(layer);
        self
    }

    /// Gives the handlers their state.
    pub fn with_state<S2: Clone + Send + Sync + 'static>(self, state: S) -> Routes<S2> {
        Routes { router: self.router.with_state(state), declared: self.declared }
    }

    /// Returns what was declared, and drops the handlers.
    pub fn into_declared(self) -> Vec<Declared> {
        self.declared
    }

    pub(crate) fn into_parts(self) -> (Router<S>, Vec<Declared>) {
        (self.router, self.declared)
    }
}

/// The path that a router knows: `/v1/models/{name}` of `/v1/models/{name}:predict`.
pub(crate) fn without_verb(path: &'static str) -> &'static str {
    match path.rfind("}:") {
        Some(end) => &path[..=end],
        None => path,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn a_path_with_a_verb_is_declared_as_written_and_routed_by_its_parameter() {
        let routes = Routes::<()>::new()
            .post(Role::Predict, "/v1/models/{name}:predict", async || "asked")
            .get(Role::Read, "/v1/models/{name}", async || "shown");
        let (router, declared) = routes.into_parts();
        let declared: Vec<String> = declared.iter().map(Declared::to_string).collect();
        let expected =
            ["POST /v1/models/{name}:predict needs predict", "GET /v1/models/{name} needs read"];
        assert_eq!(declared, expected);
        for (method, path) in [("POST", "/v1/models/a:predict"), ("GET", "/v1/models/a")] {
            let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{method} {path}");
        }
    }
}
