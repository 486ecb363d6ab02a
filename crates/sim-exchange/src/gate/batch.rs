//! Calls on many orders at once: place, cancel by ids, amend (Gate API v4, batch orders).
//!
//! Start at [`place_batch`]. A batch of a wrong shape is refused whole; otherwise each order succeeds or fails by itself, in
//! the order of the request, and each counts against its rate limit as if it had come alone. Gate does not say whether it
//! counts them so on spot; on contracts it does.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    error::ApiError,
    orders::{OrderDesk, OutcomeRow, amend_one, cancel_one, optional_text, place_one, required_text, to_value, written_row},
    query::Query,
    render::{ActionMode, order_row, text_of},
};

/// Most markets in one batch of new orders.
const PAIRS_MAX: usize = 4;
/// Most new orders per market in one batch.
const ORDERS_PER_PAIR_MAX: usize = 10;
/// Most orders in one batch of cancels.
const CANCELS_MAX: usize = 20;
/// Most orders in one batch of amendments.
const AMENDMENTS_MAX: usize = 5;
/// A batch of cancels knows an order by its `text` for this long after its creation.
const TEXT_CANCEL_NS: u64 = 30 * 60 * 1_000_000_000;

fn items(body: &Value) -> Result<Vec<&Map<String, Value>>, ApiError> {
    let Value::Array(items) = body else { return Err(ApiError::invalid_body("Invalid request body: not an array")) };
    if items.is_empty() {
        return Err(ApiError::invalid_param("Invalid request body: no orders"));
    }
    let objects: Option<Vec<&Map<String, Value>>> = items.iter().map(Value::as_object).collect();
    objects.ok_or_else(|| ApiError::invalid_body("Invalid request body: not an array of objects"))
}

fn too_many(label: &'static str, message: String) -> ApiError {
    ApiError::new(400, label, message)
}

/// POST `/spot/batch_orders`, `spot.order_place` with an array. Each order needs its `text`.
///
/// # Errors
/// `TOO_MANY_CURRENCY_PAIRS`, `TOO_MANY_ORDERS`, `MIXED_ACCOUNT_TYPE`, `MISSING_REQUIRED_PARAM` for a batch of a wrong shape,
/// and a passed expiry; nothing has been placed then.
pub(super) fn place_batch(body: &Value, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let orders = items(body)?;
    let mut per_pair: BTreeMap<&str, usize> = BTreeMap::new();
    let mut accounts = BTreeSet::new();
    for fields in &orders {
        *per_pair.entry(required_text(fields, "currency_pair")?).or_default() += 1;
        accounts.insert(optional_text(fields, "account")?.unwrap_or("spot"));
        required_text(fields, "text")?;
    }
    if accounts.len() > 1 {
        return Err(too_many("MIXED_ACCOUNT_TYPE", "Orders of different accounts in one batch".to_owned()));
    }
    if per_pair.len() > PAIRS_MAX {
        return Err(too_many("TOO_MANY_CURRENCY_PAIRS", format!("At most {PAIRS_MAX} currency pairs in one batch")));
    }
    if per_pair.values().any(|count| *count > ORDERS_PER_PAIR_MAX) {
        return Err(too_many("TOO_MANY_ORDERS", format!("At most {ORDERS_PER_PAIR_MAX} orders per currency pair in one batch")));
    }
    desk.check_exptime()?;
    let rows = orders.into_iter().map(|fields| match place_one(&Value::Object(fields.clone()), desk) {
        Ok((order, mode)) => succeeded(written_row(&order, mode, desk.symbols)),
        Err(error) => failed(&error, &[("text", fields.get("text"))]),
    });
    Ok(rows.collect())
}

fn succeeded(mut row: Value) -> Value {
    if let Value::Object(fields) = &mut row {
        fields.insert("order_id".to_owned(), fields.get("id").cloned().unwrap_or_default());
        fields.insert("succeeded".to_owned(), json!(true));
        fields.insert("label".to_owned(), json!(""));
        fields.insert("message".to_owned(), json!(""));
    }
    row
}

