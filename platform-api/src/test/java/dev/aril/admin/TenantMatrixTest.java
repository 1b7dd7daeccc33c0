package dev.aril.admin;

import static org.assertj.core.api.Assertions.assertThat;

import dev.aril.adapters.Adapters;
import dev.aril.adapters.StagedUpload;
import dev.aril.engine.AdapterRejected.Part;
import dev.aril.tenancy.IssuedKey;
import dev.aril.tenancy.KeyScope;
import dev.aril.tenancy.Tenant;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.WritableByteChannel;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;

/**
 * Who sees what of whom: each operation of the tenants' document, by each kind of key, with each
 * kind of id; and each operation of the administration's document that takes a tenant and a key, by
 * each role, with another tenant's key. What is another's is as what is not there: same status,
 * same body, and nothing of the other in it.
 */
class TenantMatrixTest extends AdminTest {
    private static final String MISSING = "missing-adapter-0000";

    @Autowired Adapters adapters;

    /** A tenant with a key, an adapter and some usage, all of which would be recognised. */
    private record Party(Tenant tenant, String key, String adapter) {}

    private Party party(String prefix) throws Exception {
        Tenant tenant = newTenant();
        String adapter =
                (prefix + unique("-") + "-0000000000000000").substring(0, MISSING.length());
        publish(tenant, adapter);
        Party party = new Party(tenant, newKey(tenant), adapter);
        HttpResponse<String> used =
                send(
                        request("/v1/completions")
                                .header("Authorization", "Bearer " + party.key())
                                .header("Content-Type", "application/json")
                                .POST(BodyPublishers.ofString(completion(adapter))));
        assertThat(used.statusCode()).as(used.body()).isEqualTo(200);
        return party;
    }

    private void publish(Tenant tenant, String adapter) throws Exception {
        try (StagedUpload upload = adapters.stage()) {
            write(upload, Part.CONFIG, "{\"peft_type\":\"LORA\",\"of\":\"" + adapter + "\"}");
            write(upload, Part.MODEL, "tensors of " + adapter);
            adapters.publish(tenant.id(), adapter, upload);
        }
    }

