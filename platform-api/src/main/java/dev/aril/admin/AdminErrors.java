package dev.aril.admin;

import dev.aril.tenancy.Absent;
import dev.aril.tenancy.KeyRefused;
import dev.aril.tenancy.QuotaUnavailable;
import dev.aril.tenancy.TenantRefused;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import org.springframework.core.annotation.Order;
import org.springframework.core.io.buffer.DataBufferLimitException;
import org.springframework.dao.DataAccessResourceFailureException;
import org.springframework.dao.TransientDataAccessException;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpMethod;
import org.springframework.http.HttpStatus;
import org.springframework.http.MediaType;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.stereotype.Component;
import org.springframework.transaction.CannotCreateTransactionException;
import org.springframework.web.server.ContentTooLargeException;
import org.springframework.web.server.MethodNotAllowedException;
import org.springframework.web.server.ResponseStatusException;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.ServerWebInputException;
import org.springframework.web.server.UnsupportedMediaTypeStatusException;
import org.springframework.web.server.WebExceptionHandler;
import org.springframework.web.util.DisconnectedClientHelper;
import org.springframework.web.util.HtmlUtils;
import reactor.core.Exceptions;
import reactor.core.publisher.Mono;
import tools.jackson.databind.json.JsonMapper;

/**
 * The last stop of the administration plane's refusals and faults: problem+json for the API, a
 * small page or fragment for browsers. The data plane has its own.
 */
@Component
@Order(-3)
final class AdminErrors implements WebExceptionHandler {
    private static final Logger LOG = LoggerFactory.getLogger(AdminErrors.class);
    private static final String REQUEST_ID = "x-request-id";

    @Override
    public Mono<Void> handle(ServerWebExchange exchange, Throwable error) {
        String path = exchange.getRequest().getPath().value();
        if (!path.equals("/admin") && !path.startsWith("/admin/")) {
            return Mono.error(error);
        }
        if (DisconnectedClientHelper.isClientDisconnectedException(error)) {
            return Mono.empty();
        }
        if (exchange.getResponse().isCommitted()) {
            return Mono.error(error);
        }
        AdminProblem problem = of(Exceptions.unwrap(error));
        if (problem.status() == HttpStatus.INTERNAL_SERVER_ERROR) {
            LOG.error(
                    "{} failed: {} {}",
                    exchange.getResponse().getHeaders().getFirst(REQUEST_ID),
                    exchange.getRequest().getMethod(),
                    path,
                    error);
        }
        return write(exchange, problem);
    }

    static AdminProblem of(Throwable error) {
        return switch (error) {
            case AdminRefusal e -> e.problem();
            case Absent e -> AdminProblem.of(HttpStatus.NOT_FOUND, "absent", Refused.sentence(e));
            // Names are checked before: what is left stands against the state of things.
            case TenantRefused e -> Refused.conflict("tenant", e).problem();
            case KeyRefused e -> AdminProblem.invalid(firstWord(e), Refused.sentence(e), null);
            case QuotaUnavailable e -> databaseDown();
            case DataAccessResourceFailureException e -> databaseDown();
            case TransientDataAccessException e -> databaseDown();
            case CannotCreateTransactionException e -> databaseDown();
            case IssuerUnavailable e ->
                    AdminProblem.of(
                                    HttpStatus.SERVICE_UNAVAILABLE,
                                    "issuer-unavailable",
                                    Refused.sentence(e))
                            .remedy("Try again, or log in with an account of this server.")
                            .retryAfter(10);
            case DataBufferLimitException e -> tooLarge();
            case ContentTooLargeException e -> tooLarge();
            case UnsupportedMediaTypeStatusException e ->
                    AdminProblem.of(
                                    HttpStatus.UNSUPPORTED_MEDIA_TYPE,
                                    "unsupported-media-type",
                                    "The Content-Type of this body is not accepted.")
                            .remedy(
                                    "Send Content-Type: "
                                            + e.getSupportedMediaTypes().stream()
                                                    .map(MediaType::toString)
                                                    .collect(Collectors.joining(" or "))
                                            + ".");
            case MethodNotAllowedException e ->
                    AdminProblem.of(
                                    HttpStatus.METHOD_NOT_ALLOWED,
                                    "method-not-allowed",
                                    "Not allowed to " + e.getHttpMethod() + " this URL.")
                            .remedy(
                                    "Use "
                                            + e.getSupportedMethods().stream()
                                                    .map(HttpMethod::name)
                                                    .sorted()
                                                    .collect(Collectors.joining(", "))
                                            + ".");
            case ServerWebInputException e ->
                    AdminProblem.of(
                            HttpStatus.BAD_REQUEST,
                            "unreadable",
                            "The request cannot be read: " + e.getReason());
            case ResponseStatusException e when e.getStatusCode().value() == 404 -> noSuchUrl();
            case ResponseStatusException e when e.getStatusCode().is4xxClientError() ->
                    AdminProblem.of(
                            HttpStatus.valueOf(e.getStatusCode().value()),
                            "refused",
                            "The request cannot be served: " + e.getReason());
            default ->
                    AdminProblem.of(HttpStatus.INTERNAL_SERVER_ERROR, "fault", "The server failed.")
                            .remedy("Look for this answer's x-request-id in the server's log.");
        };
    }

