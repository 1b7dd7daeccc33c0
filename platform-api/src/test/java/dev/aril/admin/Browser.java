package dev.aril.admin;

import java.net.URLEncoder;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Cookies and forms, as a browser without scripts has them. */
final class Browser {
    private static final Pattern TOKEN = Pattern.compile("name=\"_csrf\" value=\"([^\"]+)\"");

    private final AdminTest test;
    @Nullable String cookie;
    @Nullable String setCookie;

    Browser(AdminTest test) {
        this.test = test;
    }

    HttpResponse<String> get(String path) {
        return send(test.request(path).GET());
    }

    /** A form's post, with the token of the page it is on. */
    HttpResponse<String> submit(String page, String path, Map<String, String> fields) {
        return post(path, token(get(page).body()), fields);
    }

    HttpResponse<String> post(String path, @Nullable String token, Map<String, String> fields) {
        String form =
                fields.entrySet().stream()
                        .map(e -> e.getKey() + "=" + encode(e.getValue()))
                        .collect(Collectors.joining("&"));
        return send(
                test.request(path)
                        .header("Content-Type", "application/x-www-form-urlencoded")
                        .POST(
                                BodyPublishers.ofString(
                                        token == null ? form : form + "&_csrf=" + encode(token))));
    }

    HttpResponse<String> logIn(String name, String password) {
        return submit(
                "/admin/login", "/admin/login", Map.of("username", name, "password", password));
    }

    static String token(String page) {
        Matcher found = TOKEN.matcher(page);
        if (!found.find()) {
            throw new AssertionError("no form on this page: " + page);
        }
        return found.group(1);
    }

    HttpResponse<String> send(HttpRequest.Builder request) {
        if (cookie != null) {
            request.header("Cookie", cookie);
        }
        HttpResponse<String> response = test.send(request);
        response.headers()
                .firstValue("set-cookie")
                .ifPresent(set -> {
                    setCookie = set;
                    cookie = set.split(";", 2)[0];
                });
        return response;
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
