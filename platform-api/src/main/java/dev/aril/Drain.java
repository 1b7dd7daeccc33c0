package dev.aril;

import dev.aril.api.Generations;
import dev.aril.engine.Engine;
import java.time.Duration;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.context.ApplicationContext;
import org.springframework.context.ApplicationListener;
import org.springframework.context.event.ContextClosedEvent;
import org.springframework.stereotype.Component;

/**
 * An orderly end: readiness is off by now, new generations are refused, running ones may finish for
 * a while, then the engine ends them with an error that their clients see.
 *
 * <p>Done on the event, before Spring stops the web server: that would wait for open streams up to
 * its own timeout and then cut them.
 */
@Component
final class Drain implements ApplicationListener<ContextClosedEvent> {
    private static final Logger LOG = LoggerFactory.getLogger(Drain.class);

    /** For rows of the ledger and last events, once nothing is computed any more. */
    private static final Duration LAST_WORDS = Duration.ofSeconds(5);

    private final ApplicationContext application;
    private final Generations generations;
    private final Engine engine;
    private final Duration grace;

    Drain(
            ApplicationContext application,
            Generations generations,
            Engine engine,
            ArilSettings settings) {
        this.application = application;
        this.generations = generations;
        this.engine = engine;
        this.grace = settings.shutdown().grace();
    }

    @Override
    public void onApplicationEvent(ContextClosedEvent event) {
        // A child context's end, as that of a separate management server, is none of ours.
        if (event.getApplicationContext() != application) {
            return;
        }
        generations.refuseNew();
        try {
            int left = generations.awaitSettled(grace);
            if (left > 0) {
                LOG.info("ending {} generations that did not finish within {}", left, grace);
            }
            engine.close();
            int lost = generations.awaitSettled(LAST_WORDS);
            if (lost > 0) {
                LOG.error("{} generations are not in the ledger", lost);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            engine.close();
        }
    }
}
