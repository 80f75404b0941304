use super::{Match, Match::*, address, host, mailbox};

#[test]
fn a_host_name_is_inside_its_domain() {
    for (name, base, permits, excludes) in [
        ("www.example.com", "example.com", Inside, Inside),
        ("EXAMPLE.com", "example.COM", Inside, Inside),
        ("badexample.com", "example.com", Outside, Outside),
        ("example.com.evil.test", "example.com", Outside, Outside),
        ("www.example.com", ".example.com", Inside, Inside),
        ("example.com", ".example.com", Outside, Outside),
        ("badexample.com", ".example.com", Outside, Outside),
        ("example.com", "", Inside, Inside),
        ("*.example.com", "", Inside, Inside),
        ("*.example.com", "example.com", Inside, Inside),
        ("*.example.com", "www.example.com", Outside, Inside),
        ("*.example.com", "www.EXAMPLE.com", Outside, Inside),
        ("*.example.com", ".www.example.com", Outside, Inside),
        ("*.example.com", "a.b.example.com", Outside, Outside),
        ("*.example.com", "www.other.com", Outside, Outside),
        ("*.www.example.com", "www.example.com", Inside, Inside),
        ("www.example.com.", "example.com", Incomparable, Incomparable),
        ("www.example.com", "example.com.", Incomparable, Incomparable),
        ("www.example.com", ".", Incomparable, Incomparable),
        ("www.example.com", "*.example.com", Incomparable, Incomparable),
        ("", "", Incomparable, Incomparable),
        ("a..b", "", Incomparable, Incomparable),
        ("192.0.2.1", "", Incomparable, Incomparable),
        ("*.com", "", Incomparable, Incomparable),
        ("a*.example.com", "example.com", Incomparable, Incomparable),
        ("a b.example.com", "example.com", Incomparable, Incomparable),
    ] {
        assert_eq!(host::dns(name, base, false), permits, "{name} permitted by {base}");
        assert_eq!(host::dns(name, base, true), excludes, "{name} excluded by {base}");
    }
}

#[test]
fn a_uri_is_judged_by_its_host() {
    for (uri, base, result) in [
        ("https://example.com/a", "example.com", Inside),
        ("https://www.example.com/a", "example.com", Outside),
        ("https://www.example.com/a", ".example.com", Inside),
        ("https://example.com/a", ".example.com", Outside),
        ("https://EXAMPLE.com:443?x", "example.COM", Inside),
        ("https://user:pw@example.com/", "example.com", Inside),
        ("https://example.com@evil.test/", "example.com", Outside),
        ("https://evil.test/@example.com", "example.com", Outside),
        ("https://evil.test#@example.com", "example.com", Outside),
        ("https://evil.test\\@example.com", "example.com", Incomparable),
        ("https://a@b@example.com", "example.com", Incomparable),
        ("spiffe://trust-domain/workload", "trust-domain", Inside),
        ("spiffe://other/workload", "trust-domain", Outside),
        ("urn:uuid:1", "example.com", Incomparable),
        ("https:///example.com", "example.com", Incomparable),
        ("https://192.0.2.1/", "example.com", Incomparable),
        ("https://[2001:db8::1]/", "example.com", Incomparable),
        ("https://ex%61mple.com/", "example.com", Incomparable),
        ("https://example.com./", "example.com", Incomparable),
        ("mailto:a@example.com", "example.com", Incomparable),
        ("https://example.com:x/", "example.com", Incomparable),
        ("https://example.com/", "https://example.com/", Incomparable),
        ("https://example.com/", "", Outside),
    ] {
        assert_eq!(host::uri(uri, base, false), result, "{uri} under {base}");
    }
    assert_eq!(host::uri("https://example.com/", "", true), Inside);
}

#[test]
fn a_mailbox_is_judged_by_mailbox_host_or_domain() {
    for (name, base, permits, excludes) in [
        ("a@example.com", "example.com", Inside, Inside),
        ("a@Example.COM", "example.com", Inside, Inside),
        ("a@www.example.com", "example.com", Outside, Outside),
        ("a@www.example.com", ".example.com", Inside, Inside),
        ("a@example.com", ".example.com", Outside, Outside),
        ("a@badexample.com", "example.com", Outside, Outside),
        ("a@example.com", "a@example.com", Inside, Inside),
        ("A@example.com", "a@example.com", Outside, Inside),
        ("b@example.com", "a@example.com", Outside, Outside),
        ("a@example.com", "", Outside, Inside),
        ("\"a@b\"@example.com", "example.com", Incomparable, Incomparable),
        ("a@b@example.com", "example.com", Incomparable, Incomparable),
        ("example.com", "example.com", Incomparable, Incomparable),
        ("a@example.com.", "example.com", Incomparable, Incomparable),
        ("@example.com", "example.com", Incomparable, Incomparable),
        ("", "example.com", Incomparable, Incomparable),
        ("a@example.com", "*.example.com", Incomparable, Incomparable),
    ] {
        assert_eq!(mailbox::judge(name, base, false), permits, "{name} permitted by {base}");
        assert_eq!(mailbox::judge(name, base, true), excludes, "{name} excluded by {base}");
    }
}

#[test]
fn an_address_is_inside_its_network() {
    let v4 = |network: [u8; 4], mask: [u8; 4]| [network, mask].concat();
    let check = |name: &[u8], base: &[u8], result: Match| {
        assert_eq!(address(name, base), result, "{name:?} {base:?}");
    };
    check(&[192, 0, 2, 7], &v4([192, 0, 2, 0], [255, 255, 255, 0]), Inside);
    check(&[192, 0, 3, 7], &v4([192, 0, 2, 0], [255, 255, 255, 0]), Outside);
    check(&[192, 0, 3, 7], &v4([192, 0, 2, 0], [255, 255, 254, 0]), Inside);
    check(&[1, 2, 3, 4], &v4([0; 4], [0; 4]), Inside);
    check(&[1, 2, 3, 4], &v4([1, 2, 3, 4], [255; 4]), Inside);
    check(&[1, 2, 3, 4], &v4([0; 4], [255, 0, 255, 0]), Incomparable);
    check(&[1, 2, 3, 4], &v4([0; 4], [0, 255, 255, 255]), Incomparable);
    check(&[1, 2, 3, 4], &[0; 7], Incomparable);
    check(&[1, 2, 3], &[0; 8], Incomparable);
    check(&[0; 16], &v4([0; 4], [0; 4]), Outside);
    check(&[1, 2, 3, 4], &[0; 32], Outside);
    check(&[7; 16], &[[7; 16], [255; 16]].concat(), Inside);
    check(&[7; 16], &[[8; 16], [255; 16]].concat(), Outside);
    check(&[7; 16], &[[8; 16], [0; 16]].concat(), Inside);
}
