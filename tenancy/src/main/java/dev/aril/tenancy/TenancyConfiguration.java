package dev.aril.tenancy;

import java.io.IOException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.UUID;
import javax.sql.DataSource;
import org.springframework.boot.sql.init.dependency.DependsOnDatabaseInitialization;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;
import org.springframework.transaction.support.TransactionTemplate;

/** Needs a bean of {@link TenancySettings}. */
@Configuration(proxyBeanMethods = false)
class TenancyConfiguration {
    private static final InstantSource CLOCK = InstantSource.system();

    /** This process among those that share the database. */
    record Replica(UUID id) {}

    @Bean
    Replica replica() {
        return new Replica(UUID.randomUUID());
    }

    @Bean
    @DependsOnDatabaseInitialization
    RowSecurity rowSecurity(JdbcClient sql, TransactionTemplate transactions) {
        RowSecurity rows = new RowSecurity(sql, transactions);
        rows.verify();
        return rows;
    }

    @Bean
    AuditLog auditLog(RowSecurity rows, JdbcClient sql) {
        return new AuditLog(rows, sql, CLOCK);
    }

    @Bean
    Tenants tenants(RowSecurity rows, JdbcClient sql, AuditLog audit) {
        return new Tenants(rows, sql, audit, CLOCK);
    }

    @Bean(destroyMethod = "close")
    KeyWatch keyWatch(RowSecurity rows, DataSource database) {
        return new KeyWatch(database, true);
    }

    @Bean
    ApiKeys apiKeys(
            RowSecurity rows,
            JdbcClient sql,
            AuditLog audit,
            KeyWatch watch,
            TenancySettings settings)
            throws IOException {
        SecureRandom random = new SecureRandom();
        Pepper pepper =
                Pepper.open(
                        settings.pepper(),
                        () ->
                                rows.ofAll(() ->
                                        sql.sql("select exists (select from api_keys)")
                                                .query(Boolean.class)
                                                .single()),
                        random);
        KeyRing ring = new KeyRing(rows, sql, audit, pepper, CLOCK, random);
        return new ApiKeys(ring, rows, sql, pepper, watch, CLOCK);
    }

    @Bean(destroyMethod = "close")
    QuotaBooks quotaBooks(RowSecurity rows, JdbcClient sql, Replica replica) {
        return new QuotaBooks(sql, replica.id(), () -> Duration.ZERO);
    }

    @Bean
    Quota quota(QuotaBooks books, JdbcClient sql) {
        return new Quota(books, sql);
    }

    @Bean
    Limits limits(RowSecurity rows, JdbcClient sql, AuditLog audit) {
        return new Limits(rows, sql, audit);
    }

    @Bean
    UsageLedger usageLedger(RowSecurity rows, JdbcClient sql, Quota quota) {
        return new UsageLedger(rows, sql, quota);
    }

    @Bean
    Prices prices(RowSecurity rows, JdbcClient sql, AuditLog audit) {
        return new Prices(rows, sql, audit, CLOCK);
    }

    @Bean
    Accounts accounts(RowSecurity rows, JdbcClient sql, AuditLog audit) {
        return new Accounts(rows, sql, audit, CLOCK);
    }

    @Bean
    WebhookAddresses webhookAddresses(TenancySettings settings) {
        return new WebhookAddresses(settings.privateWebhooks());
    }

    @Bean
    Webhooks webhooks(
            RowSecurity rows,
            JdbcClient sql,
            AuditLog audit,
            WebhookAddresses addresses,
            TenancySettings settings)
            throws IOException {
        Pepper key =
                Pepper.open(
                        settings.webhookKey(),
                        () ->
                                rows.ofAll(() ->
                                        sql.sql("select exists (select from webhook_endpoints)")
                                                .query(Boolean.class)
                                                .single()),
                        new SecureRandom());
        return new Webhooks(rows, sql, audit, addresses, key, CLOCK);
    }

    @Bean(initMethod = "begin", destroyMethod = "close")
    WebhookSender webhookSender(
            RowSecurity rows, JdbcClient sql, Webhooks webhooks, WebhookAddresses addresses) {
        return new WebhookSender(rows, sql, webhooks, addresses, CLOCK);
    }

    @Bean(initMethod = "begin", destroyMethod = "close")
    ReplicaLife replicaLife(
            RowSecurity rows, JdbcClient sql, Replica replica, Quota quota, Tenants tenants) {
        return new ReplicaLife(rows, sql, replica.id(), quota, tenants);
    }
}
