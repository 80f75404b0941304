//! What `doctor` prints: what was found, and what may be concluded from it.

use std::{collections::HashSet, fmt::Write as _};

use serde_json::{Value, json};

use super::{
    Findings,
    origin::{Diagnosis, Severity},
    question::{Content, NotAsked, Outcome},
};

/// The diagnoses, one paragraph each, and what was not asked. No token, no secret and no certificate is shown.
pub(super) fn report(findings: &Findings) -> String {
    let mut out = String::new();
    for diagnosis in &findings.diagnoses {
        let Diagnosis { domain, upstream, url, asked, tried, .. } = diagnosis;
        let _ = writeln!(out, "{url} (upstream {upstream:?}, domain {domain}, {asked})");
        for line in lines(diagnosis) {
            let _ = writeln!(out, "  {line}");
        }
        let unanswered = match tried.unanswered {
            0 => String::new(),
            some => format!(", of which {some} got no answer"),
        };
        let _ = writeln!(out, "  requests with forged headers: {}{unanswered}\n", tried.sent);
    }
    for NotAsked { upstream, urls, domain, why, help, is_asked_elsewhere } in &findings.not_asked {
        let domain = domain.as_ref().map_or_else(String::new, |domain| format!(", domain {domain}"));
        let elsewhere =
            if *is_asked_elsewhere { "; its origins were examined for another domain" } else { "" };
        let _ = writeln!(
            out,
            "not asked: {} (upstream {upstream:?}{domain}): {why}{elsewhere}; {help}\n",
            urls.join(", ")
        );
    }
    let _ = writeln!(out, "{}", summary(findings));
    out
}

/// How many origins were judged in which way.
fn summary(findings: &Findings) -> String {
    let count =
        |severity| findings.diagnoses.iter().filter(|diagnosis| diagnosis.severity() == severity).count();
    let missing = findings.not_asked.iter().filter(|one| !one.is_asked_elsewhere);
    let missing: HashSet<_> =
        missing.flat_map(|one| one.urls.iter().map(move |url| (&one.upstream, url))).collect();
    format!(
        "origins that give tokens to anyone: {}, that believe forged headers: {}, that refuse them: {}, that cannot be judged: {}, that were not asked: {}",
        count(Severity::Open),
        count(Severity::Believes),
        count(Severity::Refuses),
        count(Severity::Unknown),
        missing.len()
    )
}

/// The same for programs. docs/doctor.md documents its members.
pub(super) fn to_json(findings: &Findings) -> Value {
    let origin = |diagnosis: &Diagnosis| {
        let Diagnosis { domain, upstream, url, asked, tried, plain, edge, gives: _ } = diagnosis;
        let verdict = match diagnosis.severity() {
            Severity::Open => "open",
            Severity::Believes => "believes",
            Severity::Refuses if plain.is_err() => "closed",
            Severity::Refuses => "refuses",
            Severity::Unknown => "unknown",
        };
        let forged = tried.forged.as_ref().map(|forged| {
            let answer = answer(&Ok(forged.answer.clone()));
            json!({ "profile": forged.profile, "client_id": forged.client_id, "answer": answer })
        });
        json!({
            "url": url,
            "upstream": upstream,
            "domain": domain,
            "asked": asked,
            "verdict": verdict,
            "reason": (verdict == "unknown").then(|| unknown(diagnosis)),
            "forged_requests": tried.sent,
            "unanswered": tried.unanswered,
            "plain": answer(plain),
            "forged": forged,
            "edge": answer(edge),
        })
    };
    let not_asked = |one: &NotAsked| {
        let NotAsked { upstream, urls, domain, why, help, is_asked_elsewhere } = one;
        json!({
            "upstream": upstream,
            "urls": urls,
            "domain": domain,
            "reason": why,
            "help": help,
            "asked_elsewhere": is_asked_elsewhere,
        })
    };
    json!({
        "origins": findings.diagnoses.iter().map(origin).collect::<Vec<_>>(),
        "not_asked": findings.not_asked.iter().map(not_asked).collect::<Vec<_>>(),
    })
}

fn answer(outcome: &Outcome) -> Value {
    match outcome {
        Ok(answer) => {
            let error = match &answer.content {
                Content::Error(code) => Some(code),
                Content::Token | Content::Success | Content::Other => None,
            };
            json!({
                "status": answer.status.as_u16(),
                "success": answer.is_success(),
                "token": answer.content == Content::Token,
                "error": error,
            })
        }
        Err(why) => json!({ "failure": why }),
    }
}

fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    let Diagnosis { plain, tried, edge, .. } = diagnosis;
    let edge_line = match edge {
        Ok(answer) => format!("as the edge sends it: {answer}"),
        Err(why) => format!("as the edge sends it: no answer: {why}"),
    };
    let plain_line = match plain {
        Ok(answer) => format!("without headers: {answer}"),
        Err(why) => format!("from anyone but the edge: no answer: {why}"),
    };
    let mut lines = Vec::new();
    match diagnosis.severity() {
        Severity::Open => {
            lines.push(
                "GIVES TOKENS TO ANYONE: a request that names an application gets an access token without any credential"
                    .to_owned(),
            );
        }
        Severity::Believes => {
            lines.push(
                "BELIEVES FORGED HEADERS: anyone who reaches this address can impersonate any application"
                    .to_owned(),
            );
        }
        Severity::Refuses if plain.is_err() => {
            lines.push("closed: only the edge, with its certificate, gets an answer".to_owned());
        }
        Severity::Refuses => {
            lines.push("refuses forged headers: they change nothing unless the edge sends them".to_owned());
        }
        Severity::Unknown => lines.push(format!("cannot tell: {}", unknown(diagnosis))),
    }
    lines.push(plain_line);
    if let Some(forged) = &tried.forged {
        let (profile, client_id) = (&forged.profile, &forged.client_id);
        lines.push(format!(
            "with forged headers of the profile {profile}, as {client_id:?}: {}",
            forged.answer
        ));
    }
    lines.push(edge_line);
    if diagnosis.severity() == Severity::Open {
        lines.push(
            "register the application at the server with its authentication method, not as a public client"
                .to_owned(),
        );
    }
    if matches!(diagnosis.severity(), Severity::Open | Severity::Believes) {
        lines.push("let only the edge reach it: client_certificate under [[upstream]], a loopback address or a Unix socket; from this machine, a server that trusts the machine's address is expected to believe".to_owned());
    }
    lines
}

/// Why nothing can be concluded.
fn unknown(diagnosis: &Diagnosis) -> String {
    let Diagnosis { gives, tried, .. } = diagnosis;
    match (&diagnosis.plain, &tried.forged, &diagnosis.edge) {
        (Err(_), _, Err(_)) => "it answers nobody".to_owned(),
        (Ok(answer), ..) if answer.is_success() => {
            format!("it gives a {gives} to a client that nobody vouches for, as a public page does")
        }
        (_, Some(_), _) => format!("forged headers change its answer, but give no {gives}"),
        (_, None, Ok(edge)) if edge.is_success() => {
            let why = tried.failure.as_deref().unwrap_or_default();
            format!("it did not answer every request with forged headers: {why}")
        }
        _ => format!(
            "it gives no {gives} for what the edge sends either: try another --client-id, or check the server's registration"
        ),
    }
}
