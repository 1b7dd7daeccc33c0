package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.api.Blocking;
import dev.aril.tenancy.Role;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.web.bind.annotation.RequestMethod;
import org.springframework.web.method.HandlerMethod;
import org.springframework.web.reactive.result.method.annotation.RequestMappingHandlerMapping;

/** The documents and the handlers say the same; and each handler says who may call it. */
final class OpenApiTest extends AdminTest {
    @Autowired
    @Qualifier("requestMappingHandlerMapping")
    RequestMappingHandlerMapping mapping;

    private record Handler(String route, HandlerMethod method) {}

    private List<Handler> handlers() {
        List<Handler> handlers = new ArrayList<>();
        mapping.getHandlerMethods()
                .forEach((info, method) ->
                        info.getPatternsCondition()
                                .getPatterns()
                                .forEach(pattern -> {
                                    for (RequestMethod verb :
                                            info.getMethodsCondition().getMethods()) {
                                        handlers.add(
                                                new Handler(
                                                        verb + " " + pattern.getPatternString(),
                                                        method));
                                    }
                                    if (info.getMethodsCondition().getMethods().isEmpty()) {
                                        handlers.add(
                                                new Handler(
                                                        "ANY " + pattern.getPatternString(),
                                                        method));
                                    }
                                }));
        return handlers;
    }

    @Test
    void eachHandlerHasAPolicy() {
        List<String> without = new ArrayList<>();
        int administration = 0;
        for (Handler handler : handlers()) {
            String path = handler.route().split(" ", 2)[1];
            boolean dataPlane =
                    path.startsWith("/v1/")
                            && handler.method().getBeanType().getPackage()
                                    == Blocking.class.getPackage();
            boolean open =
                    path.equals("/openapi/admin.json")
                            || path.equals("/openapi/v1.json")
                            || handler.route().equals("GET /admin/login");
            boolean needs = handler.method().hasMethodAnnotation(Needs.class);
            administration += needs ? 1 : 0;
            if (!dataPlane && !open && !needs) {
                without.add(path);
            }
        }
        // The one that is there to be found, and no other.
        assertThat(without).containsExactly(Forgotten.PATH);
        assertThat(administration).isGreaterThan(50);
    }

    @Test
    void theAdministrationApisDocumentIsItsHandlers() {
        OpenApi document = new OpenApi(send(request("/openapi/admin.json").GET()).body());
        assertThat(document.brokenReferences()).isEmpty();
        Map<String, String> described = new TreeMap<>();
        document.operations().forEach(o -> described.put(o.toString(), o.role()));
        Map<String, String> handled = new TreeMap<>();
        for (Handler handler : handlers()) {
            Needs needs = handler.method().getMethodAnnotation(Needs.class);
            if (handler.route().contains(" /admin/api/") && needs != null) {
                handled.put(handler.route(), Choices.wire(needs.value()));
            }
        }
        assertThat(described).isEqualTo(handled).isNotEmpty();
        assertThat(document.operations().stream().map(OpenApi.Operation::id).distinct().count())
                .isEqualTo(document.operations().size());
    }

    @Test
    void theTenantsApisDocumentIsItsHandlers() {
        OpenApi document = new OpenApi(send(request("/openapi/v1.json").GET()).body());
        assertThat(document.brokenReferences()).isEmpty();
        TreeSet<String> described = new TreeSet<>();
        document.operations().forEach(o -> described.add(o.toString()));
        TreeSet<String> handled = new TreeSet<>();
        for (Handler handler : handlers()) {
            if (handler.route().contains(" /v1/")) {
                // OpenAPI has no rest of a path
                handled.add(handler.route().replace("{*name}", "{name}"));
            }
        }
        assertThat(described).isEqualTo(handled).isNotEmpty();
    }

    @Test
    void whatIsNotThereIsNotThereForAnybody() {
        String in = basic(newAccount(Role.ADMIN));
        assertThat(problem(call(in, "GET", "/nothing", null), 404).get("type").stringValue())
                .endsWith("no-such-url");
        assertThat(problem(call("Basic x", "GET", "/nothing", null), 401).has("remedy")).isTrue();
    }
}
