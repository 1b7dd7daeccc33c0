package dev.aril.api;

import dev.aril.adapters.Adapters;
import org.springframework.boot.test.context.TestConfiguration;
import org.springframework.context.annotation.Bean;

@TestConfiguration(proxyBeanMethods = false)
class TemporaryAdapters {
    @Bean
    Adapters adapters() {
        return new Adapters();
    }
}
