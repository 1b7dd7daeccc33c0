package dev.aril.admin;

import dev.aril.tenancy.Role;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;

/**
 * A token made at each start for the commands of this machine: whoever may read the data folder's
 * private file owns the server already. It ends with the process.
 */
final class MachineToken {
    static final LoggedIn OWNER = LoggedIn.elsewhere("owner", "owner", Role.ADMIN);

    private final String token;

    MachineToken(SecureRandom random) {
        byte[] secret = new byte[32];
        random.nextBytes(secret);
        this.token = "arilm_" + Base64.getUrlEncoder().withoutPadding().encodeToString(secret);
    }

    boolean matches(String presented) {
        return MessageDigest.isEqual(
                token.getBytes(StandardCharsets.UTF_8), presented.getBytes(StandardCharsets.UTF_8));
    }

    /** The token itself, for the private file. */
    String reveal() {
        return token;
    }
}
