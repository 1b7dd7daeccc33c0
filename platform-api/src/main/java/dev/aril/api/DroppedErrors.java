package dev.aril.api;

import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.stereotype.Component;
import org.springframework.web.util.DisconnectedClientHelper;
import reactor.core.publisher.Hooks;

/** Errors that come when nobody listens any more: a client that hung up is no fault of ours. */
@Component
final class DroppedErrors implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(DroppedErrors.class);

    DroppedErrors() {
        Hooks.onErrorDropped(error -> {
            if (DisconnectedClientHelper.isClientDisconnectedException(error)) {
                LOG.debug("a client hung up: {}", error.toString());
            } else {
                LOG.error("an error came too late for anybody to answer", error);
            }
        });
    }

    @Override
    public void close() {
        Hooks.resetOnErrorDropped();
    }
}
