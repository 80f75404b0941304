//! `doctor`: sends forged headers straight to every origin, and reports which of them believes these, or needs none.

mod forged;
mod origin;
mod question;
mod report;

use std::{process::ExitCode, sync::Arc};

use tokio::{runtime::LocalOptions, sync::Semaphore};

use self::{
    forged::Forgery,
    origin::{Diagnosis, Surgery},
    question::{NotAsked, Question},
    report::{report, to_json},
};
use super::print;
use crate::{
    clock::Clock,
    config::{
        self, Input, Problem, Severity,
        settings::{Domain, Settings, Upstream},
    },
    forward::Pools,
    load::{Purpose, build},
    net::WriteBatcher,
    site::Site,
};

/// How many applications are tried, unless `--client-id` names them: each costs every origin two dozen requests.
const APPLICATIONS: usize = 3;
/// Connections that may be open at once.
const CONNECTIONS: usize = 32;

/// What was found out about the upstreams.
#[derive(Debug, Default)]
struct Findings {
    /// One for each origin of each domain that could be asked.
    diagnoses: Vec<Diagnosis>,
    not_asked: Vec<NotAsked>,
}

impl Findings {
    /// The worst severity. What was not asked is unknown.
    fn severity(&self) -> origin::Severity {
        let is_missing =
            self.diagnoses.is_empty() || self.not_asked.iter().any(|one| !one.is_asked_elsewhere);
        let least = if is_missing { origin::Severity::Unknown } else { origin::Severity::Refuses };
        self.diagnoses.iter().map(Diagnosis::severity).fold(least, Ord::max)
    }
}

/// Exits 1 if an origin believes forged headers, or gives tokens to anyone, 3 if none does but not every origin could be judged, else 0.
pub(super) fn doctor(config: &Input, client_ids: &[String], is_json: bool) -> ExitCode {
    let built = build(config, Purpose::Start, &Clock::System);
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
    let findings = match runtime {
        Ok(runtime) => {
            let findings = runtime.block_on(examine(settings, site, &forgeries));
            // The command must not wait for a resolver that does not answer.
            runtime.shutdown_background();
            findings
        }
        Err(error) => return print::failure(error),
    };
    let code = match findings.severity() {
        origin::Severity::Open | origin::Severity::Believes => ExitCode::from(1),
        origin::Severity::Unknown => ExitCode::from(3),
        origin::Severity::Refuses => ExitCode::SUCCESS,
    };
    if is_json {
        return print::result(format_args!("{:#}\n", to_json(&findings)), code);
    }
    print::result(report(&findings), code)
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

/// Examines each origin of each domain's upstream, and finds the upstreams that cannot be asked.
async fn examine(settings: &Settings, site: &Site, forgeries: &[Forgery]) -> Findings {
    let batcher = WriteBatcher::default();
    tokio::task::spawn_local(batcher.clone().run());
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    let pools = Pools::new(batcher, Arc::clone(&permits), permits);
    let mut findings = Findings::default();
    for (index, upstream) in settings.upstreams.iter().enumerate() {
        let mut domains = settings.domains.iter().filter(|domain| domain.upstream == index).peekable();
        if domains.peek().is_none() {
            let not_asked = NotAsked::new(upstream, None, "no domain uses it");
            findings.not_asked.push(not_asked.help("remove it, or name it as upstream of a [[domain]]"));
        }
        let mut not_asked = Vec::new();
        let asked_before = findings.diagnoses.len();
        for domain in domains {
            match surgery(&pools, (upstream, domain), site, forgeries) {
                Ok(surgery) => findings.diagnoses.extend(surgery.examine().await),
                Err(why) => not_asked.push(why),
            }
        }
        let is_asked_elsewhere = findings.diagnoses.len() > asked_before;
        findings.not_asked.extend(not_asked.into_iter().map(|one| NotAsked { is_asked_elsewhere, ..one }));
    }
    findings
}

/// How the upstream is examined for a domain.
fn surgery<'a>(
    pools: &'a Pools,
    (upstream, domain): (&Upstream, &Domain),
    site: &'a Site,
    forgeries: &'a [Forgery],
) -> Result<Surgery<'a>, NotAsked> {
    let not_asked = |why: String| NotAsked::new(upstream, Some(domain), why);
    let Some(built) = site.domains.get(domain.name.value.as_str()) else {
        let why = not_asked("it is not served until ACME has obtained its certificate".to_owned());
        return Err(why.help("start the edge, which orders it, and run doctor again"));
    };
    let question = Question::of(domain, &built.routes).map_err(|why| not_asked(why.to_owned()))?;
    Surgery::new(pools, built, question, forgeries)
        .map_err(|error| not_asked(format!("cannot set up TLS: {error}")))
}
