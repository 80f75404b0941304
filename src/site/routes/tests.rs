use proptest::prelude::*;

use super::*;

fn route(path: &str, methods: &[&str], authenticate: Authenticate) -> RouteSpec {
    let path = match path.strip_suffix('*') {
        Some(prefix) => PathPattern::Subtree(prefix.into()),
        None => PathPattern::Exact(path.into()),
    };
    let methods = methods.iter().map(|method| method.parse().unwrap()).collect();
    RouteSpec { path, methods, authenticate, ..RouteSpec::default() }
}

fn routes() -> Routes {
    Routes::new([
        route("/*", &["GET", "POST"], Authenticate::None),
        route("/oauth/*", &["POST"], Authenticate::Certificate),
        route("/oauth/token", &["POST"], Authenticate::Client),
        route("/userinfo", &["GET"], Authenticate::Certificate),
        route("/userinfo", &["POST"], Authenticate::Client),
    ])
}

#[test]
fn the_most_specific_rule_wins() {
    let routes = routes();
    let asks = |method: Method, path| routes.find(&method, path).map(|route| route.authenticate);
    assert_eq!(asks(Method::POST, "/oauth/token"), Ok(Authenticate::Client));
    assert_eq!(asks(Method::POST, "/oauth/par"), Ok(Authenticate::Certificate));
    assert_eq!(asks(Method::GET, "/authorize"), Ok(Authenticate::None));
    assert_eq!(asks(Method::GET, "/"), Ok(Authenticate::None));
    assert_eq!(asks(Method::GET, "/userinfo"), Ok(Authenticate::Certificate));
    assert_eq!(asks(Method::POST, "/userinfo"), Ok(Authenticate::Client));
    assert_eq!(asks(Method::GET, "/oauth/token"), Err(RouteError::Method(vec![Method::POST])));
}

#[test]
fn a_respelling_never_passes_under_a_weaker_rule() {
    let routes = routes();
    for path in [
        "/oauth/token/",
        "/oauth//token",
        "/oauth/%74oken",
        "/OAUTH/token",
        "/oauth/token/../../x",
        "//oauth/token",
        "/oauth/./token",
        "/oauth/%2e/token",
        "/oauth%2ftoken",
        "/oauth%252ftoken",
        "/oauth\\token",
        "/oauth/token;x=1",
        "/oauth;x/token",
        "/oauth/;x/token%3bx/y",
        "/x/../oauth/token",
        "/x/..;/oauth/token",
        "/oauth/token%00",
        "/oauth/token%3fx",
        "/%6Fauth/token",
        "/oauth/token%20",
        "/..",
        "/x/%2e%2e/y",
        "//x/oauth/token",
        "/\\x/oauth/token",
        "/%2fx/oauth/token",
        "//",
        &format!("/x{}", ";a".repeat(17)),
    ] {
        let found = routes.find(&Method::POST, path);
        assert_eq!(found.err(), Some(RouteError::Ambiguous), "{path}");
    }
}

#[test]
fn without_a_subtree_a_respelling_is_not_found() {
    let routes = Routes::new([route("/oauth/token", &["POST"], Authenticate::Client)]);
    for path in
        ["/oauth/token/", "/oauth//token", "/oauth/%74oken", "/OAUTH/token", "/oauth/token/../../x", "/"]
    {
        assert_eq!(routes.find(&Method::POST, path).err(), Some(RouteError::NotFound), "{path}");
    }
    assert_eq!(Routes::new([]).find(&Method::GET, "/").err(), Some(RouteError::NotFound));
}

