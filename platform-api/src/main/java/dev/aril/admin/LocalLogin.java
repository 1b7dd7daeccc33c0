package dev.aril.admin;

import dev.aril.api.Blocking;
import dev.aril.tenancy.Account;
import java.util.Optional;
import org.springframework.http.HttpStatus;
import org.springframework.security.authentication.BadCredentialsException;
import org.springframework.security.authentication.LockedException;
import org.springframework.security.authentication.ReactiveAuthenticationManager;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.AuthenticationException;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/** Name and password of a local account, as the form and HTTP Basic send them. */
final class LocalLogin {
    private final Passwords passwords;
    private final LoginFailures failures;
    private final Blocking blocking;

    LocalLogin(Passwords passwords, LoginFailures failures, Blocking blocking) {
        this.passwords = passwords;
        this.failures = failures;
        this.blocking = blocking;
    }

    /** For requests from this one's address. */
    Mono<ReactiveAuthenticationManager> from(ServerWebExchange exchange) {
        String address = LoggedIn.address(exchange.getRequest());
        return Mono.just(attempt -> logIn(attempt, address));
    }

    private Mono<Authentication> logIn(Authentication attempt, String address) {
        String name = attempt.getName();
        String password = String.valueOf(attempt.getCredentials());
        if (failures.tooMany(name, address)) {
            return Mono.error(new TooManyFailures());
        }
        return blocking.call(() -> passwords.check(name, password))
                .flatMap(found -> result(found, name, address));
    }

    private Mono<Authentication> result(Optional<Account> found, String name, String address) {
        if (found.isEmpty()) {
            failures.failed(name, address);
            return Mono.error(new BadCredentialsException("name or password is wrong"));
        }
        failures.succeeded(name, address);
        return Mono.just(new LogInToken(LoggedIn.of(found.get())));
    }

    /** The password was not even looked at. */
    static final class TooManyFailures extends LockedException {
        TooManyFailures() {
            super("too many failed log-ins");
        }
    }

    /** The answer to a failed attempt over the API. */
    static AdminProblem problem(AuthenticationException failure) {
        return failure instanceof TooManyFailures
                ? AdminProblem.of(
                                HttpStatus.TOO_MANY_REQUESTS,
                                "too-many-failures",
                                "Too many log-ins failed.")
                        .remedy("Wait a quarter of an hour, or use another account.")
                        .retryAfter(LoginFailures.REMEMBERED.toSeconds())
                : AdminErrors.unauthorized();
    }
}
