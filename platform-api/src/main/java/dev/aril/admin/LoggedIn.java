package dev.aril.admin;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Role;
import java.io.Serializable;
import java.net.InetSocketAddress;
import org.jspecify.annotations.Nullable;
import org.springframework.http.server.reactive.ServerHttpRequest;

/**
 * Who is logged in on the administration plane.
 *
 * @param name as the audit log has it: an account's name, {@code oidc:ISSUER:SUBJECT}, or {@code
 *     owner}
 * @param shown for people
 * @param account the local account's name, null for others
 * @param revision the local account's at log-in
 */
record LoggedIn(String name, String shown, Role role, @Nullable String account, long revision)
        implements Serializable {
    static LoggedIn of(Account account) {
        return new LoggedIn(
                account.name(), account.name(), account.role(), account.name(), account.revision());
    }

    static LoggedIn elsewhere(String name, String shown, Role role) {
        return new LoggedIn(name, shown, role, null, 0);
    }

    /** As the audit log wants it. */
    Actor actor(ServerHttpRequest request) {
        String door = request.getPath().value().startsWith("/admin/api/") ? "api" : "dashboard";
        return new Actor(cut(name), cut(door + " " + address(request)));
    }

    /** The client's address; what proxies claim in headers is not believed. */
    static String address(ServerHttpRequest request) {
        InetSocketAddress remote = request.getRemoteAddress();
        return remote == null || remote.getAddress() == null
                ? "unknown"
                : remote.getAddress().getHostAddress();
    }

    private static String cut(String text) {
        return text.length() <= 200 ? text : text.substring(0, 200);
    }
}
