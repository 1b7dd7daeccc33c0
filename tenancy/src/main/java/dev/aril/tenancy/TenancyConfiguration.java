package dev.aril.tenancy;

import java.io.IOException;
import java.time.Duration;
import java.time.InstantSource;
import javax.sql.DataSource;
import org.springframework.boot.sql.init.dependency.DependsOnDatabaseInitialization;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.transaction.support.TransactionTemplate;

/** Needs a bean of {@link TenancySettings}. */
@Configuration(proxyBeanMethods = false)
class TenancyConfiguration {
    @Bean(destroyMethod = "close")
    @DependsOnDatabaseInitialization
    Tenancy tenancy(DataSource database, TransactionTemplate transactions, TenancySettings settings)
            throws IOException {
        return new Tenancy(
                database,
                transactions,
                settings,
                InstantSource.system(),
                () -> Duration.ZERO,
                true);
    }

    @Bean
    RowSecurity rowSecurity(Tenancy tenancy) {
        return tenancy.rows();
    }

    @Bean
    AuditLog auditLog(Tenancy tenancy) {
        return tenancy.audit();
    }

    @Bean
    Tenants tenants(Tenancy tenancy) {
        return tenancy.tenants();
    }

    @Bean
    ApiKeys apiKeys(Tenancy tenancy) {
        return tenancy.keys();
    }

    @Bean
    Quota quota(Tenancy tenancy) {
        return tenancy.quota();
    }

    @Bean
    Limits limits(Tenancy tenancy) {
        return tenancy.limits();
    }

    @Bean
    UsageLedger usageLedger(Tenancy tenancy) {
        return tenancy.ledger();
    }

    @Bean
    Prices prices(Tenancy tenancy) {
        return tenancy.prices();
    }

    @Bean
    Accounts accounts(Tenancy tenancy) {
        return tenancy.accounts();
    }

    @Bean
    Webhooks webhooks(Tenancy tenancy) {
        return tenancy.webhooks();
    }
}
