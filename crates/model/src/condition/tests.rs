mod computed;
mod documents;
mod examples;
mod facts;
mod language;
mod properties;
mod spec;
mod words;
