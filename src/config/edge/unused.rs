//! Warnings about tables that nothing refers to.

use super::Roots;
use crate::config::{diagnostic::Problem, settings::Domain, span::Spanned, suggest::quote};

/// Reports each upstream that no domain uses: most often, the key that should name it is missing.
pub(super) fn report(roots: &Roots<'_>, domains: &[Domain], upstreams: &[Option<Spanned<String>>]) {
    // What is reported already may be the reason.
    if roots.has_errors() {
        return;
    }
    for (index, name) in upstreams.iter().enumerate() {
        let Some(name) = name.as_ref().filter(|_| !domains.iter().any(|domain| domain.upstream == index))
        else {
            continue;
        };
        let written = quote(&name.value);
        let what =
            format!("no [[domain]] uses {written}: no request is sent to it, and /status does not list it");
        let help = format!("write upstream = {written} in a [[domain]], or remove this [[upstream]]");
        roots.main.reader.report(Problem::warning(&name.span, "upstream.name", what).help(help));
    }
}
