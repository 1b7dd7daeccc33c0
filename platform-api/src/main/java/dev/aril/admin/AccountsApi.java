package dev.aril.admin;

import dev.aril.tenancy.Account;
import dev.aril.tenancy.Accounts;
import dev.aril.tenancy.Actor;
import dev.aril.tenancy.Role;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.springframework.http.HttpStatus;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import tools.jackson.databind.node.ObjectNode;

/** /admin/api/accounts and /admin/api/oidc-rules: who may administer. */
@RestController
final class AccountsApi {
    static final String NAME =
            "1 to 63 lower-case letters, digits and the characters . _ @ -, beginning with a letter"
                    + " or digit";
    private static final String TEXT = "text of 1 to 300 characters";
    private static final Pattern FORM = Pattern.compile("[a-z0-9][a-z0-9._@-]{0,62}");

    private final Accounts accounts;
    private final Passwords passwords;

    AccountsApi(Accounts accounts, Passwords passwords) {
        this.accounts = accounts;
        this.passwords = passwords;
    }

    @GetMapping("/admin/api/me")
    @Needs(Role.VIEWER)
    ObjectNode me(LoggedIn who, Query query) {
        query.done();
        return Views.object().put("name", who.name()).put("role", who.role().text());
    }

    @GetMapping("/admin/api/accounts")
    @Needs(Role.ADMIN)
    ObjectNode list(Query query) {
        query.done();
        return Views.list(accounts.list(), Views::account);
    }

    /** Without a password one is made, and answered this once. */
    @PostMapping("/admin/api/accounts")
    @Needs(Role.ADMIN)
    @ResponseStatus(HttpStatus.CREATED)
    ObjectNode create(Actor by, Query query, Fields fields) {
        query.done();
        String name = fields.text("name", NAME);
        Role role = role(fields);
        String given = password(fields);
        fields.done();
        String password = given.isEmpty() ? passwords.generate() : given;
        ObjectNode body = Views.account(create(by, name, password, role));
        return given.isEmpty() ? body.put("password", password) : body;
    }

    /** Shared with the dashboard. */
    Account create(Actor by, String name, String password, Role role) {
        if (!FORM.matcher(name).matches()) {
            throw Fields.refused(
                    "name", "name is malformed: " + Fields.shortened(name) + ".", NAME);
        }
        return conflict("name", () -> accounts.create(by, name, passwords.hash(password), role));
    }

    @PostMapping("/admin/api/accounts/{account}/password")
    @Needs(Role.ADMIN)
    ObjectNode password(Actor by, @PathVariable String account, Query query, Fields fields) {
        query.done();
        String given = password(fields);
        fields.done();
        find(account);
        String password = given.isEmpty() ? passwords.generate() : given;
        accounts.changePassword(by, account, passwords.hash(password));
        ObjectNode body = Views.account(find(account));
        return given.isEmpty() ? body.put("password", password) : body;
    }

    @PostMapping("/admin/api/accounts/{account}/role")
    @Needs(Role.ADMIN)
    ObjectNode role(Actor by, @PathVariable String account, Query query, Fields fields) {
        query.done();
        Role role = role(fields);
        fields.done();
        return Views.account(changeRole(by, account, role));
    }

    /** Shared with the dashboard. */
    Account changeRole(Actor by, String account, Role role) {
        find(account);
        conflict(
                "role",
                () -> {
                    accounts.changeRole(by, account, role);
                    return true;
                });
        return find(account);
    }

    @PostMapping("/admin/api/accounts/{account}/disable")
    @Needs(Role.ADMIN)
    ObjectNode disable(Actor by, @PathVariable String account, Query query) {
        query.done();
        return Views.account(disable(by, account));
    }

    /** Shared with the dashboard. */
    Account disable(Actor by, String account) {
        find(account);
        conflict(
                "account",
                () -> {
                    accounts.disable(by, account);
                    return true;
                });
        return find(account);
    }

    @GetMapping("/admin/api/oidc-rules")
    @Needs(Role.ADMIN)
    ObjectNode rules(Query query) {
        query.done();
        return Views.list(accounts.oidcRules(), AccountsApi::view);
    }

    @PostMapping("/admin/api/oidc-rules")
    @Needs(Role.ADMIN)
    @ResponseStatus(HttpStatus.CREATED)
    ObjectNode addRule(Actor by, Query query, Fields fields) {
        query.done();
        Accounts.OidcRule rule =
                new Accounts.OidcRule(
                        text(fields, "issuer"),
                        text(fields, "claim"),
                        text(fields, "value"),
                        role(fields));
        fields.done();
        conflict(
                "issuer",
                () -> {
                    accounts.addOidcRule(by, rule);
                    return true;
                });
        return view(rule);
    }

    @DeleteMapping("/admin/api/oidc-rules")
    @Needs(Role.ADMIN)
    @ResponseStatus(HttpStatus.NO_CONTENT)
    void removeRule(Actor by, Query query) {
        Accounts.OidcRule rule =
                new Accounts.OidcRule(
                        text(query, "issuer"),
                        text(query, "claim"),
                        text(query, "value"),
                        query.choice("role", Role.values()).orElseThrow(() -> missing("role")));
        query.done();
        accounts.removeOidcRule(by, rule);
    }

    Account find(String name) {
        return (FORM.matcher(name).matches() ? accounts.find(name) : Optional.<Account>empty())
                .orElseThrow(() -> Refused.absent("account"));
    }

    private static String password(Fields fields) {
        return fields.optionalText("password", Passwords.RULE).map(Passwords::accepted).orElse("");
    }

    private static Role role(Fields fields) {
        return fields.choice("role", Role.values()).orElseThrow(() -> missing("role"));
    }

    private static AdminRefusal missing(String field) {
        return Fields.refused(
                field, field + " is missing.", "one of " + Choices.names(Role.values()));
    }

    private static String text(Fields fields, String name) {
        String text = fields.text(name, TEXT);
        if (text.isBlank() || text.length() > 300) {
            throw Fields.refused(name, name + " has " + text.length() + " characters.", TEXT);
        }
        return text;
    }

    private static String text(Query query, String name) {
        return query.text(name, TEXT)
                .orElseThrow(() -> Fields.refused(name, name + " is missing.", TEXT));
    }

    private static <T> T conflict(String field, Supplier<T> work) {
        try {
            return work.get();
        } catch (IllegalArgumentException e) {
            throw Refused.conflict(field, e);
        }
    }

    private static ObjectNode view(Accounts.OidcRule rule) {
        return Views.object()
                .put("issuer", rule.issuer())
                .put("claim", rule.claim())
                .put("value", rule.value())
                .put("role", rule.role().text());
    }
}
