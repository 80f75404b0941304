//! `doctor`: sends forged headers straight to every origin, and reports which of them believes these.

mod forged;
mod origin;
mod report;

use std::{process::ExitCode, sync::Arc};

use tokio::{runtime::LocalOptions, sync::Semaphore};

use self::{
    forged::Forgery,
    origin::{Diagnosis, Surgery},
    report::{report, to_json},
};
use super::print;
use crate::{
    clock::Clock,
    config::{self, Input, Problem, Severity, settings::Settings},
    forward::Pools,
    load::build,
    net::WriteBatcher,
    site::{Authenticate, PathPattern, Site},
};

/// How many applications are tried, unless `--client-id` names them: each costs every origin two dozen requests.
const APPLICATIONS: usize = 3;
/// Connections that may be open at once.
const CONNECTIONS: usize = 32;

/// Exits 1 if an origin believes forged headers, 3 if none does but not every origin could be judged, else 0.
pub(super) fn doctor(config: &Input, client_ids: &[String], is_json: bool) -> ExitCode {
    let built = build(config, None, &Clock::System);
    let Some((settings, site)) = &built.site else {
        print::problems(&built.problems);
        return ExitCode::FAILURE;
    };
    let is_error = |problem: &Problem| problem.severity == Severity::Error;
    let errors: Vec<_> = built.problems.into_iter().filter(is_error).collect();
    if !errors.is_empty() {
        print::problems(&errors);
    }
    let forgeries = match forgeries(settings, client_ids) {
        Ok(forgeries) => forgeries,
        Err(why) => return print::failure(why),
    };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default());
    let diagnoses = match runtime {
        Ok(runtime) => {
            let diagnoses = runtime.block_on(diagnoses(settings, site, &forgeries));
            // The command must not wait for a resolver that does not answer.
            runtime.shutdown_background();
            diagnoses
        }
        Err(error) => return print::failure(error),
    };
    let code = match diagnoses.iter().map(Diagnosis::severity).max() {
        Some(origin::Severity::Believes) => ExitCode::from(1),
        Some(origin::Severity::Unknown) | None => ExitCode::from(3),
        Some(origin::Severity::Refuses) => ExitCode::SUCCESS,
    };
    if is_json {
        return print::result(format_args!("{:#}\n", to_json(&diagnoses)), code);
    }
    print::result(report(&diagnoses), code)
}

/// What each application's certificate would be vouched for with.
fn forgeries(settings: &Settings, client_ids: &[String]) -> Result<Vec<Forgery>, String> {
    let file = &settings.trust.applications;
    let mut found = Vec::new();
    // Its problems were reported by the build.
    let _ = config::applications(file, config::file::of_registry(&file.value), |application| {
        let is_named = client_ids.contains(&application.client_id.value);
        if is_named || (client_ids.is_empty() && found.len() < APPLICATIONS) {
            found.extend(Forgery::of(&application));
        }
    });
    if let Some(missing) = client_ids.iter().find(|id| !found.iter().any(|forgery| forgery.client_id == **id))
    {
        return Err(format!(
            "{missing:?} is not an application in {} that authenticates with a certificate",
            file.value.display()
        ));
    }
    if found.is_empty() {
        return Err(format!(
            "{} has no application that authenticates with a certificate: there is nothing to forge",
            file.value.display()
        ));
    }
    Ok(found)
}

/// Examines each origin of each domain's upstream.
async fn diagnoses(settings: &Settings, site: &Site, forgeries: &[Forgery]) -> Vec<Diagnosis> {
    let batcher = WriteBatcher::default();
    tokio::task::spawn_local(batcher.clone().run());
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let pools = Pools::new(batcher, Arc::clone(&permits), permits);
    let mut diagnoses = Vec::new();
    for domain in settings.domains.iter().filter_map(|domain| {
        let path = domain.routes.iter().map(|route| &route.spec).find_map(|spec| match &spec.path {
            PathPattern::Exact(path)
                if spec.authenticate == Authenticate::Client
                    && spec.methods.contains(&http::Method::POST) =>
            {
                Some(path)
            }
            _ => None,
        })?;
        Some((site.domains.get(domain.name.value.as_str())?, path))
    }) {
        let (domain, path) = domain;
        match Surgery::new(&pools, domain, path, forgeries) {
            Ok(surgery) => diagnoses.extend(surgery.examine().await),
            Err(why) => print::err(format_args!("warning: {}: {why}\n", domain.name)),
        }
    }
    diagnoses
}
