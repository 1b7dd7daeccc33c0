package dev.aril.adapters;

import dev.aril.tenancy.Quota;
import dev.aril.tenancy.RowSecurity;
import java.io.IOException;
import java.time.InstantSource;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.core.simple.JdbcClient;

/** Needs beans of {@link AdapterStoreSettings} and {@link AdapterVerifier}. */
@Configuration(proxyBeanMethods = false)
class AdapterStoreConfiguration {
    @Bean(destroyMethod = "close")
    AdapterFiles adapterFiles(AdapterStoreSettings settings) throws IOException {
        return AdapterFiles.open(settings);
    }

    @Bean
    Adapters adapters(
            AdapterRows rows,
            AdapterFiles files,
            AdapterVerifier verifier,
            AdapterStoreSettings settings,
            JdbcClient sql,
            RowSecurity visible,
            Quota quota)
            throws IOException {
        Adapters adapters =
                new Adapters(
                        rows,
                        files,
                        verifier,
                        settings,
                        sql,
                        visible,
                        quota,
                        InstantSource.system());
        adapters.sweep();
        return adapters;
    }
}
