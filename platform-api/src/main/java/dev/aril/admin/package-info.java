/**
 * Who may govern this server, and how? The administration API, the dashboard, and the log-in before
 * both.
 */
@NullMarked
package dev.aril.admin;

import org.jspecify.annotations.NullMarked;