fn failed(error: &ApiError, echoed: &[(&str, Option<&Value>)]) -> Value {
    let mut row = json!({"succeeded": false, "label": error.label, "message": error.message});
    if let Value::Object(fields) = &mut row {
        for (name, value) in echoed {
            if let Some(value) = value {
                fields.insert((*name).to_owned(), (*value).clone());
            }
        }
    }
    row
}

/// POST `/spot/cancel_batch_orders`, `spot.order_cancel_ids`: cancels by exchange id or `text`.
///
/// # Errors
/// `TOO_MANY_ORDERS` above 20, and a passed expiry; nothing has been cancelled then.
pub(super) fn cancel_ids(body: &Value, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let orders = items(body)?;
    if orders.len() > CANCELS_MAX {
        return Err(too_many("TOO_MANY_ORDERS", format!("At most {CANCELS_MAX} orders in one batch")));
    }
    desk.check_exptime()?;
    let rows = orders.into_iter().map(|fields| {
        let echo = |name: &str| fields.get(name).cloned().unwrap_or_else(|| json!(""));
        let (pair, id) = (echo("currency_pair"), echo("id"));
        match cancel_item(fields, desk) {
            Ok(text) => json!({
                "currency_pair": pair, "id": id, "text": text, "succeeded": true, "label": "", "message": "", "account": "spot",
            }),
            Err(error) => json!({
                "currency_pair": pair, "id": id, "text": "", "succeeded": false, "label": error.label,
                "message": error.message, "account": "spot",
            }),
        }
    });
    Ok(rows.collect())
}

/// Cancels one item and returns its `text`.
fn cancel_item(fields: &Map<String, Value>, desk: &mut OrderDesk<'_>) -> Result<String, ApiError> {
    let query = Query::from_fields(fields);
    let name = query.required("id")?;
    desk.note_cancel_of(query.get("currency_pair"), name);
    desk.charge_cancel()?;
    let pair_name = query.required("currency_pair")?;
    let pair = desk.symbols.find_pair(pair_name).ok_or_else(|| ApiError::invalid_pair(pair_name))?;
    if name.starts_with("t-") {
        let made = desk.exchange.order_by_text(desk.caller.account, name).map(|order| order.create_t_ns);
        if made.is_some_and(|made| desk.caller.t_ns >= made.saturating_add(TEXT_CANCEL_NS)) {
            return Err(ApiError::client_id_not_found());
        }
    }
    let order = cancel_one(name, pair, desk)?;
    Ok(text_of(order.text.as_deref(), order.source))
}

/// POST `/spot/amend_batch_orders`.
///
/// # Errors
/// `TOO_MANY_ORDERS` above five, and a passed expiry; nothing has been amended then.
pub(super) fn amend_batch(body: &Value, desk: &mut OrderDesk<'_>) -> Result<Value, ApiError> {
    let orders = items(body)?;
    if orders.len() > AMENDMENTS_MAX {
        return Err(too_many("TOO_MANY_ORDERS", format!("At most {AMENDMENTS_MAX} orders in one batch")));
    }
    desk.check_exptime()?;
    let rows = orders.into_iter().map(|fields| {
        let query = Query::from_fields(fields);
        let amended =
            query.required("order_id").and_then(|name| amend_one(name, &Value::Object(fields.clone()), &Query::default(), desk));
        match amended {
            Ok((order, ActionMode::Ack)) => succeeded(written_row(&order, ActionMode::Ack, desk.symbols)),
            Ok((order, mode)) => succeeded(to_value(&OutcomeRow::done(order_row(&order, desk.symbols, mode)))),
            Err(error) => failed(&error, &[("order_id", fields.get("order_id")), ("amend_text", fields.get("amend_text"))]),
        }
    });
    Ok(rows.collect())
}
