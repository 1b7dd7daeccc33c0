package dev.aril.api;

import dev.aril.adapters.AdapterFilesMissing;
import dev.aril.adapters.AdapterNameRefused;
import dev.aril.adapters.UploadTooLarge;
import dev.aril.engine.AdapterRejected;
import dev.aril.engine.ContextOverflow;
import dev.aril.engine.EngineOverloaded;
import dev.aril.tenancy.QuotaExceeded;
import dev.aril.tenancy.QuotaUnavailable;
import io.github.resilience4j.circuitbreaker.CallNotPermittedException;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.springframework.core.codec.DecodingException;
import org.springframework.core.io.buffer.DataBufferLimitException;
import org.springframework.dao.DataAccessResourceFailureException;
import org.springframework.dao.TransientDataAccessException;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.transaction.CannotCreateTransactionException;
import org.springframework.web.server.ContentTooLargeException;
import org.springframework.web.server.MethodNotAllowedException;
import org.springframework.web.server.ResponseStatusException;
import org.springframework.web.server.ServerWebInputException;
import org.springframework.web.server.UnsupportedMediaTypeStatusException;
import reactor.core.Exceptions;
import tools.jackson.core.JacksonException;

/** Which refusal becomes which status and body: one table. */
final class Problems {
    private static final Duration SOON = Duration.ofSeconds(1);

    private Problems() {}

    static Problem of(Throwable thrown) {
        Throwable error = Exceptions.unwrap(thrown);
        return switch (error) {
            case Refusal e -> e.problem();
            case AdapterRejected e ->
                    Problem.invalid(
                            HttpStatus.BAD_REQUEST,
                            String.valueOf(e.getMessage()),
                            e.part().field(),
                            "adapter_rejected");
            // Not 409 for a name that is taken: the clients' libraries would try again by
            // themselves.
            case AdapterNameRefused e ->
                    Problem.invalid(
                            HttpStatus.BAD_REQUEST,
                            String.valueOf(e.getMessage()),
                            "name",
                            "adapter_name_" + e.reason().name().toLowerCase(Locale.ROOT));
            case UploadTooLarge e -> tooLarge(String.valueOf(e.getMessage()), e.part().field());
            case EngineOverloaded e ->
                    Problem.server(
                                    HttpStatus.SERVICE_UNAVAILABLE,
                                    "The server is busy: " + String.valueOf(e.getMessage()),
                                    "engine_overloaded")
                            .retryAfter(SOON);
            // Nothing was made: it may be asked again.
            case GenerationStalled e when e.silent() ->
                    Problem.server(
                                    HttpStatus.SERVICE_UNAVAILABLE,
                                    String.valueOf(e.getMessage()),
                                    "first_token_timeout")
                            .retryAfter(SOON);
            case GenerationStalled e ->
                    Problem.server(
                                    HttpStatus.GATEWAY_TIMEOUT,
                                    String.valueOf(e.getMessage()),
                                    "token_timeout")
                            .noRetry();
            case QuotaExceeded e -> QuotaProblems.of(e.refusal(), "adapters");
            case QuotaUnavailable e -> databaseDown();
            case CallNotPermittedException e -> databaseDown();
            case GenerationFailed e ->
                    Problem.server(
                            HttpStatus.INTERNAL_SERVER_ERROR,
                            String.valueOf(e.getMessage()),
                            "generation_failed");
            case UsageNotRecorded e ->
                    Problem.server(
                            HttpStatus.INTERNAL_SERVER_ERROR,
                            "The answer is withheld because its usage could not be recorded.",
                            "usage_not_recorded");
            case AdapterFilesMissing e ->
                    Problem.server(
                            HttpStatus.INTERNAL_SERVER_ERROR,
                            String.valueOf(e.getMessage()),
                            "adapter_files_missing");
            // What is unknown is not guessed: no tenant, no model, no answer without the database.
            case DataAccessResourceFailureException e -> databaseDown();
            case TransientDataAccessException e -> databaseDown();
            case CannotCreateTransactionException e -> databaseDown();
            case DataBufferLimitException e -> bodyTooLarge();
            case ContentTooLargeException e -> bodyTooLarge();
            case UnsupportedMediaTypeStatusException e ->
                    Problem.invalid(
                            HttpStatus.UNSUPPORTED_MEDIA_TYPE,
                            "Content-Type must be "
                                    + e.getSupportedMediaTypes().stream()
                                            .map(MediaType::toString)
                                            .collect(Collectors.joining(" or "))
                                    + ".",
                            null,
                            "unsupported_media_type");
            case MethodNotAllowedException e ->
                    Problem.invalid(
                                    HttpStatus.METHOD_NOT_ALLOWED,
                                    "Not allowed to "
                                            + e.getHttpMethod()
                                            + " this URL; use "
                                            + names(e)
                                            + ".",
                                    null,
                                    "method_not_allowed")
                            .with("Allow", names(e));
            case ServerWebInputException e ->
                    Problem.invalid(HttpStatus.BAD_REQUEST, unreadable(e), null, null);
            case ResponseStatusException e
                    when e.getStatusCode().value() == HttpStatus.NOT_FOUND.value() ->
                    Problem.invalid(HttpStatus.NOT_FOUND, "There is no such URL.", null, null);
            case ResponseStatusException e when e.getStatusCode().is4xxClientError() ->
                    Problem.invalid(
                            HttpStatus.valueOf(e.getStatusCode().value()),
                            "The request cannot be served: " + e.getReason(),
                            null,
                            null);
            default ->
                    Problem.server(
                            HttpStatus.INTERNAL_SERVER_ERROR,
                            "The server failed; the x-request-id of this answer finds the reason in"
                                    + " its log.",
                            null);
        };
    }

