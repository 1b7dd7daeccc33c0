package dev.aril.tenancy;

import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.InstantSource;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.dao.DuplicateKeyException;
import org.springframework.jdbc.core.simple.JdbcClient;

/**
 * Who administers? Passwords come hashed; comparing them is the caller's. All calls block.
 *
 * <p>People of an OpenID provider have no account here: {@link #roleOf} maps what the provider says
 * to a role.
 */
public final class Accounts {
    private static final Pattern NAME = Pattern.compile("[a-z0-9][a-z0-9._@-]{0,62}");

    /**
     * One rule for people of an OpenID provider.
     *
     * @param issuer the provider's URL
     * @param claim {@code sub}, or the name of a claim that holds a text or a list of texts
     * @param value what it must be or contain
     */
    public record OidcRule(String issuer, String claim, String value, Role role) {
        public OidcRule {
            if (issuer.isBlank() || claim.isBlank() || value.isBlank()) {
                throw new IllegalArgumentException(
                        "a rule needs an issuer, a claim and a value that are not blank");
            }
        }
    }

    private final RowSecurity rows;
    private final JdbcClient sql;
    private final AuditLog audit;
    private final InstantSource clock;

    Accounts(RowSecurity rows, JdbcClient sql, AuditLog audit, InstantSource clock) {
        this.rows = rows;
        this.sql = sql;
        this.audit = audit;
        this.clock = clock;
    }

