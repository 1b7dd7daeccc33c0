package dev.aril.tenancy;

import java.net.Inet4Address;
import java.net.Inet6Address;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Where may a webhook go? Not into the network that the server itself stands in, whoever typed the
 * URL: neither by name nor by number.
 *
 * @param privateOnes whether an operator has allowed private addresses and plain http
 */
record WebhookAddresses(boolean privateOnes) {
    /** What is wrong with the URL by itself; null if nothing is. */
    @Nullable String faultOf(URI url) {
        String scheme = url.getScheme() == null ? "" : url.getScheme().toLowerCase(Locale.ROOT);
        if (url.getHost() == null || !(scheme.equals("https") || scheme.equals("http"))) {
            return "url must be an https URL with a host, as https://hooks.example.com/aril";
        }
        if (scheme.equals("http") && !privateOnes) {
            return "url must begin with https://; aril.webhooks.private=true allows http";
        }
        if (url.getUserInfo() != null || url.getFragment() != null) {
            return "url must not hold a user, a password or a fragment";
        }
        if (url.toString().length() > 2000) {
            return "url must not be longer than 2000 characters";
        }
        return null;
    }

    /**
     * What is wrong with where the host's name points now; null if nothing is. Asked right before
     * each delivery: the JVM keeps the answer for the connection that follows.
     */
    @Nullable String faultOfHost(URI url) {
        if (privateOnes) {
            return null;
        }
        try {
            for (InetAddress address : InetAddress.getAllByName(url.getHost())) {
                if (!open(address)) {
                    return "the host "
                            + url.getHost()
                            + " has a private address; aril.webhooks.private=true allows it";
                }
            }
            return null;
        } catch (UnknownHostException e) {
            return "the host " + url.getHost() + " is not known";
        }
    }

    private static boolean open(InetAddress address) {
        if (address.isAnyLocalAddress()
                || address.isLoopbackAddress()
                || address.isLinkLocalAddress()
                || address.isSiteLocalAddress()
                || address.isMulticastAddress()) {
            return false;
        }
        byte[] b = address.getAddress();
        int first = b[0] & 0xff;
        int second = b[1] & 0xff;
        return switch (address) {
            // this network, carrier NAT, IETF's own, benchmarks, reserved
            case Inet4Address _ ->
                    first != 0
                            && !(first == 100 && second >= 64 && second < 128)
                            && !(first == 192 && second == 0 && b[2] == 0)
                            && !(first == 198 && (second == 18 || second == 19))
                            && first < 240;
            // only global unicast, less what carries IPv4 addresses inside: 6to4, Teredo
            case Inet6Address _ ->
                    (first & 0xe0) == 0x20
                            && !(first == 0x20 && second == 0x02)
                            && !(first == 0x20 && second == 0x01 && b[2] == 0 && b[3] == 0);
            default -> false;
        };
    }
}
