package dev.aril.admin;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.aril.tenancy.Account;
import dev.aril.tenancy.Accounts;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.springframework.security.crypto.factory.PasswordEncoderFactories;
import org.springframework.security.crypto.password.PasswordEncoder;
import org.springframework.stereotype.Component;

/**
 * Hashes and checks local accounts' passwords, slowly on purpose. That a password fits a stored
 * hash is remembered for a minute, under a key that lives as long as this process: HTTP Basic sends
 * it with each request. A changed password has another hash, and so is not remembered.
 */
@Component
final class Passwords {
    private static final int LEAST = 12;
    private static final int MOST = 200;

    /** bcrypt reads no more bytes than these. */
    private static final int MOST_BYTES = 72;

    static final String RULE =
            "text of " + LEAST + " to " + MOST + " characters and at most 72 bytes of UTF-8";

    private static final String ALPHABET =
            "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

    private final Accounts accounts;
    private final PasswordEncoder encoder =
            PasswordEncoderFactories.createDelegatingPasswordEncoder();
    private final SecureRandom random = new SecureRandom();
    private final SecretKeySpec memory;
    private final String nobodys;

    /** More at once would not be quicker, but would leave no core to the model. */
    private final Semaphore hashing =
            new Semaphore(Math.max(1, Runtime.getRuntime().availableProcessors() / 2));

    private final Cache<String, Boolean> fits =
            Caffeine.newBuilder().maximumSize(1000).expireAfterWrite(Duration.ofMinutes(1)).build();

    Passwords(Accounts accounts) {
        this.accounts = accounts;
        byte[] key = new byte[32];
        random.nextBytes(key);
        this.memory = new SecretKeySpec(key, "HmacSHA256");
        this.nobodys = hash(generate());
    }

    /** The account, if the password is its and it may log in. Blocks on SQL and on hashing. */
    Optional<Account> check(String name, String password) {
        Optional<Account> account =
                name.length() > 63 || name.indexOf('\0') >= 0
                        ? Optional.empty()
                        : accounts.find(name);
        // Hashed also when there is no such account, so that the time does not tell.
        boolean right = fits(password, account.map(Account::passwordHash).orElse(nobodys));
        return account.filter(found -> right && found.disabledAt() == null);
    }

    String hash(String password) {
        hashing.acquireUninterruptibly();
        try {
            return Objects.requireNonNull(encoder.encode(password), "a hash");
        } finally {
            hashing.release();
        }
    }

    /** 24 characters, 139 bits. */
    String generate() {
        StringBuilder out = new StringBuilder(24);
        for (int i = 0; i < 24; i++) {
            out.append(ALPHABET.charAt(random.nextInt(ALPHABET.length())));
        }
        return out.toString();
    }

    /**
     * @throws AdminRefusal if a password is too short or too long
     */
    static String accepted(String password) {
        if (password.length() < LEAST
                || password.length() > MOST
                || password.getBytes(StandardCharsets.UTF_8).length > MOST_BYTES) {
            throw Fields.refused(
                    "password", "password has " + password.length() + " characters.", RULE);
        }
        return password;
    }

    private boolean fits(String password, String hash) {
        if (password.getBytes(StandardCharsets.UTF_8).length > MOST_BYTES) {
            return false;
        }
        String together = fingerprint(password, hash);
        if (fits.getIfPresent(together) != null) {
            return true;
        }
        hashing.acquireUninterruptibly();
        try {
            boolean right = encoder.matches(password, hash);
            if (right) {
                fits.put(together, true);
            }
            return right;
        } finally {
            hashing.release();
        }
    }

    private String fingerprint(String password, String hash) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(memory);
            mac.update(hash.getBytes(StandardCharsets.UTF_8));
            mac.update((byte) 0);
            return HexFormat.of().formatHex(mac.doFinal(password.getBytes(StandardCharsets.UTF_8)));
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("every Java platform has HmacSHA256", e);
        }
    }
}
