//! How common servers read a request. Each model errs on the side of reading too much: it reads each client that some version, option
//! or library of its kind would read.

mod aspnet;
mod basic;
mod escapes;
mod go;
mod json;
mod node;
mod php;
mod python;
mod rack;
mod servlet;

use super::raw_request::{Clients, RawRequest};

/// A server, and the clients that it reads from a request.
pub type Model = (&'static str, fn(&RawRequest) -> Clients);

/// All models.
pub const MODELS: &[Model] = &[
    ("Spring (servlet)", servlet::spring),
    ("RESTEasy", servlet::resteasy),
    ("Node, URLSearchParams", node::url_search_params),
    ("Node, qs (Express, koa-body)", node::qs),
    ("Go", go::read),
    ("ASP.NET", aspnet::read),
    ("Rack 2", rack::read),
    ("Django", python::django),
    ("Python before 3.9.2", python::semicolons),
    ("PHP, Laravel", php::read),
];

/// The clients that each server reads; servers that read none are left out.
pub fn readings(request: &RawRequest) -> Vec<(&'static str, Clients)> {
    let all = MODELS.iter().map(|(name, read)| (*name, read(request)));
    all.filter(|(_, clients)| !clients.is_empty()).collect()
}

pub use python::parse_qs;