    /**
     * @param name {@code [a-z0-9][a-z0-9._@-]{0,62}}
     * @throws IllegalArgumentException if the name is malformed or taken
     */
    public Account create(Actor by, String name, String passwordHash, Role role) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    "name must be 1 to 63 lower-case letters, digits and the characters . _ @ -, and"
                            + " begin with a letter or digit");
        }
        try {
            return audit.act(
                    by,
                    "account.create",
                    null,
                    name,
                    "role " + role.text(),
                    () -> {
                        sql.sql(
                                        """
                                        insert into accounts (
                                            name, password_hash, role, revision, created_at)
                                        values (:name, :hash, :role, 1, :now)
                                        """)
                                .param("name", name)
                                .param("hash", passwordHash)
                                .param("role", role.text())
                                .param("now", Columns.time(clock.instant()))
                                .update();
                        return get(name);
                    });
        } catch (DuplicateKeyException e) {
            throw new IllegalArgumentException("name " + name + " is taken; choose another");
        }
    }

    public Optional<Account> find(String name) {
        return rows.ofAll(() -> look(name));
    }

    /** By name, disabled ones included. */
    public List<Account> list() {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select name, password_hash, role, revision, created_at, disabled_at
                                from accounts order by name
                                """)
                        .query(Accounts::account)
                        .list());
    }

    /** Whether there is none at all, as before the first start. */
    public boolean none() {
        return rows.ofAll(() ->
                sql.sql("select not exists (select from accounts)").query(Boolean.class).single());
    }

    /**
     * @throws Absent if there is no such account
     */
    public void changePassword(Actor by, String name, String passwordHash) {
        change(
                by,
                "account.password",
                name,
                "",
                () ->
                        sql.sql(
                                        """
                                        update accounts set password_hash = :hash, revision = revision + 1
                                        where name = :name
                                        """)
                                .param("hash", passwordHash)
                                .param("name", name)
                                .update());
    }

    /**
     * @throws Absent if there is no such account
     * @throws IllegalArgumentException if no administrator would be left
     */
    public void changeRole(Actor by, String name, Role role) {
        change(
                by,
                "account.role",
                name,
                "role " + role.text(),
                () ->
                        sql.sql(
                                        """
                                        update accounts set role = :role, revision = revision + 1
                                        where name = :name
                                        """)
                                .param("role", role.text())
                                .param("name", name)
                                .update());
    }

    /**
     * @throws Absent if there is no such account
     * @throws IllegalArgumentException if no administrator would be left
     */
    public void disable(Actor by, String name) {
        change(
                by,
                "account.disable",
                name,
                "",
                () ->
                        sql.sql(
                                        """
                                        update accounts
                                        set disabled_at = coalesce(disabled_at, :now),
                                            revision = revision + 1
                                        where name = :name
                                        """)
                                .param("now", Columns.time(clock.instant()))
                                .param("name", name)
                                .update());
    }

    private void change(
            Actor by, String action, String name, String detail, Supplier<Integer> update) {
        audit.act(
                by,
                action,
                null,
                name,
                detail,
                () -> {
                    // Two administrators who take each other's role must not both succeed.
                    sql.sql("select pg_advisory_xact_lock(hashtextextended('accounts', 4))")
                            .query(_ -> {});
                    if (update.get() == 0) {
                        throw new Absent("there is no account " + name);
                    }
                    boolean left =
                            sql.sql(
                                            """
                                            select exists (
                                                select from accounts
                                                where role = 'admin' and disabled_at is null)
                                            """)
                                    .query(Boolean.class)
                                    .single();
                    if (!left) {
                        throw new IllegalArgumentException(
                                "no administrator would be left; make another account one first");
                    }
                    return left;
                });
    }

    public List<OidcRule> oidcRules() {
        return rows.ofAll(() ->
                sql.sql(
                                """
                                select issuer, claim, value, role from oidc_rules
                                order by issuer, claim, value
                                """)
                        .query((row, _) ->
                                new OidcRule(
                                        row.getString("issuer"),
                                        row.getString("claim"),
                                        row.getString("value"),
                                        Role.of(row.getString("role"))))
                        .list());
    }

    /** Adds a rule, or changes the role of one. */
    public void addOidcRule(Actor by, OidcRule rule) {
        audit.act(
                by,
                "oidc.add",
                null,
                name(rule),
                "role " + rule.role().text(),
                () ->
                        sql.sql(
                                        """
                                        insert into oidc_rules (issuer, claim, value, role)
                                        values (:issuer, :claim, :value, :role)
                                        on conflict (issuer, claim, value) do update
                                            set role = excluded.role
                                        """)
                                .param("issuer", rule.issuer())
                                .param("claim", rule.claim())
                                .param("value", rule.value())
                                .param("role", rule.role().text())
                                .update());
    }

    /**
     * @throws Absent if there is no such rule
     */
    public void removeOidcRule(Actor by, OidcRule rule) {
        audit.act(
                by,
                "oidc.remove",
                null,
                name(rule),
                "",
                () -> {
                    int removed =
                            sql.sql(
                                            """
                                            delete from oidc_rules
                                            where issuer = :issuer and claim = :claim and value = :value
                                            """)
                                    .param("issuer", rule.issuer())
                                    .param("claim", rule.claim())
                                    .param("value", rule.value())
                                    .update();
                    if (removed == 0) {
                        throw new Absent("there is no rule for " + name(rule));
                    }
                    return removed;
                });
    }

    /** The highest role of the rules that fit; empty if none does. */
    public Optional<Role> roleOf(String issuer, Map<String, Object> claims) {
        return oidcRules().stream()
                .filter(rule -> rule.issuer().equals(issuer))
                .filter(rule -> fits(claims.get(rule.claim()), rule.value()))
                .map(OidcRule::role)
                .max(Role::compareTo);
    }

    private static boolean fits(@Nullable Object claim, String value) {
        return claim instanceof Collection<?> many ? many.contains(value) : value.equals(claim);
    }

    private static String name(OidcRule rule) {
        return rule.issuer() + " " + rule.claim() + "=" + rule.value();
    }

    private Account get(String name) {
        return look(name).orElseThrow(() -> new Absent("there is no account " + name));
    }

    private Optional<Account> look(String name) {
        return sql.sql(
                        """
                        select name, password_hash, role, revision, created_at, disabled_at
                        from accounts where name = :name
                        """)
                .param("name", name)
                .query(Accounts::account)
                .optional();
    }

    private static Account account(ResultSet row, int number) throws SQLException {
        return new Account(
                row.getString("name"),
                row.getString("password_hash"),
                Role.of(row.getString("role")),
                row.getLong("revision"),
                Columns.moment(row, "created_at"),
                Columns.instant(row, "disabled_at").orElse(null));
    }
}