#[test]
fn an_honest_path_passes_under_a_subtree() {
    let routes = routes();
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
        "/u/login",
        "/u/login/",
        "/assets/app.min.js",
        "/assets/app.min.js.map",
        "/users/a%20b",
        "/users/a+b@example.com",
        "/i18n/%C3%A9",
        "/i18n/%E6%97%A5%E6%9C%AC%E8%AA%9E",
        "/%E4%BD%95%EF%BC%9F",
        "/wiki/C%23",
        "/wiki/what%3F",
        "/files/100%25",
        "/files/50%25%20off.pdf",
        "/v1/users:batch",
        "/~user/x",
        "/a;v=1/b",
        "/go/https%3A%2F%2Fa.example%2Fb",
        "/go/https%253A%252F%252Fa.example",
        "/index.php",
        "/index.php/x",
        "/simplesaml/module.php/saml/sp/saml2-acs.php/default-sp",
        "/x/oauth/token",
        "/tokens",
        "/...x",
        "/x/!$&'()*,=:@-._~",
    ] {
        let found = routes.find(&Method::POST, path);
        assert_eq!(found.map(|route| route.authenticate), Ok(Authenticate::None), "{path}");
    }
    for path in ["/oauth/par", "/oauth/device.json", "/oauth/v1.1"] {
        let found = routes.find(&Method::POST, path);
        assert_eq!(found.map(|route| route.authenticate), Ok(Authenticate::Certificate), "{path}");
    }
}

#[test]
fn an_extension_counts_where_it_would_get_more_only() {
    let routes = Routes::new([
        route("/*", &["GET"], Authenticate::None),
        route("/login", &["GET"], Authenticate::None),
        route("/api/v1", &["GET"], Authenticate::Certificate),
        route("/api/v1.1", &["GET"], Authenticate::Certificate),
        route("/admin/*", &["GET"], Authenticate::Certificate),
    ]);
    for path in ["/login.css", "/api/v1x", "/api/v2.0", "/admin-x", "/administrator.html"] {
        assert!(routes.find(&Method::GET, path).is_ok(), "{path}");
    }
    for path in ["/api/v1.json", "/api/v1.1.json", "/admin.json", "/ADMIN~1", "/admin~1/x", "/API~1/v1"] {
        assert_eq!(routes.find(&Method::GET, path).err(), Some(RouteError::Ambiguous), "{path}");
    }
}

#[test]
fn paths_after_a_script_are_matched() {
    let routes = routes();
    for path in [
        "/index.php/oauth/token",
        "/a.php/b.php/oauth/token",
        "/a.php/x/b.cgi/oauth/token.json",
        "/a.php/b/c.php/d/e.php/f/g.aspx/oauth/token",
    ] {
        assert_eq!(routes.find(&Method::POST, path).err(), Some(RouteError::Ambiguous), "{path}");
    }
}

#[test]
fn ambiguous_paths_are_refused_under_a_subtree() {
    let routes = Routes::new([route("/*", &["GET"], Authenticate::None)]);
    for path in [
        "/%",
        "/a%",
        "/a%2",
        "/a%zz",
        "/%u0074",
        "/%25u0074",
        "/%c1%b4",
        "/%25c1%25b4",
        "/%e0%81%b4",
        "/caf%E9",
        "/%ff",
        "/%252574",
        "/%%37%34",
        "/%00",
        "/a%2500",
        "/a%0d%0ab",
        "/a%7f",
        "/a%c2%85",
        "/%EF%BC%8574",
        "/...",
        "/%2e%2e%2e/x",
        "/%E2%80%A5/x",
        "/.%E2%80%8C./x",
        "/a;%2fx/b",
        "/a;\\x/b",
        "/%EF%BC%8Fx/y",
    ] {
        assert_eq!(routes.find(&Method::GET, path).err(), Some(RouteError::Ambiguous), "{path}");
    }
}

#[test]
fn a_path_under_a_subtree_is_bounded_and_decoded_twice_at_most() {
    let routes = routes();
    let nested = |times: usize| format!("/oauth/%{}74oken", "25".repeat(times));
    assert_eq!(routes.find(&Method::POST, &nested(16_000)).err(), Some(RouteError::TooLong(LONGEST)));
    for times in 0..LONGEST / 2 - 10 {
        assert_eq!(routes.find(&Method::POST, &nested(times)).err(), Some(RouteError::Ambiguous), "{times}");
    }
    // What is compared is at most eleven times as long as the longest path, whatever it folds to.
    let widest = format!("/{}", "\u{fdfa}".repeat((LONGEST - 1) / 3));
    assert!(fold::folded(&widest).len() <= LONGEST * 11);
    assert!(routes.find(&Method::POST, &widest).is_ok());
    let many = format!("/{}", "a.php/".repeat(LONGEST / 6 - 1));
    assert_eq!(routes.find(&Method::POST, &many).err(), Some(RouteError::Ambiguous));
}

