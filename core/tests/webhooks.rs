//! Notifications: as providers send them, and as whoever wants to pass for one does.

use calendar_sync_core::webhooks::{Call, CallError, MAX_BODY, News, Notice, google, is_covered_by, microsoft, notion};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Made with signWebhookPayload of Notion's own client, of [`BODY`].
const SIGNATURE: &str = "sha256=9e541e93dd25d43ce3c23990bb40f52ca1a2bf46b678f1e3f17a9d153366b856";
const TOKEN: &str = "secret_tMrlL1qK5vuQAh1b6cZGhFChZTSYJlce98V0pYn7yBl";
const BODY: &str = r#"{"type":"page.created"}"#;

fn of_google(headers: &Value) -> Result<Notice, CallError> {
    google::read(&Call::new(headers, &Value::Null, "")?)
}

fn of_microsoft(query: &Value, body: &str) -> Result<microsoft::Told, CallError> {
    microsoft::read(&Call::new(&Value::Null, query, body)?)
}

#[test]
fn a_message_of_google_is_read_from_headers_in_any_case_as_text_number_or_list() {
    let headers = json!({
        "x-goog-channel-id": "channel", "X-GOOG-CHANNEL-TOKEN": ["secret"], "X-Goog-Resource-State": "exists",
        "X-Goog-Message-Number": 10, "X-Goog-Resource-ID": "resource",
    });
    let notice = of_google(&headers).expect("a notice");
    assert_eq!((notice.channel.as_str(), notice.number, notice.news), ("channel", Some(10), News::Changed));
    assert!(notice.is_proved_by("secret"));
    for wrong in ["", "Secret", "secre", "secrets"] {
        assert!(!notice.is_proved_by(wrong), "{wrong}");
    }
}

#[test]
fn a_message_without_a_token_is_proved_by_nothing_not_even_by_an_empty_secret() {
    let notice = of_google(&json!({"X-Goog-Channel-ID": "c", "X-Goog-Resource-State": "sync"})).expect("a notice");
    assert_eq!((notice.news, notice.number), (News::Opened, None));
    assert!(!notice.is_proved_by("") && !notice.is_proved_by("secret"));
}