    /** Refusals begin with the field's name. */
    private static String firstWord(Throwable e) {
        String word = String.valueOf(e.getMessage()).split(" ", 2)[0];
        return word.matches("[a-z_]{1,40}") ? word : "body";
    }

    static AdminProblem unauthorized() {
        return AdminProblem.of(
                        HttpStatus.UNAUTHORIZED, "unauthorized", "No valid credentials were given.")
                .remedy(
                        "Send an account's name and password by HTTP Basic, or a bearer token of"
                                + " one of the configured issuers.");
    }

    static AdminProblem forbidden(String least) {
        return AdminProblem.of(
                        HttpStatus.FORBIDDEN,
                        "role-too-low",
                        "Your role does not allow this; it needs " + least + ".")
                .remedy("Ask an administrator for the role " + least + ".");
    }

    static AdminProblem noSuchUrl() {
        return AdminProblem.of(HttpStatus.NOT_FOUND, "no-such-url", "There is no such URL.")
                .remedy("GET /openapi/admin.json lists all URLs of this API.");
    }

    private static AdminProblem tooLarge() {
        return AdminProblem.of(
                HttpStatus.CONTENT_TOO_LARGE,
                "body-too-large",
                "The request body is larger than this server accepts.");
    }

    private static AdminProblem databaseDown() {
        return AdminProblem.of(
                        HttpStatus.SERVICE_UNAVAILABLE,
                        "database-unavailable",
                        "The database does not answer.")
                .remedy("Try again.")
                .retryAfter(1);
    }

    static Mono<Void> write(ServerWebExchange exchange, AdminProblem problem) {
        ServerHttpResponse response = exchange.getResponse();
        response.setStatusCode(problem.status());
        HttpHeaders headers = response.getHeaders();
        headers.setCacheControl("no-store");
        if (problem.retryAfter() != null) {
            headers.set(HttpHeaders.RETRY_AFTER, problem.retryAfter().toString());
        }
        String path = exchange.getRequest().getPath().value();
        byte[] body;
        if (path.startsWith("/admin/api/") || path.equals("/admin/api")) {
            headers.setContentType(MediaType.APPLICATION_PROBLEM_JSON);
            if (problem.status() == HttpStatus.UNAUTHORIZED) {
                headers.set(HttpHeaders.WWW_AUTHENTICATE, "Basic realm=\"aril\", Bearer");
            }
            body =
                    JsonMapper.shared()
                            .writeValueAsString(problem.body(path))
                            .getBytes(StandardCharsets.UTF_8);
        } else {
            headers.setContentType(new MediaType("text", "html", StandardCharsets.UTF_8));
            boolean fragment = exchange.getRequest().getHeaders().containsHeader("HX-Request");
            body = (fragment ? notice(problem) : page(problem)).getBytes(StandardCharsets.UTF_8);
        }
        headers.setContentLength(body.length);
        return response.writeWith(Mono.fromSupplier(() -> response.bufferFactory().wrap(body)));
    }

    /** What htmx puts into the page's notice. */
    private static String notice(AdminProblem problem) {
        String remedy = problem.remedy() == null ? "" : " " + problem.remedy();
        return "<p class=\"problem\">"
                + HtmlUtils.htmlEscape(problem.detail() + remedy, "UTF-8")
                + "</p>";
    }

    private static String page(AdminProblem problem) {
        return """
        <!DOCTYPE html>
        <html lang="en">
        <head><meta charset="utf-8"><title>%s · Aril</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <link rel="stylesheet" href="/admin/assets/aril.css"></head>
        <body class="narrow"><main><h1>%s</h1>%s<p><a href="/admin">Back to the dashboard</a></p></main></body>
        </html>
        """
                .formatted(
                        problem.status().getReasonPhrase(),
                        problem.status().getReasonPhrase(),
                        notice(problem));
    }
}
