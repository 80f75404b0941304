//! The account at the CA: registered with the first order, and again if its directory changes.

use instant_acme::{Account, Error, ExternalAccountKey, NewAccount};

use super::{
    http::Http,
    plan::Plan,
    state::{State, StoredAccount},
};
use crate::{load::eab_key, text};

/// The account of the plan, registered if there is none yet.
pub(super) async fn account(plan: &Plan, state: &State, http: &Http) -> Result<Account, Error> {
    let directory = plan.directory();
    let builder = || Account::builder_with_http(Box::new(http.clone()));
    let contact: Vec<&str> = plan.acme.contact.iter().map(String::as_str).collect();
    if let Some(stored) = state.account().filter(|stored| stored.directory == directory) {
        let StoredAccount { contact: registered, credentials, .. } = stored;
        let is_new = registered != plan.acme.contact;
        let kept = serde_json::to_value(&credentials)?;
        match builder().from_credentials(credentials).await {
            // As good as none, like a file that cannot be read.
            Err(Error::KeyRejected) => tracing::warn!("the key of the account at the CA is damaged"),
            account => {
                let account = account?;
                if is_new {
                    account.update_contacts(&contact).await?;
                    let (contact, credentials) = (plan.acme.contact.clone(), serde_json::from_value(kept)?);
                    keep(state, &StoredAccount { directory, contact, credentials })?;
                }
                return Ok(account);
            }
        }
    }
    let external = match &plan.acme.external_account {
        None => None,
        Some(account) => {
            let key = eab_key(&account.key.value).map_err(|fault| Error::Other(fault.what.into()))?;
            Some(ExternalAccountKey::new(account.key_id.value.clone(), &key))
        }
    };
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) = builder().create(&new, directory.clone(), external.as_ref()).await?;
    keep(state, &StoredAccount { directory, contact: plan.acme.contact.clone(), credentials })?;
    tracing::info!(account = text::shown(&account.id()), "account registered at the CA");
    Ok(account)
}

fn keep(state: &State, account: &StoredAccount) -> Result<(), Error> {
    state
        .put_account(account)
        .map_err(|error| Error::Other(format!("cannot write the account: {error}").into()))
}
