package dev.aril.tenancy;

import com.github.benmanes.caffeine.cache.Ticker;
import java.io.IOException;
import java.security.SecureRandom;
import java.time.InstantSource;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;

/** Needs a bean of {@link TenancySettings}. */
@Configuration(proxyBeanMethods = false)
class TenancyConfiguration {
    @Bean
    Tenants tenants(TenantRows rows) {
        return new Tenants(rows, InstantSource.system());
    }

    @Bean
    ApiKeys apiKeys(ApiKeyRows keys, TenantRows tenants, TenancySettings settings)
            throws IOException {
        SecureRandom random = new SecureRandom();
        Pepper pepper = Pepper.open(settings.pepper(), () -> keys.count() > 0, random);
        return new ApiKeys(
                keys, tenants, pepper, InstantSource.system(), Ticker.systemTicker(), random);
    }

    @Bean
    UsageLedger usageLedger(JdbcClient sql) {
        return new UsageLedger(sql);
    }
}
