//! The filters of templates: the customary Liquid ones that fill in text, each bounded and total.
//!
//! They are written here rather than taken from the library because its own read the clock (`date:
//! "now"`), overflow on large numbers, and multiply text without bound (`replace`, `join`).

use std::fmt;

use jiff::{fmt::strtime::BrokenDownTime, tz::TimeZone};
use liquid_core::{
    Error, Expression, Filter, FilterReflection, ParseFilter, Result, Runtime, ValueView,
    model::{State, Value},
    parser::{FilterArguments, ParameterReflection, PluginRegistry},
};

use super::MAX_OUTPUT_BYTES;

/// Most decimal places that `round` keeps.
const MAX_DECIMALS: i64 = 10;

type Failure = &'static str;
type Apply = fn(&dyn ValueView, &[Value]) -> std::result::Result<Value, Failure>;

/// A filter of the language: its name, how many arguments it takes, and what it does.
#[derive(Clone, Copy)]
struct Definition {
    name: &'static str,
    least: usize,
    most: usize,
    apply: Apply,
}

const fn define(name: &'static str, least: usize, most: usize, apply: Apply) -> Definition {
    Definition { name, least, most, apply }
}

const FILTERS: [Definition; 32] = [
    define("abs", 0, 0, |input, _| unary(input, i64::checked_abs, f64::abs)),
    define("append", 1, 1, |input, args| text(&[&input.to_kstr(), &args[0].to_kstr()])),
    define("at_least", 1, 1, |input, args| binary(input, args, |a, b| Some(a.max(b)), f64::max)),
    define("at_most", 1, 1, |input, args| binary(input, args, |a, b| Some(a.min(b)), f64::min)),
    define("capitalize", 0, 0, |input, _| capitalize(input)),
    define("ceil", 0, 0, |input, _| to_integer(input, f64::ceil)),
    define("date", 1, 1, date),
    define("default", 1, 1, default),
    define("divided_by", 1, 1, divided_by),
    define("downcase", 0, 0, |input, _| text(&[&input.to_kstr().to_lowercase()])),
    define("escape", 0, 0, |input, _| text(&[&escape_html(&input.to_kstr())])),
    define("first", 0, 0, |input, _| Ok(element(input, 0))),
    define("floor", 0, 0, |input, _| to_integer(input, f64::floor)),
    define("join", 0, 1, join),
    define("last", 0, 0, |input, _| Ok(element(input, -1))),
    define("lstrip", 0, 0, |input, _| text(&[input.to_kstr().trim_start()])),
    define("minus", 1, 1, |input, args| binary(input, args, i64::checked_sub, |a, b| a - b)),
    define("modulo", 1, 1, modulo),
    define("plus", 1, 1, |input, args| binary(input, args, i64::checked_add, |a, b| a + b)),
    define("prepend", 1, 1, |input, args| text(&[&args[0].to_kstr(), &input.to_kstr()])),
    define("remove", 1, 1, |input, args| replace(input, &args[0].to_kstr(), "")),
    define("replace", 1, 2, |input, args| {
        replace(input, &args[0].to_kstr(), &args.get(1).unwrap_or(&Value::Nil).to_kstr())
    }),
    define("round", 0, 1, round),
    define("rstrip", 0, 0, |input, _| text(&[input.to_kstr().trim_end()])),
    define("size", 0, 0, |input, _| Ok(size(input))),
    define("split", 1, 1, split),
    define("strip", 0, 0, |input, _| text(&[input.to_kstr().trim()])),
    define("times", 1, 1, |input, args| binary(input, args, i64::checked_mul, |a, b| a * b)),
    define("truncate", 0, 2, truncate),
    define("truncatewords", 0, 2, truncatewords),
    define("upcase", 0, 0, |input, _| text(&[&input.to_kstr().to_uppercase()])),
    define("url_encode", 0, 0, |input, _| text(&[&url_encode(&input.to_kstr())])),
];

/// Makes the filters known to the language.
pub(super) fn register(registry: &mut PluginRegistry<Box<dyn ParseFilter>>) {
    for definition in FILTERS {
        registry.register(definition.name.to_owned(), Box::new(definition));
    }
}

/// Text as it stands within HTML, quotes included, so that it may also stand within an attribute.
pub(crate) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

impl FilterReflection for Definition {
    fn name(&self) -> &str {
        self.name
    }

    fn description(&self) -> &str {
        ""
    }

    fn positional_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }

    fn keyword_parameters(&self) -> &'static [ParameterReflection] {
        &[]
    }
}