    static Problem unknownModel(String name) {
        return Problem.invalid(
                HttpStatus.NOT_FOUND,
                "The model `" + name + "` does not exist or you do not have access to it.",
                "model",
                "model_not_found");
    }

    static Problem malformedKey() {
        return Problem.invalid(
                HttpStatus.BAD_REQUEST,
                "The header Idempotency-Key must be given once, with 1 to 255 printable ASCII"
                        + " characters.",
                null,
                "invalid_idempotency_key");
    }

    /** Not 409: the clients' libraries would try again by themselves. */
    static Problem keyReused() {
        return Problem.invalid(
                        HttpStatus.UNPROCESSABLE_CONTENT,
                        "This Idempotency-Key was used for a different request within the last 24"
                                + " hours; use a new key for a new request.",
                        null,
                        "idempotency_key_reused")
                .noRetry();
    }

    static Problem originalFailed() {
        return Problem.server(
                        HttpStatus.SERVICE_UNAVAILABLE,
                        "The request that this one repeats was under way and failed; try again.",
                        "original_request_failed")
                .retryAfter(SOON);
    }

    /**
     * A key that is good for something else.
     *
     * @param scope that it lacks
     */
    static Problem outOfScope(String scope) {
        return new Problem(
                HttpStatus.FORBIDDEN,
                "permission_error",
                "This API key lacks the scope " + scope + "; use one that has it.",
                null,
                "insufficient_scope",
                Map.of());
    }

    /** One answer whatever is wrong with the key. */
    static Problem unauthorized() {
        return Problem.invalid(
                        HttpStatus.UNAUTHORIZED,
                        "No valid API key was given: send it as Authorization: Bearer KEY.",
                        null,
                        "invalid_api_key")
                .with("WWW-Authenticate", "Bearer");
    }

    static Problem noSuchUrl() {
        return Problem.invalid(HttpStatus.NOT_FOUND, "There is no such URL.", null, null);
    }

    static Problem ambiguousUrl() {
        return Problem.invalid(
                HttpStatus.BAD_REQUEST,
                "This URL is not accepted: it must hold no double or encoded slash, no .. and no"
                        + " control character.",
                null,
                null);
    }

    /**
     * @param field where the prompt was given, {@code messages} or {@code prompt}
     */
    static Problem contextOverflow(ContextOverflow e, String field) {
        String limit = "This model's maximum context length is " + e.contextLength() + " tokens.";
        String message =
                e.promptTokens() >= e.contextLength()
                        ? "%s However, your %s resulted in %d tokens. Please reduce the length of the %s."
                                .formatted(limit, field, e.promptTokens(), field)
                        : "%s However, you requested %d tokens (%d in the %s, %d in the completion). Please reduce the length of the %s or the completion."
                                .formatted(
                                        limit,
                                        e.promptTokens() + e.maxTokens(),
                                        e.promptTokens(),
                                        field,
                                        e.maxTokens(),
                                        field);
        return Problem.invalid(HttpStatus.BAD_REQUEST, message, field, "context_length_exceeded");
    }

    static Problem tooLarge(String message, @Nullable String field) {
        return Problem.invalid(HttpStatus.CONTENT_TOO_LARGE, message, field, "payload_too_large");
    }

    private static Problem bodyTooLarge() {
        return tooLarge("The request body is larger than this server accepts.", null);
    }

    private static Problem databaseDown() {
        return Problem.server(
                        HttpStatus.SERVICE_UNAVAILABLE,
                        "The database does not answer; try again later.",
                        "database_unavailable")
                .retryAfter(SOON);
    }

    private static String names(MethodNotAllowedException e) {
        return e.getSupportedMethods().stream()
                .map(Object::toString)
                .sorted()
                .collect(Collectors.joining(", "));
    }

    private static String unreadable(ServerWebInputException e) {
        for (Throwable cause = e.getCause(); cause != null; cause = cause.getCause()) {
            if (cause instanceof DecodingException
                    && !(cause.getCause() instanceof JacksonException)) {
                return "The request body cannot be read: " + cause.getMessage();
            }
        }
        return "The request body is missing or cannot be read.";
    }
}
