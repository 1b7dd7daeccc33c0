package dev.aril.admin;

import java.net.URI;
import org.springframework.http.HttpStatus;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.util.MultiValueMap;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.server.ServerWebExchange;
import reactor.core.publisher.Mono;

/** GET /admin/login; the POST is the security chain's. */
@Controller
final class LoginPage {
    private final OidcLogin oidc;

    LoginPage(OidcLogin oidc) {
        this.oidc = oidc;
    }

    @GetMapping("/admin/login")
    String show(@RequestParam MultiValueMap<String, String> query, Model model) {
        model.addAttribute("message", message(query));
        model.addAttribute("failed", query.containsKey("wrong") || query.containsKey("wait"));
        model.addAttribute("issuers", oidc.names());
        return "admin/login";
    }

    private static String message(MultiValueMap<String, String> query) {
        if (query.containsKey("wrong")) {
            return "Name or password is wrong.";
        }
        if (query.containsKey("wait")) {
            return "Too many log-ins failed. Wait a quarter of an hour, or use another account.";
        }
        if (query.containsKey("issuer")) {
            return "The issuer's log-in failed, or it gives you no role here.";
        }
        if (query.containsKey("over")) {
            return "Your session has ended. Log in again.";
        }
        return query.containsKey("bye") ? "You are logged out." : "";
    }

    /** Sends a browser to the log-in; htmx follows only its own header. */
    static Mono<Void> goBack(ServerWebExchange exchange, String why) {
        ServerHttpResponse response = exchange.getResponse();
        String target = "/admin/login" + (why.isEmpty() ? "" : "?" + why);
        if (exchange.getRequest().getHeaders().containsHeader("HX-Request")) {
            response.setStatusCode(HttpStatus.UNAUTHORIZED);
            response.getHeaders().set("HX-Redirect", target);
        } else {
            response.setStatusCode(HttpStatus.SEE_OTHER);
            response.getHeaders().setLocation(URI.create(target));
        }
        return response.setComplete();
    }
}
