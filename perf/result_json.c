/* A result written as JSON: one line for each member of the whole, so that people can read the file
 * and tools can cut it.
 *
 * Values that follow from others (rates, percentiles) are written for those who read the file with
 * other programs; result_read.c takes them from the source.
 */
#include "perf/result_fields.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A double holds 15 decimal digits: no tail of noise, and an hour to the nanosecond. */
#define DUMP_FLAGS (JSON_ENCODE_ANY | JSON_REAL_PRECISION(15))

/* Steals `value`, which may be NULL. */
static int put(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) == 0 ? 0 : -ENOMEM;
}

static int put_real(json_t *object, const char *key, double value)
{
    return isfinite(value) ? put(object, key, json_real(value)) : -EINVAL;
}

static int put_count(json_t *object, const char *key, uint64_t value)
{
    return put(object, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

/* Bytes of the UTF-8 character at `text`, as its first byte tells. */
static size_t character_bytes(const char *text)
{
    unsigned char first = (unsigned char)*text;
    size_t bytes = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    return strnlen(text, bytes);
}

/* A string of any bytes; those that are no UTF-8 become '?'. */
static json_t *text_value(const char *text)
{
    char clean[RESULT_TEXT_BYTES];
    size_t length = 0;

    while (*text != '\0') {
        size_t bytes = character_bytes(text);
        if (length + bytes >= sizeof(clean))
            break;
        json_t *valid = json_stringn(text, bytes);
        if (valid) {
            memcpy(clean + length, text, bytes);
        } else {
            bytes = 1;
            clean[length] = '?';
        }
        json_decref(valid);
        length += bytes;
        text += bytes;
    }
    return json_stringn(clean, length);
}

static int put_field(json_t *object, const struct result_field *field, const void *base)
{
    const void *value = (const char *)base + field->offset;
    char digits[32];

    switch (field->kind) {
    case FIELD_TEXT: return put(object, field->key, text_value(value));
    case FIELD_BOOLEAN: return put(object, field->key, json_boolean(*(const bool *)value));
    case FIELD_UNSIGNED: return put_count(object, field->key, *(const unsigned *)value);
    case FIELD_COUNT: return put_count(object, field->key, *(const uint64_t *)value);
    case FIELD_REAL: return put_real(object, field->key, *(const double *)value);
    case FIELD_SECONDS: return put_real(object, field->key, (double)*(const uint64_t *)value / 1e9);
    case FIELD_MICROSECONDS:
        return put_real(object, field->key, (double)*(const uint64_t *)value / 1e3);
    case FIELD_SEED:
        snprintf(digits, sizeof(digits), "%llu", (unsigned long long)*(const uint64_t *)value);
        return put(object, field->key, json_string(digits));
    }
    return -EINVAL;
}

static int put_fields(json_t *object, const struct result_field_table *table, const void *base)
{
    int error = object ? 0 : -ENOMEM;
    for (size_t i = 0; i < table->count && error == 0; i++)
        error = put_field(object, &table->fields[i], base);
    return error;
}

static json_t *percentiles_value(const struct histogram *histogram)
{
    static const struct {
        const char *key;
        double percentile;
    } percentiles[] = {
        {"50", 50}, {"90", 90}, {"95", 95}, {"99", 99}, {"99.9", 99.9}, {"99.99", 99.99},
    };
    json_t *object = json_object();

    for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
        uint64_t ns = histogram_percentile(histogram, percentiles[i].percentile);
        if (put_real(object, percentiles[i].key, (double)ns / 1000) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

/* The buckets that are not empty: [highest nanoseconds, count]. */
static json_t *buckets_value(const struct histogram *histogram)
{
    json_t *array = json_array();

    for (size_t i = 0; i < HISTOGRAM_COUNTS; i++) {
        if (histogram->counts[i] == 0)
            continue;
        json_t *bucket =
            json_pack("[I, I]", (json_int_t)histogram_highest(i), (json_int_t)histogram->counts[i]);
        if (json_array_append_new(array, bucket) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static int put_histogram(json_t *object, const struct histogram *histogram)
{
    uint64_t lowest = histogram->count > 0 ? histogram->min_ns : 0;
    int error;

    if ((error = put_count(object, "count", histogram->count)) ||
        (error = put_count(object, "saturated", histogram->saturated)) ||
        (error = put_real(object, "min", (double)lowest / 1000)) ||
        (error = put_real(object, "mean", histogram_mean(histogram) / 1000)) ||
        (error = put_real(object, "max", (double)histogram->max_ns / 1000)) ||
        (error = put_real(object, "stddev", histogram_deviation(histogram) / 1000)) ||
        (error = put(object, "percentiles", percentiles_value(histogram))) ||
        (error = put(object, "histogram", buckets_value(histogram))))
        return error;
    return 0;
}

/* Each of these adds one member to the whole. */
static int put_table(json_t *root, const char *key, const struct result_field_table *table,
                     const void *base)
{
    json_t *object = json_object();
    int error = put_fields(object, table, base);
    if (error != 0) {
        json_decref(object);
        return error;
    }
    return put(root, key, object);
}

static int put_reasons(json_t *root, const struct result *result)
{
    json_t *array = json_array();
    for (size_t i = 0; i < result->reason_count; i++) {
        if (json_array_append_new(array, text_value(result->reasons[i])) != 0) {
            json_decref(array);
            return -ENOMEM;
        }
    }
    return put(root, "invalid_reasons", array);
}

static int put_throughput(json_t *root, const struct result *result)
{
    json_t *object = json_object();
    int error;

    if ((error = put_real(object, "bytes_per_second", result_bytes_per_second(result))) ||
        (error = put_real(object, "per_second", result_per_second(result))) ||
        (error = put_fields(object, &result_throughput_fields, result))) {
        json_decref(object);
        return error;
    }
    return put(root, "throughput", object);
}

static int put_histograms(json_t *root, const struct result *result)
{
    for (size_t i = 0; i < RESULT_HISTOGRAMS; i++) {
        json_t *object = json_object();
        int error = put_histogram(object, result_histogram(result, i));
        if (error != 0) {
            json_decref(object);
            return error;
        }
        error = put(root, result_histograms[i].key, object);
        if (error != 0)
            return error;
    }
    return 0;
}

static int put_intervals(json_t *root, const struct result *result)
{
    json_t *array = json_array();
    for (size_t i = 0; i < result->interval_count; i++) {
        json_t *object = json_object();
        int error = put_fields(object, &result_interval_fields, &result->intervals[i]);
        if (error != 0)
            json_decref(object);
        else if (json_array_append_new(array, object) != 0)
            error = -ENOMEM;
        if (error != 0) {
            json_decref(array);
            return error;
        }
    }
    return put(root, "intervals", array);
}

static int put_result(json_t *root, const struct result *result)
{
    int error;

    if ((error = put(root, "schema", json_string(RESULT_SCHEMA))) ||
        (error = put(root, "label", text_value(result->label))) ||
        (error = put(root, "valid", json_boolean(result->valid))) ||
        (error = put_reasons(root, result)) ||
        (error = put_table(root, "options", &result_option_fields, &result->options)) ||
        (error =
             put_table(root, "environment", &result_environment_fields, &result->environment)) ||
        (error = put_throughput(root, result)) || (error = put_histograms(root, result)) ||
        (error = put_table(root, "cpu", &result_cpu_fields, result)) ||
        (error = put_table(root, "errors", &result_error_fields, &result->errors)) ||
        (error = put_intervals(root, result)))
        return error;
    return 0;
}

/* The members of the whole, a line each. */
static int dump(json_t *root, FILE *stream)
{
    const char *between = "{\n";
    const char *key;
    json_t *value;

    json_object_foreach(root, key, value)
    {
        fprintf(stream, "%s\"%s\": ", between, key);
        if (json_dumpf(value, stream, DUMP_FLAGS) != 0)
            return -ENOMEM;
        between = ",\n";
    }
    fputs("\n}\n", stream);
    return fflush(stream) == 0 && !ferror(stream) ? 0 : -ENOMEM;
}

int result_write_json(const struct result *result, const char *path)
{
    char *text = NULL;
    size_t bytes = 0;
    json_t *root = json_object();
    FILE *stream = open_memstream(&text, &bytes);
    int error = root && stream ? put_result(root, result) : -ENOMEM;

    if (error == 0)
        error = dump(root, stream);
    if (stream && fclose(stream) != 0 && error == 0)
        error = -ENOMEM;
    if (error == 0)
        error = result_write_file(path, text, bytes);
    free(text);
    json_decref(root);
    return error;
}
