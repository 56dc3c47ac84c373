//! Which rows are left out, as functions that the engine calls for a batch of rows.

use std::{fmt, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, AsArray, BooleanArray},
        datatypes::{DataType, Int64Type},
    },
    error::{DataFusionError, Result},
    logical_expr::{ColumnarValue, Volatility, create_udf},
    prelude::{Expr, col, lit},
};

/// Says of a row by one of its columns whether it may be seen. A row whose value is absent may not.
#[derive(Clone)]
pub enum Seen {
    /// By a column of text or JSON.
    Text(&'static str, Arc<dyn Fn(&str) -> bool + Send + Sync>),
    /// By a column of integers.
    Integer(&'static str, Arc<dyn Fn(i64) -> bool + Send + Sync>),
    /// By any of several.
    Either(Vec<Self>),
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(column, _) | Self::Integer(column, _) => {
                f.debug_tuple("Seen").field(column).finish()
            }
            Self::Either(several) => f.debug_tuple("Either").field(several).finish(),
        }
    }
}

/// The condition under which a row is seen.
pub(crate) fn condition(seen: &Seen) -> Expr {
    match seen {
        Seen::Text(column, _) => function(seen.clone(), DataType::Utf8, column),
        Seen::Integer(column, _) => function(seen.clone(), DataType::Int64, column),
        Seen::Either(several) => several.iter().map(condition).fold(lit(false), Expr::or),
    }
}

fn function(seen: Seen, kind: DataType, column: &str) -> Expr {
    let answer = move |arguments: &[ColumnarValue]| {
        let rows = match arguments {
            [ColumnarValue::Array(rows)] => Arc::clone(rows),
            [ColumnarValue::Scalar(value)] => value.to_array()?,
            _ => return Err(DataFusionError::Internal("one column is asked".into())),
        };
        Ok(ColumnarValue::Array(Arc::new(ask(&seen, &rows)?)))
    };
    // What is asked is the same for one query and another for the next, so nothing is computed ahead of it.
    let volatile = Volatility::Volatile;
    let function = create_udf("is_seen", vec![kind], DataType::Boolean, volatile, Arc::new(answer));
    function.call(vec![col(column)])
}

fn ask(seen: &Seen, rows: &dyn Array) -> Result<BooleanArray> {
    let unfit = || DataFusionError::Internal("a column is not of its kind".into());
    match seen {
        Seen::Text(_, is_seen) => {
            let texts = rows.as_string_opt::<i32>().ok_or_else(unfit)?;
            // Rows that follow each other mostly say the same.
            let mut last: Option<(&str, bool)> = None;
            let answers = texts.iter().map(|text| {
                let text = text?;
                match last {
                    Some((asked, answer)) if asked == text => Some(answer),
                    _ => Some(last.insert((text, is_seen(text))).1),
                }
            });
            Ok(answers.map(|answer| Some(answer == Some(true))).collect())
        }
        Seen::Integer(_, is_seen) => {
            let numbers = rows.as_primitive_opt::<Int64Type>().ok_or_else(unfit)?;
            Ok(numbers.iter().map(|number| Some(number.is_some_and(|n| is_seen(n)))).collect())
        }
        Seen::Either(_) => Err(unfit()),
    }
}
