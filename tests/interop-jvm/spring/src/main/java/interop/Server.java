package interop;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jose.jwk.source.ImmutableJWKSet;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.proc.SecurityContext;
import java.security.cert.CertificateException;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.core.Ordered;
import org.springframework.core.env.Environment;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.server.authorization.client.RegisteredClientRepository;
import org.springframework.security.oauth2.server.authorization.settings.AuthorizationServerSettings;
import org.springframework.security.oauth2.server.authorization.token.JwtEncodingContext;
import org.springframework.security.oauth2.server.authorization.token.OAuth2TokenCustomizer;
import org.springframework.security.web.SecurityFilterChain;

/** An authorization server behind the edge, with Spring's defaults but for what is here. */
@SpringBootApplication
public class Server {
    public static void main(String[] arguments) {
        SpringApplication.run(Server.class, arguments);
    }

    @Bean
    SecurityFilterChain endpoints(HttpSecurity http) {
        return http
            .oauth2AuthorizationServer(server -> server.pushedAuthorizationRequestEndpoint(endpoint -> {}))
            .authorizeHttpRequests(requests -> requests.anyRequest().authenticated())
            .build();
    }

    @Bean
    AuthorizationServerSettings settings(Environment environment) {
        return AuthorizationServerSettings.builder().issuer(environment.getRequiredProperty("interop.issuer")).build();
    }

    @Bean
    RegisteredClientRepository clients(Environment environment) {
        return Clients.of(environment);
    }

    /** Before everything else, so that Spring finds the certificate where a TLS connection would have put it. */
    @Bean
    FilterRegistrationBean<CertificateFilter> certificate(Environment environment) throws CertificateException {
        var registration = new FilterRegistrationBean<>(new CertificateFilter(environment.getRequiredProperty("interop.client-cas")));
        registration.setOrder(Ordered.HIGHEST_PRECEDENCE);
        return registration;
    }

    @Bean
    JWKSource<SecurityContext> signingKey() throws JOSEException {
        ECKey key = new ECKeyGenerator(Curve.P_256).keyID("server").generate();
        return new ImmutableJWKSet<>(new JWKSet(key));
    }

    /** Spring signs with RS256 unless asked otherwise. */
    @Bean
    OAuth2TokenCustomizer<JwtEncodingContext> algorithm() {
        return context -> context.getJwsHeader().algorithm(SignatureAlgorithm.ES256);
    }
}