/// What some server does to a path before it looks for what to serve.
const HABITS: [fn(&str) -> String; 21] = [
    |path| decode(path, false),
    |path| decode(path, false),
    |path| decode(path, true),
    |path| path.to_ascii_lowercase(),
    |path| path.to_lowercase(),
    |path| path.to_uppercase().to_lowercase(),
    |path| unicode_normalization::UnicodeNormalization::nfkc(path).collect(),
    |path| path.replace('\\', "/"),
    |path| path.replace('+', " "),
    |path| path.split('\0').next().unwrap().to_owned(),
    |path| path.split(['?', '#']).next().unwrap().to_owned(),
    // Parameters: of each segment, or with all that follows.
    |path| by_segment(path, |segment| segment.split(';').next().unwrap()),
    |path| path.split(';').next().unwrap().to_owned(),
    // Windows: dots, blanks and streams at the end of a name.
    |path| by_segment(path, |segment| segment.trim_end_matches(['.', ' '])),
    |path| by_segment(path, |segment| segment.split("::").next().unwrap()),
    |path| by_segment(path, str::trim),
    // Extensions: the last one, or all.
    |path| match path.rsplit_once('.') {
        Some((name, end)) if !end.contains('/') && !name.ends_with('/') => name.to_owned(),
        _ => path.to_owned(),
    },
    // Slashes merged, and dot segments resolved.
    |path| {
        let mut kept: Vec<&str> = Vec::new();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(kept.pop()),
                other => kept.push(other),
            }
        }
        format!("/{}", kept.join("/"))
    },
    // The target resolved as a reference.
    |path| match path.strip_prefix("//") {
        Some(rest) => rest.find('/').map_or_else(|| "/".to_owned(), |at| rest[at..].to_owned()),
        None => path.to_owned(),
    },
    // A front controller.
    |path| path.split_once(".php/").map_or_else(|| path.to_owned(), |(_, asked)| format!("/{asked}")),
    // What nobody sees is dropped, as HFS+ does.
    |path| path.chars().filter(|c| !matches!(c, '\u{200b}' | '\u{200c}' | '\u{feff}' | '\u{301}')).collect(),
];

fn by_segment(path: &str, tidy: impl Fn(&str) -> &str) -> String {
    path.split('/').map(tidy).collect::<Vec<_>>().join("/")
}

/// Decodes leniently: what is no escape stays. `odd` knows IIS's `%u0074` and overlong UTF-8, and drops what it can't read.
fn decode(path: &str, odd: bool) -> String {
    let mut bytes = Vec::new();
    let mut at = 0;
    let digits =
        |from: usize, to: usize| path.get(from..to).and_then(|text| u32::from_str_radix(text, 16).ok());
    while let Some(first) = path.as_bytes().get(at) {
        let wide = odd && path.get(at..at + 2).is_some_and(|start| start.eq_ignore_ascii_case("%u"));
        if let Some(c) = digits(at + 2, at + 6).and_then(char::from_u32).filter(|_| wide) {
            bytes.extend(c.to_string().bytes());
            at += 6;
        } else if let Some(byte) = digits(at + 1, at + 3).filter(|_| *first == b'%') {
            bytes.push(u8::try_from(byte).unwrap());
            at += 3;
        } else {
            bytes.push(*first);
            at += 1;
        }
    }
    if !odd {
        return String::from_utf8_lossy(&bytes).into_owned();
    }
    let mut at = 0;
    while at + 1 < bytes.len() {
        if matches!(bytes[at], 0xc0 | 0xc1) && bytes[at + 1] & 0xc0 == 0x80 {
            let plain = (bytes[at] & 1) << 6 | (bytes[at + 1] & 0x3f);
            bytes.splice(at..at + 2, [plain]);
        }
        at += 1;
    }
    bytes.utf8_chunks().map(|chunk| chunk.valid()).collect()
}

