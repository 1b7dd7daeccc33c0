package dev.aril.adapters;

import java.util.UUID;

/** One published adapter; its name may later mean another one. */
public record AdapterId(UUID value) {
    @Override
    public String toString() {
        return value.toString();
    }
}
