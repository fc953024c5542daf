/* The value of one run: its life, the figures that follow from it, and the words for them. */
#include "perf/result.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct result *result_new(void)
{
    struct result *result = calloc(1, sizeof(*result));
    if (!result)
        return NULL;
    result->valid = true;
    histogram_init(&result->latency);
    histogram_init(&result->connect);
    histogram_init(&result->first_byte);
    histogram_init(&result->schedule);
    return result;
}

void result_free(struct result *result)
{
    if (!result)
        return;
    free(result->intervals);
    free(result);
}

void result_invalidate(struct result *result, const char *format, ...)
{
    result->valid = false;
    if (result->reason_count == RESULT_REASONS_MAX)
        return;

    va_list arguments;
    va_start(arguments, format);
    vsnprintf(result->reasons[result->reason_count++], RESULT_TEXT_BYTES, format, arguments);
    va_end(arguments);
}

uint64_t result_errors_total(const struct result_errors *errors)
{
    return errors->connect + errors->reset + errors->closed + errors->verify + errors->timeout;
}

double result_per_second(const struct result *result)
{
    return result->seconds > 0 ? (double)result->completed / result->seconds : 0;
}

double result_bytes_per_second(const struct result *result)
{
    double bytes = (double)result->bytes_up + (double)result->bytes_down;
    return result->seconds > 0 ? bytes / result->seconds : 0;
}

static bool is_stream(const struct result *result)
{
    return strcmp(result->options.mode, "stream") == 0;
}

double result_cpu_per_work(const struct result *result)
{
    double work = is_stream(result) ? ((double)result->bytes_up + (double)result->bytes_down) / 1e9
                                    : (double)result->completed;
    return work > 0 ? (result->cpu_user_s + result->cpu_system_s) / work : 0;
}

static bool counts_connections(const struct result *result)
{
    return strcmp(result->options.mode, "churn") == 0 || strcmp(result->options.mode, "idle") == 0;
}

const char *result_work(const struct result *result)
{
    if (is_stream(result))
        return "GB";
    return counts_connections(result) ? "connection" : "request";
}

const char *result_completed(const struct result *result)
{
    if (is_stream(result))
        return "writes";
    return counts_connections(result) ? "connections" : "requests";
}

void result_title(const struct result *result, char title[static 2 * RESULT_TEXT_BYTES])
{
    if (result->label[0] != '\0')
        snprintf(title, 2 * RESULT_TEXT_BYTES, "%s", result->label);
    else
        snprintf(title, 2 * RESULT_TEXT_BYTES, "%s %s", result->options.mode,
                 result->options.endpoint);
}
