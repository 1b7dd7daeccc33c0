package dev.aril.engine.kernels;

/** Projections that read one input: their adapters are computed together. */
enum LoraGroup {
    QKV(LowRank.Q, 3),
    OUTPUT(LowRank.O, 1),
    GATE_UP(LowRank.GATE, 2),
    DOWN(LowRank.DOWN, 1);

    /** As {@link LowRank} numbers projections. */
    final int first;

    /** Its projections follow each other. */
    final int count;

    LoraGroup(int first, int count) {
        this.first = first;
        this.count = count;
    }

    /** The group a projection is the first of. */
    static LoraGroup of(int first) {
        for (LoraGroup group : values()) {
            if (group.first == first) {
                return group;
            }
        }
        throw new IllegalArgumentException("no group begins with projection " + first);
    }
}
