package dev.aril.adapters;

import dev.aril.engine.AdapterRef;

/** What a model name means to a tenant right now. */
public record ResolvedAdapter(Adapter adapter, AdapterRef ref) {}
