package dev.aril.admin;

import dev.aril.api.Blocking;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CancellationException;
import java.util.concurrent.Semaphore;
import java.util.function.Consumer;
import reactor.core.publisher.Flux;
import reactor.core.publisher.FluxSink;

/** Text that a blocking writer makes, as a body that is sent piece by piece. */
final class StreamedBody {
    private static final int PIECE = 16 * 1024;

    /** More asked than this is as good as any number. */
    private static final int ENOUGH = 1 << 20;

    private final FluxSink<byte[]> sink;
    private final Semaphore asked = new Semaphore(0);
    private final ByteArrayOutputStream piece = new ByteArrayOutputStream(PIECE + 1024);
    private volatile boolean gone;

    private StreamedBody(FluxSink<byte[]> sink) {
        this.sink = sink;
        sink.onRequest(count -> {
            if (asked.availablePermits() < ENOUGH) {
                asked.release((int) Math.min(count, ENOUGH));
            }
        });
        sink.onDispose(() -> {
            gone = true;
            asked.release();
        });
    }

    static Flux<byte[]> of(Blocking blocking, Consumer<Consumer<String>> writer) {
        return Flux.create(
                sink -> {
                    StreamedBody body = new StreamedBody(sink);
                    var unused =
                            blocking.start(() -> {
                                body.run(writer);
                                return true;
                            });
                },
                FluxSink.OverflowStrategy.ERROR);
    }

    private void run(Consumer<Consumer<String>> writer) {
        try {
            writer.accept(this::add);
            send();
            sink.complete();
        } catch (CancellationException e) {
            // nobody reads any more
        } catch (RuntimeException e) {
            sink.error(e);
        }
    }

    private void add(String text) {
        piece.writeBytes(text.getBytes(StandardCharsets.UTF_8));
        if (piece.size() >= PIECE) {
            send();
        }
    }

    private void send() {
        asked.acquireUninterruptibly();
        if (gone) {
            throw new CancellationException();
        }
        sink.next(piece.toByteArray());
        piece.reset();
    }
}
