package dev.aril.tenancy;

import java.io.IOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.UUID;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.support.TransactionTemplate;

/**
 * One server's tenancy, put together: everything there is, on one database. Several may share a
 * database, in one process or in many; each is a replica of its own.
 */
public final class Tenancy implements AutoCloseable {
    private final RowSecurity rows;
    private final AuditLog audit;
    private final Tenants tenants;
    private final KeyWatch watch;
    private final ApiKeys keys;
    private final QuotaBooks books;
    private final Quota quota;
    private final Limits limits;
    private final UsageLedger ledger;
    private final Prices prices;
    private final Accounts accounts;
    private final Webhooks webhooks;
    private final WebhookSender sender;
    private final ReplicaLife life;
    private final UUID replica = UUID.randomUUID();

    /**
     * @param ahead what is added to the database's clock in decisions of the quota
     * @param listening whether changes of keys are heard by notification too
     */
    Tenancy(
            DataSource database,
            TransactionTemplate transactions,
            TenancySettings settings,
            InstantSource clock,
            Supplier<Duration> ahead,
            boolean listening)
            throws IOException {
        JdbcClient sql = JdbcClient.create(database);
        SecureRandom random = new SecureRandom();
        rows = new RowSecurity(sql, transactions);
        rows.verify();
        audit = new AuditLog(rows, sql, clock);
        tenants = new Tenants(rows, sql, audit, clock);
        prices = new Prices(rows, sql, audit, clock);
        accounts = new Accounts(rows, sql, audit, clock);
        limits = new Limits(rows, sql, audit);
        Pepper pepper = Pepper.open(settings.pepper(), () -> anyKeys(sql), random);
        Pepper signing = Pepper.open(settings.webhookKey(), () -> anyWebhooks(sql), random);
        WebhookAddresses addresses = new WebhookAddresses(settings.privateWebhooks());
        webhooks = new Webhooks(rows, sql, audit, addresses, signing, clock);
        watch = new KeyWatch(database, listening);
        KeyRing ring = new KeyRing(rows, sql, audit, pepper, clock, random);
        keys = new ApiKeys(ring, rows, sql, pepper, watch, clock);
        books = new QuotaBooks(sql, replica, ahead);
        quota = new Quota(books, sql);
        ledger = new UsageLedger(rows, sql);
        sender = new WebhookSender(rows, sql, webhooks, addresses, clock);
        life = new ReplicaLife(rows, sql, replica, quota, tenants);
        life.begin();
        sender.begin();
    }

    /**
     * Outside Spring.
     *
     * @param database as a role that owns nothing, with the migrations applied
     * @throws RowSecurityAbsent if tenants are not separated for that role
     * @throws IOException if a key file is lost or damaged
     */
    public static Tenancy open(DataSource database, TenancySettings settings) throws IOException {
        return new Tenancy(
                database,
                new TransactionTemplate(new JdbcTransactionManager(database)),
                settings,
                InstantSource.system(),
                () -> Duration.ZERO,
                true);
    }

    private boolean anyKeys(JdbcClient sql) {
        return rows.ofAll(() ->
                sql.sql("select exists (select from api_keys)").query(Boolean.class).single());
    }

    private boolean anyWebhooks(JdbcClient sql) {
        return rows.ofAll(() ->
                sql.sql("select exists (select from webhook_endpoints)")
                        .query(Boolean.class)
                        .single());
    }

    public RowSecurity rows() {
        return rows;
    }

    public AuditLog audit() {
        return audit;
    }

    public Tenants tenants() {
        return tenants;
    }

    public ApiKeys keys() {
        return keys;
    }

    public Quota quota() {
        return quota;
    }

    public Limits limits() {
        return limits;
    }

    public UsageLedger ledger() {
        return ledger;
    }

    public Prices prices() {
        return prices;
    }

    public Accounts accounts() {
        return accounts;
    }

    public Webhooks webhooks() {
        return webhooks;
    }

    WebhookSender sender() {
        return sender;
    }

    ReplicaLife life() {
        return life;
    }

    /** Under which this server's reservations stand in the database. */
    public UUID replica() {
        return replica;
    }

    /** What was asked of the books before is still written. */
    @Override
    public void close() {
        sender.close();
        books.close();
        life.close();
        watch.close();
    }
}
