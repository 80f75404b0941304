// Posts the cases with Java's HttpClient, and prints the answers, and the errors with their causes.
// Over HTTP/2, its default: when it reads GOAWAY, it discards the requests of that connection which it has not finished.
import java.io.FileInputStream;
import java.net.URI;
import java.net.http.*;
import java.nio.ByteBuffer;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import java.util.concurrent.SubmissionPublisher;
import javax.net.ssl.*;

public class Client {
    static final char[] PASSWORD = "changeit".toCharArray();

    static SSLContext tls(String ca, String certificate) throws Exception {
        KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null);
        try (FileInputStream pem = new FileInputStream(ca)) {
            trusted.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        KeyManager[] own = null;
        if (!certificate.isEmpty()) {
            KeyStore store = KeyStore.getInstance("PKCS12");
            try (FileInputStream file = new FileInputStream(certificate.replace(".pem", ".p12"))) {
                store.load(file, PASSWORD);
            }
            KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, PASSWORD);
            own = keys.getKeyManagers();
        }
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own, trust.getTrustManagers(), null);
        return context;
    }

    /** A body whose second half comes too late. */
    static HttpRequest.BodyPublisher slowly(String body) {
        String[] halves = { body.substring(0, body.length() / 2), body.substring(body.length() / 2) };
        var publisher = new SubmissionPublisher<ByteBuffer>();
        new Thread(() -> {
            try {
                while (publisher.getNumberOfSubscribers() == 0) Thread.sleep(10);
                for (String half : halves) {
                    publisher.submit(ByteBuffer.wrap(half.getBytes()));
                    Thread.sleep(1000);
                }
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
            publisher.close();
        }).start();
        return HttpRequest.BodyPublishers.fromPublisher(publisher);
    }

    static String post(String[] fields) throws Exception {
        String host = fields[4], body = fields[5];
        var publisher = fields[6].isEmpty() ? HttpRequest.BodyPublishers.ofString(body) : slowly(body);
        var request = HttpRequest.newBuilder(URI.create(fields[0])).header("Content-Type", "application/x-www-form-urlencoded").POST(publisher);
        if (!host.isEmpty()) request.header("Host", host);
        var client = HttpClient.newBuilder().sslContext(tls(fields[1], fields[2])).build();
        var answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
        return answer.statusCode() + " " + answer.body();
    }

    static String json(String text) {
        return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + '"';
    }

    public static void main(String[] words) throws Exception {
        System.setProperty("jdk.httpclient.allowRestrictedHeaders", "host");
        for (String line : Files.readAllLines(Path.of(words[0]))) {
            String[] fields = line.split("\t", -1);
            for (int number = 0; number < Integer.parseInt(fields[7]); number++) {
                String said;
                try {
                    said = post(fields);
                } catch (Exception error) {
                    StringBuilder text = new StringBuilder();
                    for (Throwable cause = error; cause != null; cause = cause.getCause())
                        text.append(text.isEmpty() ? "" : " <- ").append(cause.getClass().getSimpleName()).append(": ").append(cause.getMessage());
                    said = text.toString();
                }
                System.out.println(json(said));
            }
        }
        System.exit(0);
    }
}
