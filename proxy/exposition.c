/* Writing metrics. */
#include "proxy/exposition.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BOUND_TEXT_BYTES 32

const char *exposition_content_type(enum exposition_format format)
{
    return format == EXPOSITION_OPEN_METRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}

/* What one range of an Accept header says of a type: its weight, or -1: it is about another. */
static double weight(const char *range, size_t length, const char *type)
{
    size_t name = strcspn(range, ",; \t");
    double weight = 1;

    if (name != strlen(type) || strncasecmp(range, type, name) != 0)
        return -1;
    for (const char *at = memchr(range, ';', length); at;) {
        at += 1 + strspn(at + 1, " \t");
        if (strncasecmp(at, "q=", 2) == 0)
            weight = strtod(at + 2, NULL);
        at = memchr(at, ';', (size_t)(range + length - at));
    }
    return weight;
}

enum exposition_format exposition_choose(const char *accept)
{
    double open_metrics = 0;
    double plain = 0;

    while (accept && *accept) {
        accept += strspn(accept, ", \t");
        size_t length = strcspn(accept, ",");
        double open_metrics_here = weight(accept, length, "application/openmetrics-text");
        double plain_here = weight(accept, length, "text/plain");
        if (open_metrics_here > open_metrics)
            open_metrics = open_metrics_here;
        if (plain_here > plain)
            plain = plain_here;
        accept += length;
    }
    return open_metrics > 0 && open_metrics >= plain ? EXPOSITION_OPEN_METRICS : EXPOSITION_PLAIN;
}

static const char *const kind_names[] = {
    [EXPOSITION_GAUGE] = "gauge",
    [EXPOSITION_COUNTER] = "counter",
    [EXPOSITION_INFO] = "info",
    [EXPOSITION_HISTOGRAM] = "histogram",
};

static const char *const kind_suffixes[] = {
    [EXPOSITION_GAUGE] = "",
    [EXPOSITION_COUNTER] = "_total",
    [EXPOSITION_INFO] = "_info",
    [EXPOSITION_HISTOGRAM] = "",
};

void exposition_begin(struct exposition *exposition, enum exposition_kind kind, const char *name,
                      const char *help)
{
    bool plain = exposition->format == EXPOSITION_PLAIN;
    const char *suffix = plain ? kind_suffixes[kind] : "";
    const char *type = plain && kind == EXPOSITION_INFO ? "gauge" : kind_names[kind];

    exposition->name = name;
    exposition->kind = kind;
    fprintf(exposition->stream, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name,
            suffix, type);
}

static bool is_utf8(const char *text)
{
    json_t *string = json_string(text);

    json_decref(string);
    return string;
}

static void print_value(FILE *stream, const char *text)
{
    bool sound = is_utf8(text);

    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', stream);
        if (*text == '\n')
            fputs("\\n", stream);
        else
            fputc(*text & 0x80 && !sound ? '?' : *text, stream);
    }
}

/* bound: the value of a label `le`; NULL: there is none. */
static void print_labels(FILE *stream, const struct exposition_label *labels, const char *bound)
{
    char before = '{';

    for (; labels && labels->name; labels++) {
        fprintf(stream, "%c%s=\"", before, labels->name);
        print_value(stream, labels->value);
        fputc('"', stream);
        before = ',';
    }
    if (bound)
        fprintf(stream, "%cle=\"%s\"", before, bound);
    fputs(before == ',' || bound ? "} " : " ", stream);
}

static void print_name(const struct exposition *exposition, const char *suffix,
                       const struct exposition_label *labels, const char *bound)
{
    fprintf(exposition->stream, "%s%s", exposition->name, suffix);
    print_labels(exposition->stream, labels, bound);
}

void exposition_add(const struct exposition *exposition, const struct exposition_label *labels,
                    uint64_t value)
{
    print_name(exposition, kind_suffixes[exposition->kind], labels, NULL);
    fprintf(exposition->stream, "%" PRIu64 "\n", value);
}

void exposition_add_seconds(const struct exposition *exposition, double seconds)
{
    print_name(exposition, kind_suffixes[exposition->kind], NULL, NULL);
    fprintf(exposition->stream, "%.6f\n", seconds);
}

/* OpenMetrics wants one form of each number: whole ones have ".0". */
static void format_bound(const struct times_bounds *bounds, unsigned index,
                         char text[static BOUND_TEXT_BYTES])
{
    if (index == bounds->count)
        snprintf(text, BOUND_TEXT_BYTES, "+Inf");
    else if (bounds->ns[index] % 1000000000 == 0)
        snprintf(text, BOUND_TEXT_BYTES, "%" PRIu64 ".0", bounds->ns[index] / 1000000000);
    else
        snprintf(text, BOUND_TEXT_BYTES, "%g", (double)bounds->ns[index] / 1e9);
}

/* The count is that of the last bucket, whatever is counted meanwhile. */
void exposition_add_times(const struct exposition *exposition,
                          const struct exposition_label *labels, const struct times *times)
{
    char bound[BOUND_TEXT_BYTES];
    uint64_t count = 0;

    for (unsigned i = 0; i <= times->bounds->count; i++) {
        count += atomic_load_explicit(&times->counts[i], memory_order_relaxed);
        format_bound(times->bounds, i, bound);
        print_name(exposition, "_bucket", labels, bound);
        fprintf(exposition->stream, "%" PRIu64 "\n", count);
    }
    print_name(exposition, "_count", labels, NULL);
    fprintf(exposition->stream, "%" PRIu64 "\n", count);
    print_name(exposition, "_sum", labels, NULL);
    fprintf(exposition->stream, "%.6f\n", (double)atomic_load(&times->sum_ns) / 1e9);
}

void exposition_end(const struct exposition *exposition)
{
    if (exposition->format == EXPOSITION_OPEN_METRICS)
        fputs("# EOF\n", exposition->stream);
}
