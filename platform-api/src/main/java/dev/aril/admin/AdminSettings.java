package dev.aril.admin;

import java.net.URI;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;

/**
 * The administration plane's settings, under {@code aril.admin.}; defaults and comments are in
 * {@code application.yml}.
 *
 * @param url where browsers reach this server; needed to log in by OpenID Connect
 * @param secureCookies whether the session's cookie is sent over TLS only
 * @param sessionIdle a session unused for so long ends
 * @param sessionMost a session ends after so long in any case
 * @param issuers OpenID Connect issuers whose tokens are believed; no other is
 */
@ConfigurationProperties("aril.admin")
public record AdminSettings(
        @Nullable URI url,
        boolean secureCookies,
        Duration sessionIdle,
        Duration sessionMost,
        @DefaultValue List<Issuer> issuers) {

    public AdminSettings {
        for (Issuer issuer : issuers) {
            if (issuer.clientId() != null && url == null) {
                throw new IllegalArgumentException(
                        "aril.admin.url must be set for issuer "
                                + issuer.name()
                                + ": it is the address the issuer sends browsers back to");
            }
        }
        if (issuers.stream().map(Issuer::name).distinct().count() < issuers.size()
                || issuers.stream().map(Issuer::issuer).distinct().count() < issuers.size()) {
            throw new IllegalArgumentException(
                    "aril.admin.issuers must differ in name and in issuer");
        }
    }

    /**
     * One issuer.
     *
     * @param name in URLs and on the log-in page
     * @param issuer the {@code iss} of its tokens, exactly; its discovery document is below it
     * @param audience what {@code aud} of an access token must hold; a token that was made for
     *     another application is refused
     * @param clientId for the log-in page; null leaves the issuer to the API alone
     * @param clientSecret null for a public client
     */
    public record Issuer(
            String name,
            String issuer,
            String audience,
            @Nullable String clientId,
            @Nullable String clientSecret) {
        public Issuer {
            if (!name.matches("[a-z0-9-]{1,32}")) {
                throw new IllegalArgumentException(
                        "aril.admin.issuers: name must be 1 to 32 lower-case letters, digits and"
                                + " hyphens, not "
                                + name);
            }
            if (audience.isBlank()) {
                throw new IllegalArgumentException(
                        "aril.admin.issuers: audience of " + name + " must not be empty");
            }
        }
    }
}
