//! The names that are always reserved, each for the reason beside it.
//!
//! Where a product has a whole family of names, the family is reserved: the next release adds a name.

/// Beginnings of families of names.
pub(super) const PREFIXES: &[&str] = &[
    // -For, -Host, -Proto, -Port, -Prefix, -Server, -Ssl, -Scheme, -By, -User, -Client-Cert, -Tls-Client-Cert:
    // authorization servers build issuer and endpoint addresses from these.
    "x-forwarded-",
    // nginx, ingress-nginx and mod_ssl configurations have many more than the four of our profile.
    "ssl-client-",
    // HAProxy's and F5's examples: X-SSL-Client-Cert, -CN, -Verify, X-SSL-Cert, X-SSL-Issuer.
    "x-ssl-",
    // Caddy's and Gloo's examples, and Azure Application Gateway's rewrites.
    "x-tls-client-",
    // Google Cloud's balancer (X-Client-Cert-Present, -Chain-Verified, -Hash), IBM (X-Client-Certificate).
    "x-client-cert",
    // AWS Application Load Balancer: what it says of the client's certificate, and of the connection.
    "x-amzn-mtls-",
    "x-amzn-tls-",
    // Amazon CloudFront, viewer mTLS.
    "cloudfront-viewer-cert-",
    // Cloudflare, mTLS forwarding (Cf-Client-Cert-Der-Base64, -Sha256).
    "cf-client-cert-",
    // Oracle WebLogic takes the client's certificate and address from WL-Proxy-Client-Cert and -IP.
    "wl-proxy-",
    // IBM WebSphere's plug-in speaks to it in $WSCC (the client's certificate), $WSRA (its address), ...
    "$ws",
    // ingress-nginx (X-Original-Forwarded-For), IIS (X-Original-URL), ASP.NET (X-Original-Proto, -Host).
    "x-original-",
];

/// Names.
pub(super) const EXACT: &[&str] = &[
    // RFC 7239: the standard form of X-Forwarded-*.
    "forwarded",
    // Auth0's key to a custom domain: with it, a client could pass for an edge.
    "cname-api-key",
    // What proxies and CDNs call the client's address; servers rate-limit and audit by it.
    "client-ip",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "x-remote-ip",
    "x-remote-addr",
    "true-client-ip",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "fastly-client-ip",
    "fly-client-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-appengine-user-ip",
    "x-envoy-external-address",
    // IIS, Symfony and Zend take the path to serve from it (X-Original-URL is in a family above).
    "x-rewrite-url",
    // Frameworks take the host from it, and with it the issuer.
    "x-host",
    // Frameworks take the scheme from these.
    "x-scheme",
    "x-url-scheme",
    "front-end-https",
    // WSGI servers take the path under which the application is mounted from it.
    "x-script-name",
    // The method that the route list allowed must be the one that is served.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    // CGI makes HTTP_PROXY of it, which HTTP clients take for their proxy (CVE-2016-5385).
    "proxy",
    // The client's certificate as IIS and Azure App Service hand it on.
    "x-arr-clientcert",
    // Gravitee's default.
    "x-clientcert",
    "x-ssl",
    // The user whom a proxy authenticated: Keycloak's, Jenkins' and Grafana's proxy logins.
    "remote-user",
    "x-remote-user",
    "x-webauth-user",
];
