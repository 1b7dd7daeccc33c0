package dev.aril.tenancy;

import java.nio.charset.StandardCharsets;
import java.security.SecureRandom;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.zip.CRC32;

/**
 * A key's text: {@code aril_<key id>_<secret><checksum>}, base 62.
 *
 * <p>The prefix lets secret scanners find leaked keys. The checksum (CRC-32 of all before it) lets
 * a mistyped or invented key be refused without asking the database; it protects nothing else.
 *
 * @param keyId 12 characters, public
 * @param secret 43 characters, 256 bits
 */
record BearerKey(String keyId, String secret) {
    private static final String ALPHABET =
            "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    private static final int KEY_ID = 12;
    private static final int SECRET = 43;
    private static final int CHECKSUM = 6;
    private static final int LENGTH = "aril_".length() + KEY_ID + 1 + SECRET + CHECKSUM;
    private static final Pattern FORM =
            Pattern.compile("aril_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})([0-9A-Za-z]{6})");

    static BearerKey random(SecureRandom random) {
        return random(characters(KEY_ID, random), random);
    }

    /** A new secret under a key id that is there. */
    static BearerKey random(String keyId, SecureRandom random) {
        return new BearerKey(keyId, characters(SECRET, random));
    }

    /** Empty unless the form and the checksum are right. */
    static Optional<BearerKey> parse(String presented) {
        if (presented.length() != LENGTH) {
            return Optional.empty();
        }
        Matcher m = FORM.matcher(presented);
        if (!m.matches()) {
            return Optional.empty();
        }
        BearerKey key = new BearerKey(m.group(1), m.group(2));
        return key.checksum().equals(m.group(3)) ? Optional.of(key) : Optional.empty();
    }

    /** The whole key, for its owner's eyes. */
    String reveal() {
        return body() + checksum();
    }

    /** What is hashed: the key id with the secret, so that a hash fits one row only. */
    byte[] hashed() {
        return body().getBytes(StandardCharsets.US_ASCII);
    }

    @Override
    public String toString() {
        return "aril_" + keyId + "_…";
    }

    private String body() {
        return "aril_" + keyId + "_" + secret;
    }

    private String checksum() {
        CRC32 crc = new CRC32();
        crc.update(hashed());
        long rest = crc.getValue();
        char[] out = new char[CHECKSUM];
        for (int i = CHECKSUM - 1; i >= 0; i--) {
            out[i] = ALPHABET.charAt((int) (rest % ALPHABET.length()));
            rest /= ALPHABET.length();
        }
        return new String(out);
    }

    private static String characters(int count, SecureRandom random) {
        StringBuilder out = new StringBuilder(count);
        for (int i = 0; i < count; i++) {
            out.append(ALPHABET.charAt(random.nextInt(ALPHABET.length())));
        }
        return out.toString();
    }
}
