package dev.aril.api;

import dev.aril.tenancy.Granularity;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.util.MultiValueMap;

/**
 * What a page of usage is about, as OpenAI's interface asks for it. Every parameter is honoured or
 * refused by name.
 *
 * @param starts of the page's buckets, oldest first
 * @param next names the following page; null on the last
 * @param byKey whether keys are told apart
 * @param byModel whether models are told apart
 * @param keys only these API keys' ids; empty for all
 * @param models only these models and adapters; empty for all
 */
record UsageParameters(
        Granularity width,
        List<Instant> starts,
        @Nullable String next,
        boolean byKey,
        boolean byModel,
        Set<String> keys,
        Set<String> models) {
    private static final String PAGE = "page_";

    /** The year 3000. */
    private static final long LATEST = 32_503_680_000L;

    private static final int MOST_NAMES = 100;

    static UsageParameters usage(MultiValueMap<String, String> parameters, Instant now) {
        Reader reader = new Reader(parameters);
        Granularity width =
                switch (reader.one("bucket_width", "1d")) {
                    case "1m" -> Granularity.MINUTE;
                    case "1h" -> Granularity.HOUR;
                    case "1d" -> Granularity.DAY;
                    default -> throw reader.refuse("bucket_width", "must be 1m, 1h or 1d");
                };
        return switch (width) {
            case MINUTE -> reader.read(width, 60, 1440, "model", "models", now);
            case HOUR -> reader.read(width, 24, 168, "model", "models", now);
            case DAY -> reader.read(width, 7, 31, "model", "models", now);
        };
    }

    static UsageParameters costs(MultiValueMap<String, String> parameters, Instant now) {
        Reader reader = new Reader(parameters);
        if (!reader.one("bucket_width", "1d").equals("1d")) {
            throw reader.refuse("bucket_width", "must be 1d");
        }
        return reader.read(Granularity.DAY, 7, 180, "line_item", null, now);
    }

    private static final class Reader {
        private final MultiValueMap<String, String> parameters;
        private final Set<String> known = new HashSet<>();

        Reader(MultiValueMap<String, String> parameters) {
            this.parameters = parameters;
        }

        /**
         * @param modelGroup what group_by calls models
         * @param modelFilter the parameter that selects models; null if there is none
         */
        UsageParameters read(
                Granularity width,
                int usual,
                int most,
                String modelGroup,
                @Nullable String modelFilter,
                Instant now) {
            long seconds = width.width().toSeconds();
            String given = one("start_time", "");
            if (given.isEmpty()) {
                throw refuse("start_time", "is required, in seconds since 1970");
            }
            long start = Math.floorDiv(number("start_time", given, 0, LATEST), seconds) * seconds;
            long end =
                    number(
                            "end_time",
                            one("end_time", Long.toString(now.getEpochSecond())),
                            0,
                            LATEST);
            int limit = (int) number("limit", one("limit", Integer.toString(usual)), 1, most);
            String page = one("page", "");
            long first = page.isEmpty() ? start : place(page, start, seconds);
            List<Instant> starts = new ArrayList<>();
            long at = first;
            for (; at < end && starts.size() < limit; at += seconds) {
                starts.add(Instant.ofEpochSecond(at));
            }
            Set<String> groups = many("group_by");
            for (String group : groups) {
                if (!group.equals(modelGroup) && !group.equals("api_key_id")) {
                    throw refuse("group_by", "must be " + modelGroup + " or api_key_id");
                }
            }
            UsageParameters read =
                    new UsageParameters(
                            width,
                            starts,
                            at < end ? PAGE + at : null,
                            groups.contains("api_key_id"),
                            groups.contains(modelGroup),
                            many("api_key_ids"),
                            modelFilter == null ? Set.of() : many(modelFilter));
            refuseOthers();
            return read;
        }

        private long place(String page, long start, long seconds) {
            String rest = page.startsWith(PAGE) ? page.substring(PAGE.length()) : "";
            if (!rest.matches("[0-9]{1,11}")
                    || Long.parseLong(rest) < start
                    || Long.parseLong(rest) % seconds != 0) {
                throw refuse("page", "must be the next_page of the same question");
            }
            return Long.parseLong(rest);
        }

        String one(String name, String otherwise) {
            known.add(name);
            List<String> given = parameters.getOrDefault(name, List.of());
            if (given.size() > 1) {
                throw refuse(name, "must be given once");
            }
            return given.isEmpty() ? otherwise : String.valueOf(given.getFirst());
        }

        /** Lists come as {@code a=1&a=2}, as {@code a[]=1&a[]=2}, or with commas between. */
        private Set<String> many(String name) {
            known.add(name);
            known.add(name + "[]");
            Set<String> all = new HashSet<>();
            for (String key : List.of(name, name + "[]")) {
                for (String value : parameters.getOrDefault(key, List.of())) {
                    all.addAll(List.of(String.valueOf(value).split(",")));
                }
            }
            all.remove("");
            if (all.size() > MOST_NAMES) {
                throw refuse(name, "must be at most " + MOST_NAMES + " names");
            }
            return all;
        }

        private long number(String name, String text, long least, long most) {
            if (text.matches("[0-9]{1,11}")) {
                long number = Long.parseLong(text);
                if (number >= least && number <= most) {
                    return number;
                }
            }
            throw refuse(name, "must be a whole number from " + least + " to " + most);
        }

        private void refuseOthers() {
            for (String name : parameters.keySet()) {
                if (!known.contains(name)) {
                    String told = name.length() <= 64 ? name : name.substring(0, 64) + "…";
                    throw refuse(told, "is not supported by this server; leave it out");
                }
            }
        }

        Refusal refuse(String name, String rule) {
            return RequestFields.invalid(name, "'" + name + "' " + rule + ".");
        }
    }
}
