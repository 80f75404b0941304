package interop;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.List;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * Reads what the edge vouches for in its profile {@code nginx}, and puts it where Spring looks for the certificates of a
 * TLS connection.
 *
 * <p>Spring distinguishes the two methods of RFC 8705 by the length of the chain: one certificate is self-signed, more are
 * issued by a CA. Where the edge says SUCCESS, the CA that issued the certificate is added; clients may send the leaf alone.
 */
final class CertificateFilter extends OncePerRequestFilter {
    private static final String ATTRIBUTE = "jakarta.servlet.request.X509Certificate";

    private final CertificateFactory factory = CertificateFactory.getInstance("X.509");
    private final List<X509Certificate> authorities;

    CertificateFilter(String authoritiesFile) throws CertificateException {
        try (InputStream file = Files.newInputStream(Path.of(authoritiesFile))) {
            authorities = factory.generateCertificates(file).stream().map(X509Certificate.class::cast).toList();
        } catch (IOException error) {
            throw new CertificateException(error);
        }
    }

    @Override
    protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain next)
            throws ServletException, IOException {
        String header = request.getHeader("ssl-client-cert");
        if (header != null) {
            try {
                request.setAttribute(ATTRIBUTE, chain(header, "SUCCESS".equals(request.getHeader("ssl-client-verify"))));
            } catch (GeneralSecurityException error) {
                response.sendError(HttpServletResponse.SC_BAD_REQUEST);
                return;
            }
        }
        next.doFilter(request, response);
    }

    private X509Certificate[] chain(String header, boolean issued) throws GeneralSecurityException {
        // URLDecoder would read a plus sign of the base64 as a space.
        String pem = URLDecoder.decode(header.replace("+", "%2B"), StandardCharsets.US_ASCII);
        var leaf = (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(pem.getBytes(StandardCharsets.US_ASCII)));
        if (!issued) {
            return new X509Certificate[] {leaf};
        }
        for (X509Certificate authority : authorities) {
            if (isIssuer(authority, leaf)) {
                return new X509Certificate[] {leaf, authority};
            }
        }
        throw new CertificateException("no known CA issued the certificate");
    }

    private static boolean isIssuer(X509Certificate authority, X509Certificate leaf) {
        try {
            leaf.verify(authority.getPublicKey());
            return authority.getSubjectX500Principal().equals(leaf.getIssuerX500Principal());
        } catch (GeneralSecurityException error) {
            return false;
        }
    }
}
