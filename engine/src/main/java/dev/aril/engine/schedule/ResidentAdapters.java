package dev.aril.engine.schedule;

import dev.aril.engine.AdapterRef;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.Collection;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Which adapters are in the device's memory, and in which slot? A sequence pins its adapter from
 * the moment it is next in line until it ends; the least recently pinned of the others make room.
 *
 * <p>How many bytes an adapter takes is known once it was loaded. So the first load of an adapter
 * may exceed the budget by that adapter until {@link #loaded} finds no room and evicts it again;
 * from then on its size is known beforehand.
 */
public final class ResidentAdapters {
    private static final int SIZES_REMEMBERED = 10_000;

    /** What became of an adapter that was loaded. */
    enum Loaded {
        READY,
        /** Evicted again: the others are in use and leave it too little room for now. */
        NO_ROOM,
        /** Evicted again: it exceeds the whole budget. */
        TOO_LARGE
    }

    private static final class Resident {
        final AdapterRef adapter;
        final int slot;
        final Set<Sequence> pins = new LinkedHashSet<>();
        boolean ready;
        long bytes;

        Resident(AdapterRef adapter, int slot, long bytes) {
            this.adapter = adapter;
            this.slot = slot;
            this.bytes = bytes;
        }
    }

    private final long budget;
    private final AdapterLoader loader;

    /** What is in each slot; null if nothing. */
    private final @Nullable Resident[] bySlot;

    /** By digest, the least recently pinned first. */
    private final Map<String, Resident> residents = new LinkedHashMap<>(16, 0.75f, true);

    private final Map<String, Long> sizes = new LinkedHashMap<>();
    private long bytes;

    /** Bytes to evict before the next load: the device had no room for the last one. */
    private long lacking;

    /** {@link #digests}, null when out of date: asked for every step, changed rarely. */
    private @Nullable List<String> digests;

    /**
     * @param slots adapters resident at most
     * @param budget bytes they take at most
     */
    public ResidentAdapters(int slots, long budget, AdapterLoader loader) {
        this.bySlot = new Resident[slots];
        this.budget = budget;
        this.loader = loader;
    }

    /** Adapters resident at most. */
    int slots() {
        return bySlot.length;
    }

    /** Bytes of the resident adapters, those being loaded included as far as they are known. */
    public long bytes() {
        return bytes;
    }

    public long budget() {
        return budget;
    }

    /** Digests of the adapters that are ready. */
    public List<String> digests() {
        List<String> known = digests;
        if (known == null) {
            known =
                    residents.values().stream()
                            .filter(resident -> resident.ready)
                            .map(resident -> resident.adapter.digest())
                            .toList();
            digests = known;
        }
        return known;
    }

    /**
     * Pins a sequence's adapter, starting to load it if it is cold.
     *
     * @return false if there is no room, with nothing changed but unused adapters evicted
     */
    boolean pin(Sequence sequence, AdapterRef adapter) {
        Resident resident = residents.get(adapter.digest());
        if (resident == null) {
            long size = sizes.getOrDefault(adapter.digest(), 0L);
            if (!evictLacking() || !makeRoom(1, size)) {
                return false;
            }
            resident = new Resident(adapter, freeSlot(), size);
            bySlot[resident.slot] = resident;
            bytes += size;
            residents.put(adapter.digest(), resident);
            loader.load(adapter, resident.slot);
        }
        resident.pins.add(sequence);
        sequence.slot(resident.slot);
        return true;
    }

    /** Whether the adapter of a sequence that pins it is there. */
    boolean ready(Sequence sequence) {
        Resident resident = find(sequence.slot());
        return resident != null && resident.ready;
    }

    void unpin(Sequence sequence) {
        Resident resident = find(sequence.slot());
        if (resident == null || !resident.pins.remove(sequence)) {
            throw new IllegalStateException(sequence + " pins no adapter");
        }
        sequence.slot(Sequence.NO_SLOT);
        // it was in use until now
        residents.get(resident.adapter.digest());
    }

    /** Those that pin what is in a slot. */
    List<Sequence> pins(int slot) {
        Resident resident = find(slot);
        return resident == null ? List.of() : List.copyOf(resident.pins);
    }

    /** An adapter's bytes have arrived in its slot. */
    Loaded loaded(int slot, long size) {
        Resident resident = loading(slot);
        bytes += size - resident.bytes;
        resident.bytes = size;
        resident.ready = true;
        digests = null;
        if (size <= budget) {
            remember(resident.adapter.digest(), size);
            if (makeRoom(0, 0, resident)) {
                return Loaded.READY;
            }
        }
        drop(resident);
        loader.evict(slot);
        return size > budget ? Loaded.TOO_LARGE : Loaded.NO_ROOM;
    }

    /** An adapter could not be loaded; its slot is empty. */
    void failed(int slot) {
        drop(loading(slot));
    }

    /**
     * The device had no room for an adapter that was being loaded; its slot is empty.
     *
     * @param wanted bytes it takes
     * @param free bytes that were free, though not in one piece
     * @return whether a later load may find room; if not, it did not though no other was there
     */
    boolean outOfMemory(int slot, long wanted, long free) {
        Resident resident = loading(slot);
        drop(resident);
        if (wanted > budget || residents.isEmpty()) {
            return false;
        }
        remember(resident.adapter.digest(), wanted);
        lacking = Math.max(1, wanted - free);
        return true;
    }

    /** The device holds nothing any more; loads under way are void. */
    void forget() {
        List.copyOf(residents.values()).forEach(this::drop);
        lacking = 0;
    }

    /**
     * Evicts what the device lacked, or all there is.
     *
     * @return false if others are in use and the rest is too little, with nothing changed
     */
    private boolean evictLacking() {
        long open = lacking;
        List<Resident> victims = new ArrayList<>();
        for (Resident resident : residents.values()) {
            if (open > 0 && resident.ready && resident.pins.isEmpty()) {
                victims.add(resident);
                open -= resident.bytes;
            }
        }
        if (open > 0 && victims.size() < residents.size()) {
            return false;
        }
        evict(victims);
        lacking = 0;
        return true;
    }

    private Resident loading(int slot) {
        Resident resident = find(slot);
        if (resident == null || resident.ready) {
            throw new IllegalStateException("nothing is being loaded into slot " + slot);
        }
        return resident;
    }

    private boolean makeRoom(int moreSlots, long moreBytes) {
        return makeRoom(moreSlots, moreBytes, null);
    }

    /** Evicts unused adapters until so much fits, or none if it cannot. */
    private boolean makeRoom(int moreSlots, long moreBytes, @Nullable Resident spared) {
        int freeSlots = slots() - residents.size();
        long freeBytes = budget - bytes;
        List<Resident> victims = new ArrayList<>();
        Iterator<Resident> oldest = residents.values().iterator();
        while (freeSlots < moreSlots || freeBytes < moreBytes) {
            if (!oldest.hasNext()) {
                return false;
            }
            Resident victim = oldest.next();
            if (victim != spared && victim.ready && victim.pins.isEmpty()) {
                victims.add(victim);
                freeSlots++;
                freeBytes += victim.bytes;
            }
        }
        evict(victims);
        return true;
    }

    private void evict(List<Resident> victims) {
        for (Resident victim : victims) {
            drop(victim);
            loader.evict(victim.slot);
        }
    }

    private void drop(Resident resident) {
        digests = null;
        residents.remove(resident.adapter.digest());
        bySlot[resident.slot] = null;
        bytes -= resident.bytes;
        resident.pins.forEach(sequence -> sequence.slot(Sequence.NO_SLOT));
        resident.pins.clear();
    }

    private void remember(String digest, long size) {
        sizes.put(digest, size);
        if (sizes.size() > SIZES_REMEMBERED) {
            sizes.remove(sizes.keySet().iterator().next());
        }
    }

    private @Nullable Resident find(int slot) {
        return slot == Sequence.NO_SLOT ? null : bySlot[slot];
    }

    private int freeSlot() {
        for (int slot = 0; slot < bySlot.length; slot++) {
            if (bySlot[slot] == null) {
                return slot;
            }
        }
        throw new IllegalStateException("no slot is free");
    }

    /**
     * @param holders all sequences that may pin an adapter
     */
    void checkIntegrity(Collection<Sequence> holders) {
        int pins = 0;
        long sum = 0;
        BitSet seen = new BitSet();
        for (Resident resident : residents.values()) {
            pins += resident.pins.size();
            sum += resident.bytes;
            seen.set(resident.slot);
            if (bySlot[resident.slot] != resident) {
                throw new IllegalStateException("slot " + resident.slot + " holds another");
            }
            for (Sequence sequence : resident.pins) {
                if (sequence.slot() != resident.slot || !holders.contains(sequence)) {
                    throw new IllegalStateException(
                            sequence + " should not pin slot " + resident.slot);
                }
            }
        }
        long holding = holders.stream().filter(s -> s.slot() != Sequence.NO_SLOT).count();
        if (pins != holding || sum != bytes || bytes > budget) {
            throw new IllegalStateException(
                    pins + " pins of " + holding + " sequences, " + bytes + " bytes of " + sum);
        }
        if (seen.cardinality() != residents.size()) {
            throw new IllegalStateException("two adapters share a slot: " + seen);
        }
    }
}
