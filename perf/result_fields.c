/* The tables of a result's members. */
#include "perf/result_fields.h"

#define FIELD(type, member, name, its_kind)                              \
    {                                                                    \
        .key = name, .kind = its_kind, .offset = offsetof(type, member), \
        .bytes = sizeof(((type *)NULL)->member)                          \
    }
#define TABLE(array)                                                 \
    {                                                                \
        .fields = array, .count = sizeof(array) / sizeof((array)[0]) \
    }

static const struct result_field options[] = {
    FIELD(struct result_options, endpoint, "endpoint", FIELD_TEXT),
    FIELD(struct result_options, mode, "mode", FIELD_TEXT),
    FIELD(struct result_options, direction, "direction", FIELD_TEXT),
    FIELD(struct result_options, arrival, "arrival", FIELD_TEXT),
    FIELD(struct result_options, connections, "connections", FIELD_UNSIGNED),
    FIELD(struct result_options, threads, "threads", FIELD_UNSIGNED),
    FIELD(struct result_options, depth, "depth", FIELD_UNSIGNED),
    FIELD(struct result_options, duration_ns, "duration_seconds", FIELD_SECONDS),
    FIELD(struct result_options, warmup_ns, "warmup_seconds", FIELD_SECONDS),
    FIELD(struct result_options, size, "size", FIELD_COUNT),
    FIELD(struct result_options, request, "request", FIELD_COUNT),
    FIELD(struct result_options, response, "response", FIELD_COUNT),
    FIELD(struct result_options, rate, "rate", FIELD_REAL),
    FIELD(struct result_options, seed, "seed", FIELD_SEED),
    FIELD(struct result_options, verify, "verify", FIELD_BOOLEAN),
};
const struct result_field_table result_option_fields = TABLE(options);

static const struct result_field environment[] = {
    FIELD(struct result_environment, kernel, "kernel", FIELD_TEXT),
    FIELD(struct result_environment, cpu, "cpu", FIELD_TEXT),
    FIELD(struct result_environment, cpus, "cpus", FIELD_UNSIGNED),
    FIELD(struct result_environment, host, "host", FIELD_TEXT),
    FIELD(struct result_environment, version, "version", FIELD_TEXT),
    FIELD(struct result_environment, engine, "engine", FIELD_TEXT),
    FIELD(struct result_environment, started, "started", FIELD_TEXT),
};
const struct result_field_table result_environment_fields = TABLE(environment);

static const struct result_field throughput[] = {
    FIELD(struct result, bytes_up, "bytes_up", FIELD_COUNT),
    FIELD(struct result, bytes_down, "bytes_down", FIELD_COUNT),
    FIELD(struct result, completed, "completed", FIELD_COUNT),
    FIELD(struct result, seconds, "seconds", FIELD_REAL),
};
const struct result_field_table result_throughput_fields = TABLE(throughput);

static const struct result_field cpu[] = {
    FIELD(struct result, cpu_user_s, "user_seconds", FIELD_REAL),
    FIELD(struct result, cpu_system_s, "system_seconds", FIELD_REAL),
};
const struct result_field_table result_cpu_fields = TABLE(cpu);

static const struct result_field errors[] = {
    FIELD(struct result_errors, connect, "connect", FIELD_COUNT),
    FIELD(struct result_errors, reset, "reset", FIELD_COUNT),
    FIELD(struct result_errors, closed, "closed", FIELD_COUNT),
    FIELD(struct result_errors, verify, "verify", FIELD_COUNT),
    FIELD(struct result_errors, timeout, "timeout", FIELD_COUNT),
};
const struct result_field_table result_error_fields = TABLE(errors);

static const struct result_field interval[] = {
    FIELD(struct result_interval, at_s, "at_seconds", FIELD_REAL),
    FIELD(struct result_interval, seconds, "seconds", FIELD_REAL),
    FIELD(struct result_interval, completed, "completed", FIELD_COUNT),
    FIELD(struct result_interval, bytes, "bytes", FIELD_COUNT),
    FIELD(struct result_interval, p50_ns, "p50", FIELD_MICROSECONDS),
    FIELD(struct result_interval, p99_ns, "p99", FIELD_MICROSECONDS),
    FIELD(struct result_interval, errors, "errors", FIELD_COUNT),
};
const struct result_field_table result_interval_fields = TABLE(interval);

const struct result_histogram result_histograms[RESULT_HISTOGRAMS] = {
    {"latency", "latency", offsetof(struct result, latency)},
    {"connect_latency", "connect", offsetof(struct result, connect)},
    {"first_byte_latency", "first byte", offsetof(struct result, first_byte)},
    {"schedule_error", "schedule error", offsetof(struct result, schedule)},
};

const struct histogram *result_histogram(const struct result *result, size_t index)
{
    return (const struct histogram *)((const char *)result + result_histograms[index].offset);
}

void result_field_format(const struct result_field *field, const void *base,
                         char text[static RESULT_TEXT_BYTES])
{
    const void *value = (const char *)base + field->offset;

    switch (field->kind) {
    case FIELD_TEXT: snprintf(text, RESULT_TEXT_BYTES, "%s", (const char *)value); break;
    case FIELD_BOOLEAN:
        snprintf(text, RESULT_TEXT_BYTES, "%s", *(const bool *)value ? "yes" : "no");
        break;
    case FIELD_UNSIGNED: snprintf(text, RESULT_TEXT_BYTES, "%u", *(const unsigned *)value); break;
    case FIELD_REAL: snprintf(text, RESULT_TEXT_BYTES, "%.10g", *(const double *)value); break;
    case FIELD_SECONDS:
        snprintf(text, RESULT_TEXT_BYTES, "%.10g", (double)*(const uint64_t *)value / 1e9);
        break;
    case FIELD_MICROSECONDS:
        snprintf(text, RESULT_TEXT_BYTES, "%.10g", (double)*(const uint64_t *)value / 1e3);
        break;
    case FIELD_COUNT:
    case FIELD_SEED:
        snprintf(text, RESULT_TEXT_BYTES, "%llu", (unsigned long long)*(const uint64_t *)value);
        break;
    }
}
