//! Which words does the API know? The closed lists of its parameters.

/// What a service's numbers are chosen by, besides being free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GeoMatch {
    AreaCode,
    ExtendedAreaCode,
    Overlay,
    Radius,
    #[default]
    Country,
}

impl GeoMatch {
    const ALL: [Self; 5] =
        [Self::AreaCode, Self::ExtendedAreaCode, Self::Overlay, Self::Radius, Self::Country];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::AreaCode => "area-code",
            Self::ExtendedAreaCode => "extended-area-code",
            Self::Overlay => "overlay",
            Self::Radius => "radius",
            Self::Country => "country",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.word() == word)
    }
}

/// Whether an identifier gets the number back that it had before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Selection {
    #[default]
    PreferSticky,
    AvoidSticky,
}

impl Selection {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::PreferSticky => "prefer-sticky",
            Self::AvoidSticky => "avoid-sticky",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        [Self::PreferSticky, Self::AvoidSticky].into_iter().find(|value| value.word() == word)
    }
}

/// What a session carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    MessageOnly,
    VoiceOnly,
    #[default]
    VoiceAndMessage,
}

impl Mode {
    const ALL: [Self; 3] = [Self::MessageOnly, Self::VoiceOnly, Self::VoiceAndMessage];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::MessageOnly => "message-only",
            Self::VoiceOnly => "voice-only",
            Self::VoiceAndMessage => "voice-and-message",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.word() == word)
    }
}

/// Where a session stands. Nothing here fails, and nothing is unknown: no session has the last
/// two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    #[default]
    Open,
    InProgress,
    Closed,
    Failed,
    Unknown,
}

impl Status {
    const ALL: [Self; 5] =
        [Self::Open, Self::InProgress, Self::Closed, Self::Failed, Self::Unknown];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InProgress => "in-progress",
            Self::Closed => "closed",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }

    pub(super) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|value| value.word() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::GeoMatch;
    use super::Mode;
    use super::Selection;
    use super::Status;

    #[test]
    fn reads_back_every_word_it_writes_and_no_other() {
        assert!(
            GeoMatch::ALL.iter().all(|value| GeoMatch::parse(value.word()) == Some(*value))
        );
        assert!(Mode::ALL.iter().all(|value| Mode::parse(value.word()) == Some(*value)));
        assert!(Status::ALL.iter().all(|value| Status::parse(value.word()) == Some(*value)));
        assert_eq!(Selection::parse("avoid-sticky"), Some(Selection::AvoidSticky));
        assert_eq!(Selection::parse("Avoid-Sticky"), None);
    }
}