impl ParseFilter for Definition {
    fn parse(&self, mut arguments: FilterArguments<'_>) -> Result<Box<dyn Filter>> {
        let arguments_given: Vec<_> = arguments.positional.by_ref().collect();
        let count = arguments_given.len();
        if count < self.least || self.most < count || arguments.keyword.next().is_some() {
            let Self { name, least, most, .. } = self;
            return Err(Error::with_msg(format!("`{name}` takes {least} to {most} arguments")));
        }
        Ok(Box::new(Application { definition: *self, arguments: arguments_given }))
    }

    fn reflection(&self) -> &dyn FilterReflection {
        self
    }
}

/// A filter in a template, with its arguments.
struct Application {
    definition: Definition,
    arguments: Vec<Expression>,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.definition.name, self.arguments)
    }
}

impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.definition.name)
    }
}

impl Filter for Application {
    fn evaluate(&self, input: &dyn ValueView, runtime: &dyn Runtime) -> Result<Value> {
        let arguments: Result<Vec<_>> = self
            .arguments
            .iter()
            .map(|argument| argument.evaluate(runtime).map(|value| value.into_owned()))
            .collect();
        (self.definition.apply)(input, &arguments?)
            .map_err(|why| Error::with_msg(format!("`{}`: {why}", self.definition.name)))
    }
}

const TOO_LONG: Failure = "the text grows too long";
const NOT_A_NUMBER: Failure = "a number is needed";
const TOO_LARGE: Failure = "the number grows too large";

/// The parts as one text, within bounds.
fn text(parts: &[&str]) -> std::result::Result<Value, Failure> {
    if MAX_OUTPUT_BYTES < parts.iter().map(|part| part.len()).sum() {
        return Err(TOO_LONG);
    }
    Ok(Value::scalar(parts.concat()))
}

fn capitalize(input: &dyn ValueView) -> std::result::Result<Value, Failure> {
    let input = input.to_kstr();
    let mut chars = input.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    text(&[&first, chars.as_str()])
}

fn replace(input: &dyn ValueView, from: &str, to: &str) -> std::result::Result<Value, Failure> {
    let input = input.to_kstr();
    let matches = input.matches(from).count();
    let added = matches.saturating_mul(to.len());
    if MAX_OUTPUT_BYTES < input.len().saturating_add(added) {
        return Err(TOO_LONG);
    }
    Ok(Value::scalar(input.replace(from, to)))
}

fn split(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    let (input, separator) = (input.to_kstr(), args[0].to_kstr());
    if MAX_OUTPUT_BYTES < input.len() {
        return Err(TOO_LONG);
    }
    if input.is_empty() {
        return Ok(Value::array([]));
    }
    let parts = input.split(separator.as_str()).map(|part| Value::scalar(part.to_owned()));
    Ok(Value::array(parts))
}

fn join(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    let separator = args.first().map_or(" ".into(), ValueView::to_kstr);
    let Some(array) = input.as_array() else { return text(&[&input.to_kstr()]) };
    let mut joined = String::new();
    for (index, value) in array.values().enumerate() {
        if 0 < index {
            joined.push_str(&separator);
        }
        joined.push_str(&value.to_kstr());
        if MAX_OUTPUT_BYTES < joined.len() {
            return Err(TOO_LONG);
        }
    }
    Ok(Value::scalar(joined))
}

fn element(input: &dyn ValueView, index: i64) -> Value {
    let element = input.as_array().and_then(|array| array.get(index));
    element.map_or(Value::Nil, ValueView::to_value)
}

fn size(input: &dyn ValueView) -> Value {
    let count = match (input.as_array(), input.as_object()) {
        (Some(array), _) => array.size(),
        (None, Some(object)) => object.size(),
        (None, None) => i64::try_from(input.to_kstr().chars().count()).unwrap_or(i64::MAX),
    };
    Value::scalar(count)
}

fn default(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    let absent = input.query_state(State::DefaultValue);
    Ok(if absent { args[0].clone() } else { input.to_value() })
}

/// A length argument, or `otherwise` when it is not given.
fn length(args: &[Value], otherwise: usize) -> std::result::Result<usize, Failure> {
    let Some(value) = args.first() else { return Ok(otherwise) };
    let length = value.as_scalar().and_then(|scalar| scalar.to_integer()).ok_or(NOT_A_NUMBER)?;
    Ok(usize::try_from(length).unwrap_or(0))
}

/// At most so many characters, the ellipsis included.
fn truncate(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    let (most, input) = (length(args, 50)?, input.to_kstr());
    let ellipsis = args.get(1).map_or("...".into(), ValueView::to_kstr);
    if input.chars().count() <= most {
        return text(&[&input]);
    }
    let kept: String = input.chars().take(most.saturating_sub(ellipsis.chars().count())).collect();
    text(&[&kept, &ellipsis])
}

