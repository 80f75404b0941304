//! What `doctor` prints: what was found, and what may be concluded from it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::origin::{Content, Diagnosis, Outcome, Severity};

/// The diagnoses, one paragraph each. No token, no secret and no certificate is shown.
pub(super) fn report(diagnoses: &[Diagnosis]) -> String {
    let mut out = String::new();
    for diagnosis in diagnoses {
        let Diagnosis { domain, upstream, url, tried, .. } = diagnosis;
        let _ = writeln!(out, "{url} (upstream {upstream:?}, domain {domain})");
        for line in lines(diagnosis) {
            let _ = writeln!(out, "  {line}");
        }
        let _ = writeln!(out, "  requests with forged headers: {tried}\n");
    }
    if diagnoses.is_empty() {
        out.push_str("no domain has a route for POST with authenticate = \"client\": nothing can be tried\n");
    } else {
        let _ = writeln!(out, "{}", summary(diagnoses));
    }
    out
}

/// How many origins were judged in which way.
fn summary(diagnoses: &[Diagnosis]) -> String {
    let count = |severity| diagnoses.iter().filter(|diagnosis| diagnosis.severity() == severity).count();
    format!(
        "origins that believe forged headers: {}, that refuse them: {}, that cannot be judged: {}",
        count(Severity::Believes),
        count(Severity::Refuses),
        count(Severity::Unknown)
    )
}

/// The same for programs. docs/doctor.md documents its members.
pub(super) fn to_json(diagnoses: &[Diagnosis]) -> Value {
    let origin = |diagnosis: &Diagnosis| {
        let Diagnosis { domain, upstream, url, tried, plain, forged, edge } = diagnosis;
        let verdict = match diagnosis.severity() {
            Severity::Believes => "believes",
            Severity::Refuses if plain.is_err() => "closed",
            Severity::Refuses => "refuses",
            Severity::Unknown => "unknown",
        };
        let forged = forged.as_ref().map(|forged| {
            let answer = answer(&Ok(forged.answer.clone()));
            json!({ "profile": forged.profile, "client_id": forged.client_id, "answer": answer })
        });
        json!({
            "url": url,
            "upstream": upstream,
            "domain": domain,
            "verdict": verdict,
            "reason": (verdict == "unknown").then(|| unknown(diagnosis)),
            "forged_requests": tried,
            "plain": answer(plain),
            "forged": forged,
            "edge": answer(edge),
        })
    };
    json!({ "origins": diagnoses.iter().map(origin).collect::<Vec<_>>() })
}

fn answer(outcome: &Outcome) -> Value {
    match outcome {
        Ok(answer) => {
            let error = match &answer.content {
                Content::Error(code) => Some(code),
                Content::Token | Content::Other => None,
            };
            json!({ "status": answer.status.as_u16(), "token": answer.content == Content::Token, "error": error })
        }
        Err(why) => json!({ "failure": why }),
    }
}

fn lines(diagnosis: &Diagnosis) -> Vec<String> {
    let Diagnosis { plain, forged, edge, .. } = diagnosis;
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
    if let Some(forged) = forged {
        let (profile, client_id) = (&forged.profile, &forged.client_id);
        lines.push(format!(
            "with forged headers of the profile {profile}, as {client_id:?}: {}",
            forged.answer
        ));
    }
    lines.push(edge_line);
    if diagnosis.severity() == Severity::Believes {
        lines.push("let only the edge reach it: client_certificate under [[upstream]], a loopback address or a Unix socket; from this machine, a server that trusts the machine's address is expected to believe".to_owned());
    }
    lines
}

/// Why nothing can be concluded.
fn unknown(diagnosis: &Diagnosis) -> &'static str {
    match (&diagnosis.plain, &diagnosis.forged, &diagnosis.edge) {
        (Err(_), _, Err(_)) => "it answers nobody",
        (Ok(answer), ..) if answer.content == Content::Token => {
            "it gives a token to a client that nobody vouches for"
        }
        (_, Some(_), _) => "forged headers change its answer, but give no token",
        _ => {
            "it gives no token for what the edge sends either: try another --client-id, or check the server's registration"
        }
    }
}
