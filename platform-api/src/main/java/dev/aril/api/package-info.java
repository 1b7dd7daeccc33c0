/**
 * HTTP in, SSE out: the OpenAI wire format, known here and nowhere else. {@link
 * dev.aril.api.ChatCompletions} is the page to start with.
 */
@NullMarked
package dev.aril.api;

import org.jspecify.annotations.NullMarked;
