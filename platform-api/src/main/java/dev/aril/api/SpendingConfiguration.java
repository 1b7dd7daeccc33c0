package dev.aril.api;

import dev.aril.tenancy.ApiKeys;
import dev.aril.tenancy.Quota;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Tenancy decides what is spent; nothing that can be set changes that. */
@Configuration(proxyBeanMethods = false)
class SpendingConfiguration {
    @Bean
    @ConditionalOnMissingBean
    Spending spending(ApiKeys keys, Quota quota) {
        return new TenancySpending(keys, quota);
    }
}
