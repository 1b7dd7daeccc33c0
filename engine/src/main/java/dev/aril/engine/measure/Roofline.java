package dev.aril.engine.measure;

/**
 * What bounds an operation: the bytes it must move and the multiplications and additions it must
 * do.
 *
 * @param bytesPerSecond as a copy within the device's memory reached it in the same run
 * @param opsPerSecond of INT8 matrix products, as the baseline reached it in the same run; infinite
 *     where no baseline ran
 */
record Roofline(double bytesPerSecond, double opsPerSecond) {
    double microseconds(double bytes, double ops) {
        return 1e6 * Math.max(bytes / bytesPerSecond, ops / opsPerSecond);
    }

    /** Adds what was reached to a row, and how much of the possible that is. */
    Row judge(Row row, double microseconds, double bytes, double ops) {
        double least = microseconds(bytes, ops);
        Row judged =
                row.with("us", microseconds)
                        .with("gb_per_s", bytes / microseconds / 1e3)
                        .with("roofline_us", least)
                        .with("roofline_share", least / microseconds);
        return ops > 0 ? judged.with("tera_ops_per_s", ops / microseconds / 1e6) : judged;
    }
}
