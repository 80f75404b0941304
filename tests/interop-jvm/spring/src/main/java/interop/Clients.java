package interop;

import java.util.function.Consumer;
import org.springframework.core.env.Environment;
import org.springframework.security.oauth2.core.AuthorizationGrantType;
import org.springframework.security.oauth2.core.ClientAuthenticationMethod;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.server.authorization.client.InMemoryRegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClient;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.ClientSettings;
import org.springframework.security.oauth2.server.authorization.settings.TokenSettings;

/** The registered clients: one for each method, with keys and names that the test passes as properties. */
final class Clients {
    private final Environment environment;

    private Clients(Environment environment) {
        this.environment = environment;
    }

    static RegisteredClientRepository of(Environment environment) {
        var clients = new Clients(environment);
        return new InMemoryRegisteredClientRepository(
            clients.client("payments", ClientAuthenticationMethod.TLS_CLIENT_AUTH, true,
                settings -> settings.x509CertificateSubjectDN(environment.getRequiredProperty("interop.payments-dn"))),
            clients.client("billing", ClientAuthenticationMethod.SELF_SIGNED_TLS_CLIENT_AUTH, true, clients.keys("billing")),
            clients.signing("rs256", SignatureAlgorithm.RS256, false),
            clients.signing("ps256", SignatureAlgorithm.PS256, false),
            clients.signing("es256", SignatureAlgorithm.ES256, false),
            clients.signing("bound", SignatureAlgorithm.PS256, true),
            clients.client("basic", ClientAuthenticationMethod.CLIENT_SECRET_BASIC, false, settings -> {}));
    }

    private RegisteredClient signing(String id, SignatureAlgorithm algorithm, boolean bound) {
        return client(id, ClientAuthenticationMethod.PRIVATE_KEY_JWT, bound,
            keys(id).andThen(settings -> settings.tokenEndpointAuthenticationSigningAlgorithm(algorithm)));
    }

    /** Where Spring fetches the client's keys: it takes a URL only. */
    private Consumer<ClientSettings.Builder> keys(String id) {
        return settings -> settings.jwkSetUrl(environment.getRequiredProperty("interop.jwks") + "/" + id);
    }

    private String secret() {
        return "{noop}" + environment.getRequiredProperty("interop.secret");
    }

    private RegisteredClient client(
            String id, ClientAuthenticationMethod method, boolean bound, Consumer<ClientSettings.Builder> change) {
        var settings = ClientSettings.builder();
        change.accept(settings);
        return RegisteredClient.withId(id)
            .clientId(id)
            .clientSecret(method == ClientAuthenticationMethod.CLIENT_SECRET_BASIC ? secret() : null)
            .clientAuthenticationMethod(method)
            .authorizationGrantType(AuthorizationGrantType.CLIENT_CREDENTIALS)
            .authorizationGrantType(AuthorizationGrantType.AUTHORIZATION_CODE)
            .redirectUri(environment.getRequiredProperty("interop.redirect-uri"))
            .scope("read")
            .clientSettings(settings.build())
            .tokenSettings(TokenSettings.builder().x509CertificateBoundAccessTokens(bound).build())
            .build();
    }
}