#[test]
fn what_names_no_channel_or_has_another_shape_is_malformed() {
    let long = "x".repeat(300);
    for headers in [
        json!({}),
        json!({"X-Goog-Channel-ID": "c"}),
        json!({"X-Goog-Resource-State": "exists"}),
        json!({"X-Goog-Resource-State": "exists", "X-Goog-Channel-ID": {"a": 1}}),
        json!({"X-Goog-Resource-State": "exists", "X-Goog-Channel-ID": [[["c"]]]}),
        json!({"X-Goog-Resource-State": "exists", "X-Goog-Channel-ID": long}),
        json!(["X-Goog-Channel-ID"]),
        json!("X-Goog-Channel-ID: c"),
    ] {
        assert!(matches!(of_google(&headers), Err(CallError::Malformed(_))), "{headers}");
    }
    for body in ["", "null", "[]", "{}", r#"{"value": {}}"#, r#"{"value": [1, {"subscriptionId": 7}]}"#, "{\"value\":"]
    {
        assert!(matches!(of_microsoft(&Value::Null, body), Err(CallError::Malformed(_))), "{body}");
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(matches!(of_microsoft(&Value::Null, &deep), Err(CallError::Malformed(_))));
    assert_eq!(of_microsoft(&Value::Null, &" ".repeat(MAX_BODY + 1)), Err(CallError::TooLong));
}

#[test]
fn microsofts_validation_token_is_echoed_decoded_once_whatever_form_the_query_comes_in() {
    let echoed = |query: Value| of_microsoft(&query, "");
    let expected = Ok(microsoft::Told::Validation("Validation: a+b %20".to_owned()));
    assert_eq!(echoed(json!({"validationToken": "Validation: a+b %20"})), expected);
    assert_eq!(echoed(json!("validationToken=Validation%3a+a%2Bb+%2520")), expected);
    for bad in [json!({"validationToken": ""}), json!({"validationToken": "a\nb"}), json!("validationToken=a%00")] {
        assert!(echoed(bad.clone()).is_err(), "{bad}");
    }
    assert!(echoed(json!({"validationToken": "x".repeat(5_000)})).is_err());
}

#[test]
fn a_batch_of_microsoft_gives_each_notice_once_and_says_what_becomes_of_a_channel() {
    let change =
        json!({"subscriptionId": "a", "clientState": "s", "changeType": "updated", "resourceData": {"id": "1"}});
    let life = |event: &str| json!({"subscriptionId": "b", "clientState": "t", "lifecycleEvent": event});
    let body = json!({"value": [
        change, change, "nonsense", life("missed"), life("reauthorizationRequired"), life("subscriptionRemoved"),
        {"subscriptionId": "c"},
    ]});
    let Ok(microsoft::Told::Notices(notices)) = of_microsoft(&json!({}), &body.to_string()) else {
        panic!("these are notices")
    };
    let read: Vec<_> = notices.iter().map(|notice| (notice.channel.as_str(), notice.news)).collect();
    let expected =
        [("a", News::Changed), ("b", News::Changed), ("b", News::EndsSoon), ("b", News::Ended), ("c", News::Changed)];
    assert_eq!(read, expected);
    assert!(notices[0].is_proved_by("s") && !notices[0].is_proved_by("t") && !notices[4].is_proved_by(""));
}

#[test]
fn notions_signature_is_of_the_body_byte_for_byte() {
    let signed = |signature: &str, body: &str, token: &str| {
        let headers = json!({"X-Notion-Signature": signature});
        let call = Call::new(&headers, &Value::Null, body).expect("a call");
        match notion::read(&call) {
            Ok(notion::Told::Signed(signed)) => signed.is_proved_by(token),
            _ => false,
        }
    };
    assert!(signed(SIGNATURE, BODY, TOKEN));
    assert!(signed(&SIGNATURE.to_uppercase().replace("SHA", "sha"), BODY, TOKEN));
    assert!(!signed(SIGNATURE, r#"{"type": "page.created"}"#, TOKEN), "another byte");
    assert!(!signed(SIGNATURE, BODY, "secret_other") && !signed(SIGNATURE, BODY, ""));
    for broken in ["", "sha256=", &SIGNATURE[7..], &SIGNATURE[..60], "sha256=+5", &"\u{e9}".repeat(40)] {
        assert!(!signed(broken, BODY, TOKEN), "{broken}");
    }
}

#[test]
fn a_call_of_notion_says_what_it_is_about_or_is_the_first_of_all() {
    let read = |headers: Value, body: Value| {
        let body = body.to_string();
        let call = Call::new(&headers, &Value::Null, &body).expect("a call");
        match notion::read(&call) {
            Ok(notion::Told::Signed(signed)) => {
                let mut about = signed.about;
                about.sort();
                about.extend(signed.names_data_source.then(|| "precise".to_owned()));
                Ok((None, about))
            }
            Ok(notion::Told::Verification(token)) => Ok((Some(token), vec![])),
            Err(error) => Err(error),
        }
    };
    let signature = json!({"x-notion-signature": SIGNATURE});
    let event =
        json!({"entity": {"id": "AB-cd", "type": "page"}, "data": {"parent": {"id": "1-2", "data_source_id": "3"}}});
    assert_eq!(read(signature.clone(), event), Ok((None, ["12", "3", "abcd", "precise"].map(String::from).to_vec())));
    let source =
        json!({"entity": {"id": "4", "type": "data_source"}, "data": {"parent": {"id": "5", "type": "database"}}});
    assert_eq!(read(signature.clone(), source), Ok((None, ["4", "5", "precise"].map(String::from).to_vec())));
    let of_old = json!({"entity": {"id": "6", "type": "page"}, "data": {"parent": {"id": "5", "type": "database"}}});
    assert_eq!(read(signature.clone(), of_old), Ok((None, ["5", "6"].map(String::from).to_vec())));
    assert_eq!(read(signature, json!({"entity": 7, "data": []})), Ok((None, vec![])));
    let token = json!({"verification_token": "secret_x"});
    for headers in [json!({}), json!({"X-Notion-Signature": SIGNATURE})] {
        assert_eq!(read(headers, token.clone()), Ok((Some("secret_x".to_owned()), vec![])));
    }
    for bad in [json!({}), json!({"verification_token": ""}), json!({"verification_token": "a b"}), json!([])] {
        assert!(read(json!({}), bad.clone()).is_err(), "{bad}");
    }
}

#[test]
fn a_call_is_meant_for_an_address_whose_own_query_it_repeats() {
    let query = json!("crm=a%20b&x=1");
    let call = Call::new(&Value::Null, &query, "").expect("a call");
    assert!(is_covered_by("https://crm.example.com/hooks", &call));
    assert!(is_covered_by("https://crm.example.com/hooks?crm=a+b", &call));
    assert!(!is_covered_by("https://crm.example.com/hooks?crm=c", &call));
}

/// Any JSON, with the names that are looked for in any place.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        Just("value".to_owned()),
        Just("subscriptionId".to_owned()),
        Just("verification_token".to_owned()),
        Just("validationToken".to_owned()),
        Just("X-Notion-Signature".to_owned()),
        Just("X-Goog-Channel-ID".to_owned()),
        Just("X-Goog-Resource-State".to_owned()),
        ".{0,8}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "sha256=[0-9a-f]{60,68}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_is_read_or_refused_and_proves_nothing(
        headers in any_json(), query in any_json(), body in any_json(), text in ".{0,40}", as_json in any::<bool>(),
    ) {
        let body = if as_json { body.to_string() } else { text };
        if let Ok(call) = Call::new(&headers, &query, &body) {
            let proved = [
                google::read(&call).is_ok_and(|notice| notice.is_proved_by("the channel's secret")),
                matches!(microsoft::read(&call), Ok(microsoft::Told::Notices(notices))
                    if notices.iter().any(|notice| notice.is_proved_by("the channel's secret"))),
                matches!(notion::read(&call), Ok(notion::Told::Signed(signed))
                    if signed.is_proved_by("the channel's secret")),
            ];
            prop_assert_eq!(proved, [false; 3]);
        }
    }
}
