//! What is told of venues that can and can't be asked: simulated ones in this process, over real sockets.

use super::*;
use crate::config::load::load_text;
use crate::secrets::KeyPair;
use secrecy::SecretString;
use std::collections::BTreeMap;

const THREE: &str = "mode = \"sim\"\nseed = 5\n[state]\ndir = \"state\"\n[ops]\nlisten = \"\"\n\
    [[venue]]\nid = \"gone\"\nkind = \"bybit\"\n[[venue]]\nid = \"well\"\nkind = \"gate\"\nbook_channel = \"order_book\"\n\
    [[venue]]\nid = \"wrong\"\nkind = \"gate\"\n[[pair]]\nsymbol = \"BTC/USDT\"\n";

/// Asks these venues.
fn asked(loaded: &Loaded, venues: Vec<VenueSetup>) -> (Checks, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut checks = Checks::default();
    let refused = runtime.block_on(venue_checks(loaded, venues, &mut checks)).unwrap();
    (checks, refused)
}

/// The one check of this id and venue.
#[track_caller]
fn one<'a>(checks: &'a Checks, id: &str, venue: Option<&str>) -> &'a Check {
    let found: Vec<&Check> = checks.0.iter().filter(|c| c.id == id && c.venue.as_deref() == venue).collect();
    assert_eq!(found.len(), 1, "checks {id} of {venue:?}");
    found[0]
}

/// An address of this machine where nobody listens.
fn nowhere() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[test]
fn findings_of_one_id_and_venue_are_one_check_under_the_worst_status() {
    let mut checks = Checks::default();
    checks.add("rules", Some("a"), Status::Ok, "2 pairs", "unused");
    checks.add("rules", Some("b"), Status::Ok, "1 pair", "");
    checks.add("rules", Some("a"), Status::Fail, "too small", "raise it");
    checks.add("rules", Some("a"), Status::Warn, "closed", "wait");
    checks.add("rules", Some("a"), Status::Fail, "also small", "raise that");
    let told: Vec<_> = checks.0.iter().map(|c| (c.venue.as_deref(), c.status, c.detail.as_str(), c.fix.as_str())).collect();
    let a = (Some("a"), Status::Fail, "2 pairs; too small; closed; also small", "raise it; raise that");
    assert_eq!(told, [a, (Some("b"), Status::Ok, "1 pair", "")]);
}

#[test]
fn a_venue_that_is_not_reached_leaves_the_others_their_checks() {
    let loaded = load_text("three.toml", THREE, &BTreeMap::new()).unwrap();
    let simulated = demo::start(&loaded, None).unwrap();
    let mut venues = simulated.venues(&loaded).unwrap();
    venues[0].endpoints.rest = nowhere();
    venues[2].keys = Some(KeyPair { key: SecretString::from("nobody's"), secret: SecretString::from("nobody's") });
    let (checks, refused) = asked(&loaded, venues);

    for id in VENUE_CHECKS {
        let [gone, well, wrong] = ["gone", "well", "wrong"].map(|venue| one(&checks, id, Some(venue)));
        if id == "reach_rest" {
            assert_eq!((gone.status, wrong.status), (Status::Fail, Status::Ok));
        } else {
            assert_eq!((gone.status, gone.detail.as_str()), (Status::Skip, "not checked: the venue was not reached"), "{id}");
        }
        assert!(matches!(well.status, Status::Ok | Status::Warn | Status::Skip), "{id}: {}", well.detail);
    }
    for id in ["clock", "reach_ws", "auth", "withdraw_right", "fee_tier", "dead_man"] {
        assert_eq!(one(&checks, id, Some("well")).status, Status::Ok, "{id}");
    }
    let assets = one(&checks, "rules", None);
    let told = "no asset is compared with gone: its rules were not read; 2 assets are the same wherever they meet";
    assert_eq!((assets.status, assets.detail.as_str()), (Status::Ok, told));
    assert!(checks.0.iter().all(|c| !c.detail.contains("crossgate doctor")), "who reads this runs it already");
    assert_eq!(one(&checks, "auth", Some("wrong")).status, Status::Fail);
    assert_eq!(checks.verdict(refused).unwrap_err().code, 4, "the key that is refused is worse than the venue that is gone");
}

#[test]
fn no_venue_at_all_is_a_failed_check_of_each() {
    let loaded = load_text("three.toml", THREE, &BTreeMap::new()).unwrap();
    let simulated = demo::start(&loaded, None).unwrap();
    let venues = simulated.venues(&loaded).unwrap();
    simulated.stop();
    let (checks, refused) = asked(&loaded, venues);
    for venue in ["gone", "well", "wrong"] {
        assert_eq!(one(&checks, "reach_rest", Some(venue)).status, Status::Fail);
        assert_eq!(one(&checks, "dead_man", Some(venue)).status, Status::Skip);
    }
    assert_eq!(one(&checks, "rules", None).status, Status::Skip);
    assert_eq!(checks.verdict(refused).unwrap_err().code, 1);
}

#[test]
fn why_rules_are_not_read_is_told_with_what_becomes_of_the_rest() {
    for (failure, id, rest) in [
        (Failure::config("X/USDT is not listed"), "rules", "not checked: the venue's pairs have to be corrected first"),
        (Failure::auth("refused with 403"), "reach_rest", "not checked: the venue refuses us"),
        (Failure::failed(format!("no answer{}", setup::SEE_DOCTOR)), "reach_rest", "not checked: the venue was not reached"),
    ] {
        let mut checks = Checks::default();
        unread_check("a", &failure, &mut checks);
        assert_eq!(checks.0.len(), VENUE_CHECKS.len());
        let failed = one(&checks, id, Some("a"));
        assert_eq!((failed.status, failed.detail.contains("doctor")), (Status::Fail, false), "{}", failed.detail);
        assert!(checks.0.iter().filter(|c| c.id != id).all(|c| (c.status, c.detail.as_str()) == (Status::Skip, rest)), "{rest}");
    }
}
