package dev.aril.api;

import io.github.resilience4j.circuitbreaker.CallNotPermittedException;
import io.github.resilience4j.circuitbreaker.CircuitBreaker;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import java.time.Duration;
import java.util.function.Supplier;
import org.springframework.dao.DataAccessResourceFailureException;
import org.springframework.dao.TransientDataAccessException;
import org.springframework.stereotype.Component;
import org.springframework.transaction.CannotCreateTransactionException;

/**
 * Stands before what a request asks the database besides keys and quotas, which have guards of
 * their own. While the database is away only one request every half second waits for a connection;
 * the others hear at once that it is: 503.
 */
@Component
final class DatabaseGuard {
    private final CircuitBreaker breaker =
            CircuitBreaker.of(
                    "requests",
                    CircuitBreakerConfig.custom()
                            .slidingWindowSize(3)
                            .minimumNumberOfCalls(3)
                            .failureRateThreshold(100)
                            .waitDurationInOpenState(Duration.ofMillis(500))
                            .permittedNumberOfCallsInHalfOpenState(1)
                            // what the statement or the request is at fault for is no failure
                            .recordExceptions(
                                    DataAccessResourceFailureException.class,
                                    TransientDataAccessException.class,
                                    CannotCreateTransactionException.class)
                            .build());

    /**
     * Blocks on SQL.
     *
     * @throws CallNotPermittedException if the database was away just now
     */
    <T> T ask(Supplier<T> question) {
        return breaker.executeSupplier(question);
    }
}
