//! Answers questions about policies and off-policy estimates, a JSON document a line on standard input: the side of
//! this crate in the comparison with independent packages (`make test-policies`).

use std::io::{self, BufRead as _, Write as _};

use serde::Deserialize;
use serde_json::{Value, json};
use stats::{
    off_policy::{ArmMeans, Estimator, Logged, Method, Overlap, Predicted},
    policy::{PolicyError, accelerator, epochs, greedy, linear, shares, thompson, top_two},
    sample::Sums,
};

/// Of a unit: reward, propensity, target's probability, predictions for the action and for the target.
type Row = (f64, f64, f64, f64, f64);
/// Count, sum and sum of squares.
type Arm = (u64, f64, f64);

#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
enum Question {
    Thompson {
        arms: Vec<Arm>,
        binary: bool,
    },
    TopTwo {
        best: Vec<f64>,
        beta: f64,
    },
    Greedy {
        arms: Vec<Arm>,
        epsilon: f64,
    },
    Accelerator {
        arms: Vec<Arm>,
        control: usize,
    },
    Floor {
        shares: Vec<f64>,
        floor: f64,
    },
    Epochs {
        epochs: Vec<(Arm, Arm, u64)>,
    },
    Linear {
        rows: Vec<(usize, f64, Vec<f64>)>,
        arms: usize,
        lambda: f64,
        alpha: f64,
        v: f64,
        x: Vec<Vec<f64>>,
    },
    OffPolicy {
        method: String,
        parameter: f64,
        rows: Vec<Row>,
    },
    ArmMeans {
        rows: Vec<(u64, u64, usize, f64)>,
        actions: usize,
    },
}

fn main() -> io::Result<()> {
    let (input, mut output) = (io::stdin().lock(), io::stdout().lock());
    for line in input.lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(question) => answer(&question).unwrap_or_else(|error| json!({"error": error})),
            Err(error) => json!({"error": error.to_string()}),
        };
        writeln!(output, "{answer}")?;
    }
    Ok(())
}

fn answer(question: &Question) -> Result<Value, String> {
    let told = |shares: Result<Vec<f64>, PolicyError>| match shares {
        Ok(shares) => Ok(json!(shares)),
        Err(error) => Err(error.to_string()),
    };
    match question {
        Question::Thompson { arms, binary: true } => {
            told(thompson::binary(&all(arms), thompson::BetaPrior::default()))
        }
        Question::Thompson { arms, binary: false } => told(thompson::gaussian(&all(arms))),
        Question::TopTwo { best, beta } => told(top_two::shares(best, *beta)),
        Question::Greedy { arms, epsilon } => told(greedy::shares(&all(arms), *epsilon)),
        Question::Accelerator { arms, control } => told(accelerator::shares(&all(arms), *control)),
        Question::Floor { shares, floor } => told(shares::with_floor(shares, *floor)),
        Question::Epochs { epochs } => {
            let epoch = |(arm, control, units): &(Arm, Arm, u64)| epochs::Epoch {
                arm: sums(arm),
                control: sums(control),
                units: *units,
            };
            let epochs: Vec<_> = epochs.iter().map(epoch).collect();
            let read = epochs::difference(&epochs).map_err(|error| error.to_string())?;
            Ok(json!([read.difference, read.variance, read.control_mean]))
        }
        Question::Linear { .. } => linear(question).map_err(|error| error.to_string()),
        Question::OffPolicy { method, parameter, rows } => off_policy(method, *parameter, rows),
        Question::ArmMeans { rows, actions } => Ok(arm_means(rows, *actions)),
    }
}

fn sums((count, sum, sum_of_squares): &Arm) -> Sums {
    // How many are not 0 is nothing that a policy asks.
    Sums { count: *count, non_zero: 0, sum: *sum, sum_of_squares: *sum_of_squares }
}

fn all(arms: &[Arm]) -> Vec<Sums> {
    arms.iter().map(sums).collect()
}

fn linear(question: &Question) -> Result<Value, PolicyError> {
    let Question::Linear { rows, arms, lambda, alpha, v, x } = question else {
        return Ok(Value::Null);
    };
    let features = x.first().map_or(0, Vec::len);
    let mut regressions = vec![linear::Regression::new(features)?; *arms];
    for (arm, reward, x) in rows {
        if let Some(regression) = regressions.get_mut(*arm) {
            regression.observe(x, *reward)?;
        }
    }
    let fits: Vec<_> = regressions.iter().map(|r| r.fit(*lambda)).collect::<Result<_, _>>()?;
    let one = |x: &Vec<f64>| {
        let (bounds, best) = (linear::upper_bounds(&fits, x, *alpha)?, linear::best(&fits, x, *v)?);
        Ok(json!({"upper_bounds": bounds, "best": best}))
    };
    let contexts: Vec<Value> = x.iter().map(one).collect::<Result<_, _>>()?;
    let coefficients: Vec<_> = fits.iter().map(linear::Fit::coefficients).collect();
    Ok(json!({"coefficients": coefficients, "contexts": contexts}))
}

fn off_policy(method: &str, parameter: f64, rows: &[Row]) -> Result<Value, String> {
    let method = match method {
        "ips" => Method::Ips,
        "clipped" => Method::Clipped { most: parameter },
        "snips" => Method::Snips,
        "direct" => Method::Direct,
        "doubly_robust" => Method::DoublyRobust,
        "switch" => Method::SwitchDoublyRobust { most: parameter },
        "shrunk" => Method::ShrunkDoublyRobust { lambda: parameter },
        other => return Err(format!("no method `{other}`")),
    };
    let mut estimator = Estimator::new(method).map_err(|error| error.to_string())?;
    for (reward, propensity, target, taken, predicted) in rows {
        let unit = Logged {
            reward: *reward,
            propensity: *propensity,
            target: *target,
            supported: 1.0,
            predicted: Some(Predicted { taken: *taken, target: *predicted }),
        };
        estimator.add(&unit).map_err(|error| error.to_string())?;
    }
    let estimate = estimator.estimate(&Overlap::default()).map_err(|error| error.to_string())?;
    Ok(json!({
        "value": estimate.value,
        "standard_error": estimate.standard_error,
        "effective": estimate.effective,
        "warnings": estimate.warnings.len(),
    }))
}

/// What is predicted for every action of each row: hash, stratum, action, reward.
fn arm_means(rows: &[(u64, u64, usize, f64)], actions: usize) -> Value {
    let mut means = ArmMeans::default();
    for (hash, stratum, action, reward) in rows {
        means.add(*hash, *stratum, *action, *reward);
    }
    let predict = |(hash, stratum, _, _): &(u64, u64, usize, f64)| -> Vec<f64> {
        (0..actions).map(|action| means.predict(*hash, *stratum, action)).collect()
    };
    json!(rows.iter().map(predict).collect::<Vec<_>>())
}
