package dev.aril.tenancy;

import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig;
import io.github.resilience4j.circuitbreaker.CircuitBreakerConfig.SlidingWindowType;
import java.time.Duration;
import org.springframework.dao.DataIntegrityViolationException;
import org.springframework.jdbc.BadSqlGrammarException;

/**
 * When is the database taken to be away? After three attempts in a row have failed; then it is
 * asked once every half second, and who wants something meanwhile hears so at once instead of
 * waiting for a connection.
 */
final class DatabaseBreaker {
    static final CircuitBreakerConfig SETTINGS =
            CircuitBreakerConfig.custom()
                    .slidingWindow(
                            3,
                            3,
                            SlidingWindowType.COUNT_BASED,
                            CircuitBreakerConfig.SlidingWindowSynchronizationStrategy.LOCK_FREE)
                    .failureRateThreshold(100)
                    .waitDurationInOpenState(Duration.ofMillis(500))
                    .permittedNumberOfCallsInHalfOpenState(1)
                    // the statement's fault, not the database's
                    .ignoreExceptions(
                            DataIntegrityViolationException.class, BadSqlGrammarException.class)
                    .build();

    private DatabaseBreaker() {}
}
