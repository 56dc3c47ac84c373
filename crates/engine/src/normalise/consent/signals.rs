//! Which signals from outside speak about which purpose.

use std::collections::HashMap;

use model::{Purpose, PurposeSet, consent::PurposeKey};
use rustc_hash::FxBuildHasher;
use serde::{Deserialize, Serialize};

/// The types of Google's consent mode, version 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoogleType {
    /// Cookies for advertising.
    AdStorage,
    /// Sending data about people for advertising.
    AdUserData,
    /// Advertising chosen for the person.
    AdPersonalization,
    /// Cookies for measurement.
    AnalyticsStorage,
    /// Cookies for functions such as the language.
    FunctionalityStorage,
    /// Cookies for recommendations and other personalization.
    PersonalizationStorage,
    /// Cookies for security.
    SecurityStorage,
}

impl GoogleType {
    /// The name it is sent under.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AdStorage => "ad_storage",
            Self::AdUserData => "ad_user_data",
            Self::AdPersonalization => "ad_personalization",
            Self::AnalyticsStorage => "analytics_storage",
            Self::FunctionalityStorage => "functionality_storage",
            Self::PersonalizationStorage => "personalization_storage",
            Self::SecurityStorage => "security_storage",
        }
    }
}

/// What speaks about a purpose, beside its own key as a category.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PurposeSignals {
    /// Categories of a consent dialogue that stand for it, in any case: `C0002`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
    /// Types of Google's consent mode. All of them must be granted; one that is denied denies it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub google: Vec<GoogleType>,
    /// Purposes of the IAB's framework, 1 to 24. All of them must be consented to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tcf: Vec<u8>,
    /// Whether Global Privacy Control denies it.
    pub gpc: bool,
    /// Whether Do Not Track denies it.
    pub dnt: bool,
}

impl PurposeSignals {
    /// What speaks about a built-in purpose unless the workspace says otherwise; nothing about others.
    ///
    /// Messages are agreed to with the sender, so no signal of a browser speaks about marketing.
    pub fn built_in(purpose: Purpose) -> Self {
        use GoogleType::{
            AdPersonalization, AdStorage, AdUserData, AnalyticsStorage, PersonalizationStorage,
        };
        let of = |google: &[GoogleType], tcf: &[u8]| Self {
            google: google.to_vec(),
            tcf: tcf.to_vec(),
            ..Self::default()
        };
        match purpose {
            // 1: to store and read on the device; 5, 6: profiles for content; 8: measuring content.
            Purpose::PERSONALIZATION => of(&[PersonalizationStorage], &[1, 5, 6]),
            Purpose::ANALYTICS => of(&[AnalyticsStorage], &[1, 8]),
            // 2: choosing advertising; 3, 4: profiles for it.
            Purpose::ADVERTISING => Self {
                gpc: true,
                dnt: true,
                ..of(&[AdStorage, AdUserData, AdPersonalization], &[1, 2, 3, 4])
            },
            _ => Self::default(),
        }
    }
}

/// The signals of all purposes of a workspace, ready to be asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConsentSignals {
    /// By category in lower case.
    categories: HashMap<String, PurposeSet, FxBuildHasher>,
    google: Vec<(Purpose, Vec<GoogleType>)>,
    tcf: Vec<(Purpose, Vec<u8>)>,
    gpc: PurposeSet,
    dnt: PurposeSet,
}

impl ConsentSignals {
    /// The signals of these purposes.
    pub fn of<'a>(
        purposes: impl IntoIterator<Item = (Purpose, &'a PurposeKey, PurposeSignals)>,
    ) -> Self {
        let mut signals = Self::default();
        for (purpose, key, PurposeSignals { categories, google, tcf, gpc, dnt }) in purposes {
            let own = std::iter::once(key.to_string());
            for category in own.chain(categories) {
                let known = signals.categories.entry(category.to_lowercase()).or_default();
                *known = known.with(purpose);
            }
            if !google.is_empty() {
                signals.google.push((purpose, google));
            }
            if !tcf.is_empty() {
                signals.tcf.push((purpose, tcf));
            }
            if gpc {
                signals.gpc = signals.gpc.with(purpose);
            }
            if dnt {
                signals.dnt = signals.dnt.with(purpose);
            }
        }
        signals
    }

    /// The purposes that a category stands for.
    pub(super) fn category(&self, category: &str) -> PurposeSet {
        let known = self.categories.get(category);
        known.or_else(|| self.categories.get(&category.to_lowercase())).copied().unwrap_or_default()
    }

    pub(super) fn google(&self) -> &[(Purpose, Vec<GoogleType>)] {
        &self.google
    }

    pub(super) fn tcf(&self) -> &[(Purpose, Vec<u8>)] {
        &self.tcf
    }

    pub(super) fn gpc(&self) -> PurposeSet {
        self.gpc
    }

    pub(super) fn dnt(&self) -> PurposeSet {
        self.dnt
    }
}
