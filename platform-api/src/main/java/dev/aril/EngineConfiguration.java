package dev.aril;

import dev.aril.adapters.AdapterStoreSettings;
import dev.aril.adapters.AdapterVerifier;
import dev.aril.api.ApiSettings;
import dev.aril.engine.Engine;
import dev.aril.engine.ModelImport;
import dev.aril.tenancy.TenancySettings;
import java.io.IOException;
import java.time.Clock;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * Imports the base model at the first start, starts the engine, and tells the rooms their folders.
 */
@Configuration(proxyBeanMethods = false)
class EngineConfiguration {
    private static final Logger LOG = LoggerFactory.getLogger(EngineConfiguration.class);

    /** Unless whoever starts the server brings one, as the measurement of overhead does. */
    @Bean(destroyMethod = "close")
    @ConditionalOnMissingBean
    Engine engine(ArilSettings settings) throws IOException {
        LOG.info("settings: {}", settings);
        ArilSettings.Model model = settings.model();
        ModelImport.run(
                model.checkpoint(),
                model.calibration(),
                model.recipe(),
                settings.importedModel(),
                line -> LOG.info("import: {}", line));
        return Engine.start(settings.importedModel(), settings.engine().settings());
    }

    @Bean
    AdapterVerifier adapterVerifier(Engine engine) {
        return engine::verify;
    }

    @Bean
    AdapterStoreSettings adapterStoreSettings(ArilSettings settings, Engine engine) {
        return new AdapterStoreSettings(
                settings.data(),
                engine.model().name(),
                settings.limits().adapterConfig().toBytes(),
                settings.limits().adapterModel().toBytes());
    }

    @Bean
    TenancySettings tenancySettings(ArilSettings settings) {
        return new TenancySettings(
                settings.data().resolve("pepper"),
                settings.data().resolve("webhook-key"),
                settings.webhooks().allowPrivate());
    }

    @Bean
    ApiSettings apiSettings(ArilSettings settings) {
        return new ApiSettings(
                settings.stream().ping(),
                settings.limits().body().toBytes(),
                settings.queue().tenant(),
                settings.timeouts(),
                settings.currency());
    }

    @Bean
    Clock clock() {
        return Clock.systemUTC();
    }
}
