//! The README's table of Gate's spot API names every endpoint of the catalogue.

use gate_connector::rest::Endpoint;

#[test]
fn every_endpoint_of_the_catalogue_stands_in_the_readme() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md")).expect("the README");
    let rows: Vec<&str> = readme.lines().filter(|line| line.starts_with("| `") && line.contains('/')).collect();
    for endpoint in Endpoint::ALL {
        let (method, path) = (endpoint.method().as_str(), endpoint.path().trim_end_matches("/{}"));
        // A path with an argument stands with a name for it; several paths of one method may share a row.
        let named = |row: &&&str| {
            let first = row.split(" | ").next().unwrap_or_default();
            let paths = first.replace(['`', ','], " ");
            let exact = |word: &str| word == path || word.strip_prefix(path).is_some_and(|rest| rest.starts_with("/{"));
            paths.split_whitespace().any(exact)
        };
        let found: Vec<&&str> = rows.iter().filter(named).collect();
        assert!(found.iter().any(|row| row.contains(method)), "{method} {path} is in no row: {found:?}");
    }
    assert!(rows.len() > 25, "the table is there: {} rows", rows.len());
}
