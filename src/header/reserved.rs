//! The header names that are always removed from requests, each with its reason.
//!
//! Where a product has a family of names, its prefix is reserved, since a later release may add a name. Names are compared
//! folded, so each includes all its spellings (`SM_USER`, `Sm-User`, `sm.user`).

/// Prefixes of families of names.
pub const PREFIXES: &[&str] = &[
    // -For, -Host, -Proto, -Port, -Prefix, -Server, -Ssl, -Scheme, -By, -User, -Client-Cert, -Tls-Client-Cert:
    // authorization servers build issuer and endpoint addresses from these.
    "x-forwarded-",
    // ingress-nginx (X-Original-Forwarded-For), IIS (X-Original-URL), ASP.NET (X-Original-Proto, -Host).
    "x-original-",
    // IIS, Symfony and Zend: X-Rewrite-URL is the path to serve.
    "x-rewrite-",
    // nginx: X-Real-IP, and -Port, -Scheme, -Host by analogy.
    "x-real-",
    //
    // The client's certificate, and its verification.
    //
    // Configurations of nginx, ingress-nginx and mod_ssl use many more than the four of the `nginx` profile.
    "ssl-client-",
    // SSL-Cert, SSL-Certificate, and mod_ssl's other variables.
    "ssl-cert",
    "ssl-cipher",
    "ssl-protocol",
    "ssl-session-",
    "ssl-verif",
    // HAProxy's and F5's examples: X-SSL-Client-Cert, -CN, -Verify, X-SSL-Cert, X-SSL-Issuer.
    "x-ssl-",
    // Caddy's and Gloo's examples, and Azure Application Gateway's rewrites.
    "x-tls-",
    "tls-client-",
    // Google Cloud's balancer (X-Client-Cert-Present, -Chain-Verified, -Hash), IBM (X-Client-Certificate),
    // and the examples of many manuals.
    "x-client-cert",
    "x-client-dn",
    "x-client-fingerprint",
    "x-client-i-dn",
    "x-client-issuer",
    "x-client-mtls",
    "x-client-s-dn",
    "x-client-san-",
    "x-client-serial",
    "x-client-ssl",
    "x-client-subject",
    "x-client-thumbprint",
    "x-client-tls",
    "x-client-verif",
    "x-cert",
    // API gateways: X-MTLS-Client-Cert, -Subject, -Verified, MTLS-Cert.
    "x-mtls-",
    "mtls-",
    "x-mutual-tls",
    "x-peer-cert",
    "peer-cert",
    // Gravitee's default, X-ClientCert, and similar names.
    "x-clientcert",
    // WSO2: X-WSO2-MTLS-CERT, X-WSO2-CLIENT-CERTIFICATE.
    "x-wso2-",
    // Keycloak's default prefix for a chain (CERT_CHAIN_0), IIS's server variables (CERT_SUBJECT, CERT_ISSUER).
    "cert-",
    // AWS Application Load Balancer: the client's certificate, the connection, the user.
    "x-amzn-mtls-",
    "x-amzn-tls-",
    "x-amzn-oidc-",
    // Amazon CloudFront: the viewer's certificate, address, scheme.
    "cloudfront-",
    // Cloudflare: mTLS forwarding (Cf-Client-Cert-Der-Base64, -Sha256), the address, who passed its Access.
    "cf-client-cert-",
    "cf-connecting-",
    "cf-access-authenticated-",
    "cf-access-jwt-",
    // Oracle WebLogic takes the client's certificate and address from WL-Proxy-Client-Cert and -IP.
    "wl-proxy-",
    // IBM WebSphere's plug-in speaks to it in $WSCC (the client's certificate), $WSRA (its address), ...
    "$ws",
    // IIS with Application Request Routing and Azure App Service: X-ARR-ClientCert, X-ARR-SSL.
    "x-arr-",
    // IIS in front of ASP.NET Core and of node: MS-ASPNETCORE-CLIENTCERT, -TOKEN; X-iisnode-AUTH_USER.
    "ms-aspnetcore-",
    "x-iisnode-",
    //
    // The origin of the request.
    //
    // Envoy trusts these from internal callers: X-Envoy-Internal, -Original-Path, -External-Address, -Retry-On.
    "x-envoy-",
    // Linkerd: L5d-Client-Id is the workload's identity.
    "l5d-",
    "x-spiffe-",
    // Imperva: Incap-Client-IP.
    "incap-",
    // Azure Front Door: X-Azure-ClientIP, -SocketIP, and -FDID, by which an origin recognizes its own Front Door.
    "x-azure-",
    // Google App Engine: X-AppEngine-User-Email, -User-IP, -Inbound-Appid.
    "x-appengine-",
    // Cloud Foundry: X-CF-Proxy-Signature, X-CF-Forwarded-Url.
    "x-cf-",
    // Next.js skips its middleware for X-Middleware-Subrequest (CVE-2025-29927), and serves the path in X-Matched-Path or
    // X-Invoke-Path where its router runs elsewhere.
    "x-middleware-",
    "x-invoke-",
    // Vercel: X-Vercel-Forwarded-For, -IP-Country.
    "x-vercel-",
    // Azure App Service: X-WAWS-Unencoded-URL, the path as it was sent.
    "x-waws-",
    // Rack::Sendfile takes a mapping of paths from X-Accel-Mapping (CVE-2025-61780).
    "x-accel-",
    //
    // The user or client that a proxy has authenticated.
    //
    // Azure App Service: X-MS-CLIENT-PRINCIPAL, -ID, -NAME, X-MS-TOKEN-AAD-ID-TOKEN.
    "x-ms-client-principal",
    "x-ms-token-",
    // oauth2-proxy and ingress-nginx.
    "x-auth-request-",
    // Google's Identity-Aware Proxy.
    "x-goog-authenticated-user-",
    "x-goog-iap-",
    // Kong: X-Consumer-ID, X-Credential-Identifier, X-Anonymous-Consumer, X-Authenticated-Userid.
    "x-consumer-",
    "x-credential-",
    "x-anonymous-consumer",
    "x-authenticated-",
    // IBM Security Verify Access (WebSEAL): iv-user, iv-groups, iv-creds, iv-remote-address.
    "iv-",
    // SiteMinder: SM_USER, SM_USERDN, SM_AUTHTYPE.
    "sm-",
    // Authelia (Remote-User, -Groups, -Email), Keycloak's, Jenkins' and Grafana's proxy logins, Kubernetes' front proxy.
    "remote-",
    "x-remote-",
    "x-webauth-",
    // authentik, Pomerium, vouch-proxy, Tailscale.
    "x-authentik-",
    "x-pomerium-",
    "x-vouch-",
    "tailscale-user-",
    // mod_auth_openidc (OIDC_CLAIM_sub), mod_auth_mellon, Shibboleth.
    "oidc-",
    "mellon-",
    "shib-",
    // Symfony takes the user of HTTP Basic from a header of this name: Request::getUser() reads php-auth-user.
    "php-auth-",
];

