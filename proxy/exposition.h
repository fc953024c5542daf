/* The text in which metrics are told: OpenMetrics 1.0, or the format of Prometheus before it, which
 * calls counters and infos by their samples' names.
 *
 * https://prometheus.io/docs/specs/om/open_metrics_spec/
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
#pragma once

#include "proxy/times.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum exposition_format {
    EXPOSITION_PLAIN,
    EXPOSITION_OPEN_METRICS,
};

/* What an Accept header asks for (NULL: there is none): OpenMetrics only where it is named, and no
 * worse than the other. */
enum exposition_format exposition_choose(const char *accept);

const char *exposition_content_type(enum exposition_format format);

enum exposition_kind {
    EXPOSITION_GAUGE,
    EXPOSITION_COUNTER,
    EXPOSITION_INFO,
    EXPOSITION_HISTOGRAM,
};

struct exposition {
    FILE *stream;
    enum exposition_format format;
    const char *name; /* of the family that was begun */
    enum exposition_kind kind;
};

/* The last one has no name. */
struct exposition_label {
    const char *name;
    const char *value; /* bytes that are no UTF-8 are shown as '?' */
};

/* A family of this name, without the suffix of its kind; what follows are its samples. `name` lives
 * as long. */
void exposition_begin(struct exposition *exposition, enum exposition_kind kind, const char *name,
                      const char *help);

/* Of any kind but a histogram; of an info it is 1. */
void exposition_add(const struct exposition *exposition, const struct exposition_label *labels,
                    uint64_t value);
void exposition_add_seconds(const struct exposition *exposition, double seconds);

void exposition_add_times(const struct exposition *exposition,
                          const struct exposition_label *labels, const struct times *times);

/* Nothing follows. */
void exposition_end(const struct exposition *exposition);