    private static void write(StagedUpload upload, Part part, String text) throws Exception {
        try (WritableByteChannel out = upload.open(part)) {
            out.write(ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
        }
    }

    private static String completion(String model) {
        return "{\"model\":\"" + model + "\",\"prompt\":\"one two\",\"max_tokens\":4}";
    }

    private static String chat(String model) {
        return "{\"model\":\""
                + model
                + "\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"one two\"}]}";
    }

    @Test
    void whatIsAnothersIsAsWhatIsNotThere() throws Exception {
        Party own = party("own");
        Party other = party("oth");
        String gone = ("del" + unique("-") + "-000000000000").substring(0, MISSING.length());
        publish(own.tenant(), gone);
        assertThat(adapters.delete(own.tenant().id(), gone)).isTrue();

        Map<String, String> callers = callers(own);
        Map<String, String> ids = new LinkedHashMap<>();
        ids.put("own", own.adapter());
        ids.put("other", other.adapter());
        ids.put("deleted", gone);
        ids.put("absent", MISSING);
        OpenApi document = new OpenApi(send(request("/openapi/v1.json").GET()).body());
        int cells = 0;
        List<String> leaks = new ArrayList<>();
        for (OpenApi.Operation operation : document.operations()) {
            for (Map.Entry<String, String> caller : callers.entrySet()) {
                Map<String, String> seen = new LinkedHashMap<>();
                for (Map.Entry<String, String> id : ids.entrySet()) {
                    // its own would be gone for the rows after it
                    if (operation.method().equals("DELETE")
                            && id.getKey().equals("own")
                            && caller.getKey().equals("valid")) {
                        continue;
                    }
                    HttpResponse<String> answer =
                            cell(operation, caller.getValue(), id.getValue(), other);
                    cells++;
                    String what = operation + " by " + caller.getKey() + " of " + id.getKey();
                    String body = answer.body().replace(id.getValue(), "ID");
                    seen.put(id.getKey(), answer.statusCode() + " " + body);
                    if (body.contains(other.adapter())
                            || body.contains(other.tenant().name())
                            || body.contains(other.tenant().id().toString())
                            || body.contains(keyId(other))) {
                        leaks.add(what + ": " + body);
                    }
                    if (!caller.getKey().equals("valid")
                            && !caller.getKey().startsWith("scope")
                            && answer.statusCode() != 401) {
                        leaks.add(what + ": status " + answer.statusCode());
                    }
                }
                if (seen.containsKey("other")
                        && operation.parameters().stream().anyMatch(p -> p.name().equals("name"))
                        && !seen.get("other").equals(seen.get("absent"))) {
                    leaks.add(operation + " tells another's from none: " + seen);
                }
            }
        }
        // what was asked for by others is still there, and only its owner's usage was counted
        assertThat(adapters.find(other.tenant().id(), other.adapter())).isPresent();
        assertThat(leaks).isEmpty();
        System.out.printf("matrix: %d cells of the tenants' API, 0 leaks%n", cells);
        assertThat(cells).isGreaterThan(200);
    }

    /** Kinds of keys of one tenant, and those of tenants that may not. */
    private Map<String, String> callers(Party own) throws Exception {
        Map<String, String> callers = new LinkedHashMap<>();
        callers.put("valid", own.key());
        for (KeyScope scope : KeyScope.values()) {
            callers.put(
                    "scope " + scope.text(),
                    keys.create(TEST, own.tenant().id(), "one scope", Set.of(scope), null)
                            .secret());
        }
        IssuedKey revoked = keys.create(TEST, own.tenant().id(), "revoked", KeyScope.ALL, null);
        keys.revoke(TEST, own.tenant().id(), revoked.key().keyId());
        callers.put("revoked", revoked.secret());
        IssuedKey rotated = keys.create(TEST, own.tenant().id(), "rotated", KeyScope.ALL, null);
        keys.rotate(TEST, own.tenant().id(), rotated.key().keyId(), Duration.ZERO);
        callers.put("rotated", rotated.secret());
        Tenant suspended = newTenant();
        callers.put("of a suspended tenant", newKey(suspended));
        tenants.suspend(TEST, suspended.id());
        Tenant deleted = newTenant();
        callers.put("of a deleted tenant", newKey(deleted));
        tenants.delete(TEST, deleted.id(), Duration.ofDays(30));
        callers.put("malformed", "aril_x");
        callers.put("none", "");
        return callers;
    }

    private HttpResponse<String> cell(
            OpenApi.Operation operation, String key, String id, Party other) {
        String path = operation.path().replace("{name}", id);
        if (path.contains("/organization/")) {
            path += "?start_time=" + (System.currentTimeMillis() / 1000 - 86_400);
            if (id.equals(other.adapter())) {
                path += "&api_key_ids=" + keyId(other);
            }
        }
        HttpRequest.Builder request = request(path);
        if (!key.isEmpty()) {
            request.header("Authorization", "Bearer " + key);
        }
        if (operation.body().containsKey("application/json")) {
            request.header("Content-Type", "application/json")
                    .POST(
                            BodyPublishers.ofString(
                                    path.contains("chat") ? chat(id) : completion(id)));
        } else if (operation.method().equals("POST")) {
            request.header("Content-Type", "multipart/form-data; boundary=b")
                    .POST(BodyPublishers.ofString(upload(id)));
        } else {
            request.method(operation.method(), BodyPublishers.noBody());
        }
        HttpResponse<String> answer = send(request);
        if (operation.method().equals("POST") && answer.statusCode() == 201) {
            // a name that another tenant has is free here; make room for the next cell
            send(request("/v1/adapters/" + id).header("Authorization", "Bearer " + key).DELETE());
        }
        return answer;
    }

    private static String upload(String name) {
        return """
        --b\r
        Content-Disposition: form-data; name="name"\r
        \r
        %s\r
        --b\r
        Content-Disposition: form-data; name="adapter_config"; filename="adapter_config.json"\r
        \r
        {"peft_type":"LORA"}\r
        --b\r
        Content-Disposition: form-data; name="adapter_model"; filename="adapter_model.safetensors"\r
        \r
        mine\r
        --b--\r
        """
                .formatted(name);
    }

    private static String keyId(Party party) {
        return party.key().split("_")[1];
    }
}