/// `/oauth/token` with something before, between and behind.
const SPELLED: &str = "(/|//|\\\\|%2f|%252f|x/|/x\\.php|/;x)?/?(oauth|OAuth|%6fauth|%256fauth|o\u{200b}auth)(|\\.|;x|%3b|%20|\\+|::\\$DATA|\\.php|;%2fx)(/|//|/\\./|/x/\\.\\./|\\\\|%2f|%255c|/;x/|/x\\.php/oauth/)(token|Token|%74oken|%2574oken|%u0074oken|%25u0074oken|%c1%b4oken|to\u{212a}en|to%e2%84%aaen|to%cc%81ken)(|\\.|\\.json|\\.a\\.b|%2ejson|;x|%3bx|;x/y|%00|%00x|%2500|%3f|%3f/y|%23|%23/y|%20|\\+|::\\$DATA|/|/x\\.|%25){0,3}";

/// Pieces of which respellings of `/oauth/token` are made.
const PIECES: &str = "(/|/|%2f|%252F|\\\\|%5c|oauth|oauth|token|token|OAUTH|Token|%6fauth|%74oken|%2574oken|%u0074oken|%c1%b4oken|\u{ff54}oken|to\u{212a}en|to%e2%84%aaen|o\u{200b}auth|to%cc%81ken|\\.|\\.\\.|%2e|\\.json|\\.do|\\.php|;x|%3bx|;|%00|%3f|%23|%20|%09|\\+|%25|%|25|::\\$DATA|x|x\\.php|~1){0,10}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn no_server_serves_a_weaker_rules_path_as_token(
        path in prop_oneof![PIECES, SPELLED],
        habits in proptest::collection::vec(0..HABITS.len(), 0..7),
    ) {
        let path = format!("/{path}");
        let passed = routes().find(&Method::POST, &path).map(|route| route.authenticate);
        if path.len() <= LONGEST && matches!(passed, Ok(Authenticate::None | Authenticate::Certificate)) {
            let mut served = path.clone();
            prop_assert_ne!(&served, "/oauth/token");
            for habit in &habits {
                served = HABITS[*habit](&served);
                prop_assert_ne!(&served, "/oauth/token", "{} {:?}", path, habits);
            }
        }
    }

    #[test]
    fn no_respelling_of_token_passes_under_a_weaker_rule(
        spelling in "[oO\u{ff4f}](a|A|%61|%2561)(u|U)(t|%74|\u{167})(h|H)(;[a-z]{0,3}|\\.|%20| |%2e){0,2}(/|//|/;x/|%2f|\\\\|/%20/|/\u{200b}/|\u{2215})(t|T|\u{ff34})(o|%6F|\u{f6})(k|\u{212a}|%e2%84%aa)(e|E)n(|/|\\.|\\.json|\\.html|\\.do|\\.xml|\\.tar\\.gz|%20|\\+|;a=b|;a=b\\.json|\\.json;x|%00|%00\\.html|%3f|%3fx/y|%23/y|::\\$DATA|:\\$DATA|%25|%3bx/y|~1)",
        before in "(|/|//|/x\\.php/|/index\\.php/|/%20/|/;/)",
    ) {
        let path = if before.is_empty() { format!("/{spelling}") } else { format!("{before}{spelling}") };
        prop_assume!(path != "/oauth/token");
        let found = routes().find(&Method::POST, &path).map(|route| route.authenticate);
        // The one spelling that names another file than `token`, which is too short to have a short name of its own.
        prop_assert!(found.is_err(), "{path}: {found:?}");
    }

    #[test]
    fn no_path_panics(path in "\\PC{0,40}") {
        let _ = routes().find(&Method::POST, &format!("/{path}"));
    }
}
