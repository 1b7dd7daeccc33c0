package dev.aril.api;

import dev.aril.engine.GenerationEvent;
import dev.aril.engine.Usage;

/** What a request's generations tell: pieces of its choices in any order, then the end of all. */
sealed interface CallEvent {
    /**
     * @param choice which of the answer's choices, from 0
     * @param event anything but a failure, which ends all of the request
     */
    record Piece(int choice, GenerationEvent event) implements CallEvent {}

    /** All choices are finished, and what they spent is in the ledger. */
    record Settled(Usage usage) implements CallEvent {}
}
