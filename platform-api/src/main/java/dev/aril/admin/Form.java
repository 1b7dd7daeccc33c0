package dev.aril.admin;

/** What a browser's form sent, less its token against forgery. */
record Form(Query fields) {}
