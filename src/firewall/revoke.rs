//! The end of living grants by the owner's word.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;

use super::Firewall;
use super::batch::Batch;
use super::element::Element;
use super::error::{FirewallError, Unrevoked};
use super::living::Life;
use super::socket::Refusal;
use super::sync::CHUNK;

/// A grant that was ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ended {
    pub(super) element: Element,
    /// The stanza that had granted it.
    pub(super) access: Arc<str>,
}

impl Ended {
    /// Whether a request for this stanza and this source means it.
    pub(super) fn is_meant(&self, access: Option<&str>, source: Option<IpAddr>) -> bool {
        is_meant(&self.element, &self.access, access, source)
    }
}

fn is_meant(element: &Element, of: &str, access: Option<&str>, source: Option<IpAddr>) -> bool {
    access.is_none_or(|access| of == access)
        && source.is_none_or(|source| (element.first..=element.last).contains(&source))
}

impl Firewall {
    /// Deletes the living elements of a stanza, of a source, or of a source in a stanza; all of them without either.
    /// How many ended. `now` is `CLOCK_BOOTTIME`.
    ///
    /// A range that holds the source ends as a whole, and so does an element to which somebody gave no timeout. What
    /// expires meanwhile is no error. Connections that are already established live on.
    ///
    /// # Errors
    /// Why the kernel could not be asked or refused; what was not deleted by then lives on, and can be tried again.
    pub fn revoke(&mut self, access: Option<&str>, source: Option<IpAddr>, now: Duration) -> Result<usize, Unrevoked> {
        let (ended, error) = self.end(access, source, now)?;
        error.map_or(Ok(ended.len()), |error| Err(Unrevoked { elements: ended.len(), error }))
    }

    /// Deletes living elements, and says which, and what kept others from being deleted.
    pub(super) fn end(
        &mut self,
        access: Option<&str>,
        source: Option<IpAddr>,
        now: Duration,
    ) -> Result<(Vec<Ended>, Option<FirewallError>), FirewallError> {
        self.drain(now);
        // Somebody may have put elements of his own into our sets.
        self.adopt(now)?;
        let wanted = |element: &Element, life: &Life| {
            !element.set.is_cut() && life.expiry > now && is_meant(element, &life.access, access, source)
        };
        let wanted = self.living.iter().filter(|(element, life)| wanted(element, life));
        let mut ended: Vec<Ended> =
            wanted.map(|(element, life)| Ended { element: *element, access: Arc::clone(&life.access) }).collect();
        let elements: Vec<Element> = ended.iter().map(|ended| ended.element).collect();
        let error = elements.chunks(CHUNK).find_map(|chunk| self.delete(chunk).err());
        if error.is_some() {
            ended.retain(|ended| !self.living.contains(&ended.element));
        }
        Ok((ended, error))
    }

    /// Deletes these elements, and forgets those that are gone.
    fn delete(&mut self, elements: &[Element]) -> Result<(), FirewallError> {
        match self.try_delete(elements) {
            Ok(()) => {
                for element in elements {
                    self.living.forget(element);
                }
                Ok(())
            }
            // One that has expired keeps the others, until each is deleted for itself.
            Err(Refusal { errno: Errno::NOENT, .. }) => {
                for element in elements {
                    match self.try_delete(std::slice::from_ref(element)) {
                        Ok(()) | Err(Refusal { errno: Errno::NOENT, .. }) => self.living.forget(element),
                        Err(refusal) => return Err(self.explain(refusal)),
                    };
                }
                Ok(())
            }
            Err(refusal) => Err(self.explain(refusal)),
        }
    }

    fn try_delete(&mut self, elements: &[Element]) -> Result<(), Refusal> {
        let table = self.table();
        self.requests.commit_again(|sequence| {
            let mut batch = Batch::new(table, sequence);
            elements.iter().for_each(|element| batch.delete_element(element));
            batch
        })
    }
}