/// Single names.
pub const EXACT: &[&str] = &[
    // RFC 7239: the standard form of X-Forwarded-*, and a common substitute.
    "forwarded",
    "x-forwarded",
    // Auth0's key of a custom domain: with it, a client could impersonate an edge.
    "cname-api-key",
    // The client's address, as proxies and CDNs name it; servers rate-limit and audit by it.
    "client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-originating-ip",
    "x-proxyuser-ip",
    "true-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "do-connecting-ip",
    "x-nf-client-connection-ip",
    // Frameworks take the host from these, and build the issuer from it.
    "x-host",
    "x-host-override",
    "x-http-host-override",
    "disguised-host",
    // Frameworks take the scheme from these.
    "x-scheme",
    "x-url-scheme",
    "x-proto",
    "x-https",
    "https",
    "front-end-https",
    // CGI's variables, which gateways and frameworks look for among the headers: the path under which the
    // application is mounted, the path to serve, the authenticated user and the method.
    "x-script-name",
    "script-name",
    "path-info",
    "path-translated",
    "auth-type",
    "auth-user",
    // The upstream must serve the method that the route allows.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    // Next.js: see X-Invoke-Path above.
    "x-matched-path",
    // Apache NiFi takes the user on whose behalf a proxy acts from it.
    "x-proxiedentitieschain",
    // CGI turns it into HTTP_PROXY, which HTTP clients use as their proxy (CVE-2016-5385).
    "proxy",
    "x-mtls",
    "client-dn",
    "client-serial",
    "client-verify",
    "x-client-san",
    "x-ssl",
    // Rack::Sendfile selects the meaning of X-Accel-Mapping by it.
    "x-sendfile-type",
    // Claims of a token that a gateway has verified: WSO2, Istio's examples, Google's Endpoints and API Gateway, Kong.
    "x-jwt-assertion",
    "x-jwt-payload",
    "x-endpoint-api-userinfo",
    "x-apigateway-api-userinfo",
    "x-userinfo",
    // Apache passes Authorization on under these names, and Rails and Rack read them.
    "x-http-authorization",
    "redirect-http-authorization",
];

/// Names whose other spellings are reserved: CGI and its successors store `Content_Type` and `Content-Type` in the same
/// variable, so that one could replace the other.
pub const RESPELLED: &[&str] = &[
    "content-encoding",
    "content-length",
    "content-type",
    "proxy-authorization",
    "transfer-encoding",
    "x-request-id",
];
