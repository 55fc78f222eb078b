//! Which of the upstream's addresses can a link still begin with? They are sorted, so that those
//! with one beginning stand side by side.

/// The addresses that begin with what was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Candidates {
    from: usize,
    to: usize,
    read: usize,
}

impl Candidates {
    /// All of them; nothing was read.
    pub(super) const fn of(addresses: &[String]) -> Self {
        Self { from: 0, to: addresses.len(), read: 0 }
    }

    /// Those that go on with `character`, whatever its case; none where there are none.
    pub(super) fn narrowed(self, addresses: &[String], character: u8) -> Option<Self> {
        let next = Some(character.to_ascii_lowercase());
        let at = |address: &String| address.as_bytes().get(self.read).copied();
        let left = addresses.get(self.from..self.to)?;
        // A shorter address has nothing there, which is less than anything.
        let less = left.partition_point(|address| at(address) < next);
        let not_more = left.partition_point(|address| at(address) <= next);
        let from = self.from.saturating_add(less);
        let to = self.from.saturating_add(not_more);
        (less < not_more).then(|| Self { from, to, read: self.read.saturating_add(1) })
    }

    /// Whether what was read is an address as a whole.
    pub(super) fn has_whole(self, addresses: &[String]) -> bool {
        addresses.get(self.from).is_some_and(|shortest| shortest.len() == self.read)
    }
}