fn truncatewords(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    let (most, input) = (length(args, 15)?.max(1), input.to_kstr());
    let ellipsis = args.get(1).map_or("...".into(), ValueView::to_kstr);
    let words: Vec<_> = input.split_whitespace().take(most.saturating_add(1)).collect();
    if words.len() <= most {
        return text(&[&input]);
    }
    text(&[&words[..most].join(" "), &ellipsis])
}

fn url_encode(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX[usize::from(byte & 0xf)]));
            }
        }
    }
    encoded
}

fn integer(value: &dyn ValueView) -> Option<i64> {
    value.as_scalar()?.to_integer()
}

fn float(value: &dyn ValueView) -> Option<f64> {
    value.as_scalar()?.to_float().filter(|number| number.is_finite())
}

fn finite(number: f64) -> std::result::Result<Value, Failure> {
    if number.is_finite() { Ok(Value::scalar(number)) } else { Err(TOO_LARGE) }
}

fn unary(
    input: &dyn ValueView,
    whole: fn(i64) -> Option<i64>,
    broken: fn(f64) -> f64,
) -> std::result::Result<Value, Failure> {
    match integer(input) {
        Some(number) => whole(number).map(Value::scalar).ok_or(TOO_LARGE),
        None => finite(broken(float(input).ok_or(NOT_A_NUMBER)?)),
    }
}

/// Whole arithmetic when both sides are whole, as Liquid has it.
fn binary(
    input: &dyn ValueView,
    args: &[Value],
    whole: fn(i64, i64) -> Option<i64>,
    broken: fn(f64, f64) -> f64,
) -> std::result::Result<Value, Failure> {
    if let (Some(a), Some(b)) = (integer(input), integer(&args[0])) {
        return whole(a, b).map(Value::scalar).ok_or(TOO_LARGE);
    }
    let (a, b) = (float(input).ok_or(NOT_A_NUMBER)?, float(&args[0]).ok_or(NOT_A_NUMBER)?);
    finite(broken(a, b))
}

const BY_ZERO: Failure = "division by zero";

fn divided_by(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    if integer(&args[0]) == Some(0) {
        return Err(BY_ZERO);
    }
    // Liquid rounds a whole quotient down, towards negative infinity.
    let whole = |a: i64, b: i64| {
        let quotient = a.checked_div(b)?;
        let down = a % b != 0 && ((a < 0) != (b < 0));
        Some(quotient - i64::from(down))
    };
    binary(input, args, whole, |a, b| a / b)
}

fn modulo(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    if integer(&args[0]) == Some(0) {
        return Err(BY_ZERO);
    }
    binary(input, args, i64::checked_rem, |a, b| a % b)
}

fn to_integer(
    input: &dyn ValueView,
    towards: fn(f64) -> f64,
) -> std::result::Result<Value, Failure> {
    if let Some(number) = integer(input) {
        return Ok(Value::scalar(number));
    }
    let number = towards(float(input).ok_or(NOT_A_NUMBER)?);
    // 2^53: beyond it a float no longer counts in ones.
    if 9_007_199_254_740_992.0 < number.abs() {
        return Err(TOO_LARGE);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53, as checked")]
    Ok(Value::scalar(number as i64))
}

fn round(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    let decimals = args.first().map_or(Some(0), |value| integer(value)).ok_or(NOT_A_NUMBER)?;
    let decimals = decimals.clamp(0, MAX_DECIMALS);
    if decimals == 0 {
        return to_integer(input, f64::round);
    }
    let factor = 10_f64.powi(i32::try_from(decimals).unwrap_or(0));
    finite((float(input).ok_or(NOT_A_NUMBER)? * factor).round() / factor)
}

/// A time, a date, or seconds since 1970, in UTC. What is none of them is left as it is, as Liquid
/// has it.
fn date(input: &dyn ValueView, args: &[Value]) -> std::result::Result<Value, Failure> {
    let known = match integer(input) {
        Some(seconds) => jiff::Timestamp::from_second(seconds).ok(),
        None => {
            let parsed = input.to_kstr().parse::<::model::Timestamp>().ok();
            parsed.and_then(|time| jiff::Timestamp::from_millisecond(time.0).ok())
        }
    };
    let Some(time) = known else { return Ok(input.to_value()) };
    let time = time.to_zoned(TimeZone::UTC);
    let formatted = BrokenDownTime::from(&time)
        .to_string(args[0].to_kstr().as_str())
        .map_err(|_| "the format is not known")?;
    text(&[&formatted])
}
