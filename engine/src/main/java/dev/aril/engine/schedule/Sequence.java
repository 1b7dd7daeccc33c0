package dev.aril.engine.schedule;

import dev.aril.engine.AdapterRef;
import dev.aril.engine.SamplingParams;
import java.util.Arrays;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One generation's tokens, and what it holds while it runs. Tokens before {@link #computed} have
 * their keys and values in the cache; a step computes some of those after, one for a decode, many
 * for a chunk of the prompt. Belongs to the scheduler's thread.
 */
public final class Sequence {
    /** The slot of a sequence that holds no adapter. */
    public static final int NO_SLOT = -1;

    /** Where a sequence is in its life. */
    enum State {
        /** Not with a scheduler yet. */
        NEW,
        /** In the queue, without KV blocks. */
        WAITING,
        /** With KV blocks for all its tokens. */
        RUNNING,
        /** Let go; holds nothing. */
        ENDED
    }

    private final String id;
    private final String flow;
    private final @Nullable AdapterRef adapter;
    private final SamplingParams sampling;
    private final long seed;
    private final int promptLength;
    private final @Nullable TokenCounts counts;
    private final float[] biases;
    private int[] tokens;
    private int length;
    private int computed;
    private int[] blocks = new int[0];
    private int blockCount;
    private int slot = NO_SLOT;
    private State state = State.NEW;
    private boolean charged;

    /**
     * @param flow among these the scheduler is fair
     * @param prompt at least one id; copied
     * @param adapter null for the base model
     * @param seed of the sampler's draws, the request's own or a fresh one
     */
    public Sequence(
            String id,
            String flow,
            int[] prompt,
            @Nullable AdapterRef adapter,
            SamplingParams sampling,
            long seed) {
        if (prompt.length == 0) {
            throw new IllegalArgumentException("prompt must have at least one token");
        }
        this.id = id;
        this.flow = flow;
        this.adapter = adapter;
        this.sampling = sampling;
        this.seed = seed;
        this.promptLength = prompt.length;
        this.length = prompt.length;
        this.tokens = Arrays.copyOf(prompt, prompt.length + Math.min(sampling.maxTokens(), 256));
        this.biases = new float[sampling.logitBias().size()];
        this.counts = sampling.penalizes() || biases.length > 0 ? new TokenCounts() : null;
        if (counts != null) {
            int next = 0;
            for (Map.Entry<Integer, Float> bias : sampling.logitBias().entrySet()) {
                counts.name(bias.getKey());
                biases[next++] = bias.getValue();
            }
        }
        if (sampling.repetitionPenalty() != 1 && counts != null) {
            for (int token : prompt) {
                counts.add(token, false);
            }
        }
    }

    public String id() {
        return id;
    }

    public String flow() {
        return flow;
    }

    public @Nullable AdapterRef adapter() {
        return adapter;
    }

    public SamplingParams sampling() {
        return sampling;
    }

    public long seed() {
        return seed;
    }

    /** Ids of prompt and completion together. */
    public int length() {
        return length;
    }

    public int promptLength() {
        return promptLength;
    }

    public int completionLength() {
        return length - promptLength;
    }

    /** The id at a position of prompt and completion. */
    public int token(int position) {
        return tokens[position];
    }

    /** Prompt and completion, {@link #length} ids and unused room; not a copy. */
    public int[] tokens() {
        return tokens;
    }

    /**
     * The ids that have a bias, and where there are penalties its own, those of the prompt only if
     * a penalty is for them; null without both.
     */
    public @Nullable TokenCounts counts() {
        return counts;
    }

    /** What is added to the logits of the first of {@link #counts}' ids; not a copy. */
    public float[] biases() {
        return biases;
    }

    /** Whether a step gives the logprobs of the prompt's ids that follow its rows. */
    public boolean scoresPrompt() {
        return sampling.promptLogprobs() && length == promptLength;
    }

    /** Positions whose keys and values are in the cache: 0 to this, exclusive. */
    public int computed() {
        return computed;
    }

    /**
     * The KV block of each run of positions, {@link #blockCount} entries and unused room; not a
     * copy. Position p is in entry p / block size, at place p % block size.
     */
    public int[] blockTable() {
        return blocks;
    }

    public int blockCount() {
        return blockCount;
    }

    /** The slot of its resident adapter, or {@link #NO_SLOT}. */
    public int slot() {
        return slot;
    }

    State state() {
        return state;
    }

    void state(State next) {
        state = next;
    }

    void slot(int next) {
        slot = next;
    }

    /** Whether its flow paid for the prompt; it does so once, however often it is recomputed. */
    boolean charged() {
        return charged;
    }

    void charge() {
        charged = true;
    }

    void append(int id) {
        if (length == tokens.length) {
            tokens = Arrays.copyOf(tokens, length + (length >> 1) + 16);
        }
        tokens[length++] = id;
        if (counts != null && sampling.penalizes()) {
            counts.add(id, true);
        }
    }

    void advance(int rows) {
        computed += rows;
    }

    void addBlock(int block) {
        if (blockCount == blocks.length) {
            blocks = Arrays.copyOf(blocks, blockCount + (blockCount >> 1) + 4);
        }
        blocks[blockCount++] = block;
    }

    /** Gives up its blocks: what was computed is lost, the tokens stay. */
    void dropBlocks() {
        blockCount = 0;
        computed = 0;
    }

    @Override
    public String toString() {
        return id + " (" + state + ", " + computed + " of " + length + " computed)";
    }
}
