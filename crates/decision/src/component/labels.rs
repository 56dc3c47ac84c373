//! What components say by themselves, in the languages that they know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A language of labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Arabic, from right to left.
    Ar,
    /// German.
    De,
    /// English.
    #[default]
    En,
    /// Spanish.
    Es,
    /// French.
    Fr,
    /// Swedish.
    Sv,
}

/// The labels of a language.
pub(super) struct Labels {
    pub(super) close: &'static str,
    pub(super) copy: &'static str,
    pub(super) copied: &'static str,
    /// What sends a written answer, or goes on without one.
    pub(super) go_on: &'static str,
    pub(super) thanks: &'static str,
    /// What each star of a rating is called, the worst first.
    pub(super) stars: [&'static str; 5],
    pub(super) why: &'static str,
    pub(super) because: &'static str,
    pub(super) opt_out: &'static str,
}

impl Language {
    /// Its tag (BCP 47).
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Ar => "ar",
            Self::De => "de",
            Self::En => "en",
            Self::Es => "es",
            Self::Fr => "fr",
            Self::Sv => "sv",
        }
    }

    /// The direction in which it is written.
    pub(super) fn direction(self) -> &'static str {
        if self == Self::Ar { "rtl" } else { "ltr" }
    }

    pub(super) fn labels(self) -> &'static Labels {
        match self {
            Self::Ar => &ARABIC,
            Self::De => &GERMAN,
            Self::En => &ENGLISH,
            Self::Es => &SPANISH,
            Self::Fr => &FRENCH,
            Self::Sv => &SWEDISH,
        }
    }
}

const ENGLISH: Labels = Labels {
    close: "Close",
    copy: "Copy",
    copied: "Copied",
    go_on: "Continue",
    thanks: "Thank you!",
    stars: ["Very bad", "Bad", "Fair", "Good", "Very good"],
    why: "Why am I seeing this?",
    because: "It was chosen for you by what you have done on this site.",
    opt_out: "Stop choosing for me",
};

const SWEDISH: Labels = Labels {
    close: "Stäng",
    copy: "Kopiera",
    copied: "Kopierad",
    go_on: "Fortsätt",
    thanks: "Tack!",
    stars: ["Mycket dåligt", "Dåligt", "Godkänt", "Bra", "Mycket bra"],
    why: "Varför ser jag det här?",
    because: "Det valdes för dig utifrån vad du har gjort på den här webbplatsen.",
    opt_out: "Sluta välja åt mig",
};

const GERMAN: Labels = Labels {
    close: "Schließen",
    copy: "Kopieren",
    copied: "Kopiert",
    go_on: "Weiter",
    thanks: "Vielen Dank!",
    stars: ["Sehr schlecht", "Schlecht", "Mittelmäßig", "Gut", "Sehr gut"],
    why: "Warum sehe ich das?",
    because: "Es wurde nach dem ausgewählt, was Sie auf dieser Website getan haben.",
    opt_out: "Nicht mehr für mich auswählen",
};

const FRENCH: Labels = Labels {
    close: "Fermer",
    copy: "Copier",
    copied: "Copié",
    go_on: "Continuer",
    thanks: "Merci !",
    stars: ["Très mauvais", "Mauvais", "Moyen", "Bon", "Très bon"],
    why: "Pourquoi est-ce que je vois ceci ?",
    because: "Cela a été choisi pour vous d’après ce que vous avez fait sur ce site.",
    opt_out: "Ne plus choisir pour moi",
};

const SPANISH: Labels = Labels {
    close: "Cerrar",
    copy: "Copiar",
    copied: "Copiado",
    go_on: "Continuar",
    thanks: "¡Gracias!",
    stars: ["Muy malo", "Malo", "Regular", "Bueno", "Muy bueno"],
    why: "¿Por qué veo esto?",
    because: "Se ha elegido para ti según lo que has hecho en este sitio.",
    opt_out: "Dejar de elegir por mí",
};

const ARABIC: Labels = Labels {
    close: "إغلاق",
    copy: "نسخ",
    copied: "تم النسخ",
    go_on: "متابعة",
    thanks: "شكرًا لك!",
    stars: ["سيئ جدًا", "سيئ", "مقبول", "جيد", "جيد جدًا"],
    why: "لماذا أرى هذا؟",
    because: "اختير لك بناءً على ما فعلته في هذا الموقع.",
    opt_out: "أوقف الاختيار لي",
};
