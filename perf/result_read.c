/* A result read back from JSON. Nothing of the file is believed: every member is there, of its type
 * and in its range, and the histograms add up; else the words say which is not.
 */
#include "perf/result_fields.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHERE_BYTES 96

/* The JSON object being read, and what it is called in messages. */
struct place {
    const json_t *object;
    char *error; /* RESULT_TEXT_BYTES */
    char where[WHERE_BYTES];
};

__attribute__((format(printf, 2, 3))) static int wrong(char *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, RESULT_TEXT_BYTES, format, arguments);
    va_end(arguments);
    return -EPROTO;
}

static const char *type_words(json_type type)
{
    switch (type) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "a whole number";
    case JSON_REAL: return "a number";
    default: return "true or false";
    }
}

static bool is_of(const json_t *value, json_type type)
{
    if (type == JSON_REAL)
        return json_is_number(value);
    if (type == JSON_TRUE)
        return json_is_boolean(value);
    return json_typeof(value) == type;
}

/* A member of a type; JSON_REAL takes any number, JSON_TRUE both booleans. */
static int member(const struct place *place, const char *key, json_type type, const json_t **ret)
{
    const json_t *value = json_object_get(place->object, key);
    if (!value)
        return wrong(place->error, "%s%s is missing", place->where, key);
    if (!is_of(value, type))
        return wrong(place->error, "%s%s is not %s", place->where, key, type_words(type));
    *ret = value;
    return 0;
}

/* The object that a member of the whole is. */
static int enter(const struct place *root, const char *key, struct place *ret)
{
    ret->error = root->error;
    snprintf(ret->where, sizeof(ret->where), "%s.", key);
    return member(root, key, JSON_OBJECT, &ret->object);
}

static int read_text(const struct place *place, const char *key, char *text, size_t bytes)
{
    const json_t *value = NULL;
    int error = member(place, key, JSON_STRING, &value);
    if (error != 0)
        return error;
    if (json_string_length(value) >= bytes)
        return wrong(place->error, "%s%s is longer than %zu bytes", place->where, key, bytes - 1);
    strcpy(text, json_string_value(value));
    return 0;
}

static int read_count(const struct place *place, const char *key, uint64_t max, uint64_t *ret)
{
    const json_t *value = NULL;
    int error = member(place, key, JSON_INTEGER, &value);
    if (error != 0)
        return error;
    json_int_t number = json_integer_value(value);
    if (number < 0 || (uint64_t)number > max)
        return wrong(place->error, "%s%s is not between 0 and %" PRIu64, place->where, key, max);
    *ret = (uint64_t)number;
    return 0;
}

static int read_real(const struct place *place, const char *key, double max, double *ret)
{
    const json_t *value = NULL;
    int error = member(place, key, JSON_REAL, &value);
    if (error != 0)
        return error;
    double number = json_number_value(value);
    if (!(number >= 0 && number <= max))
        return wrong(place->error, "%s%s is not between 0 and %g", place->where, key, max);
    *ret = number;
    return 0;
}

/* A time in nanoseconds from one in units of `unit_ns`. */
static int read_time(const struct place *place, const char *key, double unit_ns, uint64_t *ret)
{
    double value = 0;
    int error = read_real(place, key, 1e18 / unit_ns, &value);
    if (error == 0)
        *ret = (uint64_t)llround(value * unit_ns);
    return error;
}

static int read_seed(const struct place *place, const char *key, uint64_t *ret)
{
    char digits[32], *end;
    int error = read_text(place, key, digits, sizeof(digits));
    if (error != 0)
        return error;
    errno = 0;
    unsigned long long seed = strtoull(digits, &end, 10);
    if (digits[0] < '0' || digits[0] > '9' || *end != '\0' || errno != 0)
        return wrong(place->error, "%s%s is not a number of 64 bits", place->where, key);
    *ret = seed;
    return 0;
}

static int read_field(const struct place *place, const struct result_field *field, void *base)
{
    void *into = (char *)base + field->offset;
    const json_t *value = NULL;
    uint64_t number = 0;
    int error;

    switch (field->kind) {
    case FIELD_TEXT: return read_text(place, field->key, into, field->bytes);
    case FIELD_BOOLEAN:
        error = member(place, field->key, JSON_TRUE, &value);
        if (error == 0)
            *(bool *)into = json_is_true(value);
        return error;
    case FIELD_UNSIGNED:
        error = read_count(place, field->key, UINT32_MAX, &number);
        if (error == 0)
            *(unsigned *)into = (unsigned)number;
        return error;
    case FIELD_COUNT: return read_count(place, field->key, INT64_MAX, into);
    case FIELD_REAL: return read_real(place, field->key, 1e18, into);
    case FIELD_SECONDS: return read_time(place, field->key, 1e9, into);
    case FIELD_MICROSECONDS: return read_time(place, field->key, 1e3, into);
    case FIELD_SEED: return read_seed(place, field->key, into);
    }
    return -EINVAL;
}

static int read_fields(const struct place *place, const struct result_field_table *table,
                       void *base)
{
    int error = 0;
    for (size_t i = 0; i < table->count && error == 0; i++)
        error = read_field(place, &table->fields[i], base);
    return error;
}

static int read_table(const struct place *root, const char *key,
                      const struct result_field_table *table, void *base)
{
    struct place place;
    int error = enter(root, key, &place);
    return error != 0 ? error : read_fields(&place, table, base);
}

/* One [highest, count]: upwards, and each the highest value of a bucket. */
static int read_bucket(const struct place *place, const json_t *bucket, size_t number,
                       struct histogram *histogram, size_t *index_after)
{
    json_int_t highest, count;
    if (json_array_size(bucket) != 2 || !json_is_integer(json_array_get(bucket, 0)) ||
        !json_is_integer(json_array_get(bucket, 1)))
        return wrong(place->error, "%shistogram[%zu] is not [nanoseconds, count]", place->where,
                     number);
    highest = json_integer_value(json_array_get(bucket, 0));
    count = json_integer_value(json_array_get(bucket, 1));
    if (highest < 0 || (uint64_t)highest > histogram_highest(histogram_index(HISTOGRAM_NS_MAX)) ||
        count < 1 || (uint64_t)count > (uint64_t)INT64_MAX - histogram->count)
        return wrong(place->error, "%shistogram[%zu] is out of range", place->where, number);

    size_t index = histogram_index((uint64_t)highest);
    if (histogram_highest(index) != (uint64_t)highest)
        return wrong(place->error, "%shistogram[%zu] does not end where a bucket ends",
                     place->where, number);
    if (index < *index_after)
        return wrong(place->error, "%shistogram[%zu] is out of order", place->where, number);
    histogram->counts[index] = (uint64_t)count;
    histogram->count += (uint64_t)count;
    *index_after = index + 1;
    return 0;
}

/* What stands beside the buckets must agree with them. */
static int check_histogram(const struct place *place, const struct histogram *histogram,
                           uint64_t count, size_t first, size_t last)
{
    if (histogram->count != count)
        return wrong(place->error, "%shistogram holds %" PRIu64 " values, but count is %" PRIu64,
                     place->where, histogram->count, count);
    if (histogram->saturated > count)
        return wrong(place->error, "%ssaturated is larger than count", place->where);
    if (count > 0 && histogram_index(histogram->min_ns) != first)
        return wrong(place->error, "%smin is not in the first bucket", place->where);
    if (count > 0 && histogram_index(histogram->max_ns) != last)
        return wrong(place->error, "%smax is not in the last bucket", place->where);
    return 0;
}

static int read_histogram(const struct place *root, const char *key, struct histogram *histogram)
{
    struct place place;
    const json_t *buckets = NULL, *bucket;
    uint64_t count = 0, lowest = 0, highest = 0;
    double mean = 0;
    size_t i, index_after = 0, first = 0;
    int error;

    if ((error = enter(root, key, &place)) ||
        (error = read_count(&place, "count", INT64_MAX, &count)) ||
        (error = read_count(&place, "saturated", INT64_MAX, &histogram->saturated)) ||
        (error = read_time(&place, "min", 1e3, &lowest)) ||
        (error = read_time(&place, "max", 1e3, &highest)) ||
        (error = read_real(&place, "mean", 1e15, &mean)) ||
        (error = member(&place, "histogram", JSON_ARRAY, &buckets)))
        return error;

    json_array_foreach(buckets, i, bucket)
    {
        error = read_bucket(&place, bucket, i, histogram, &index_after);
        if (error != 0)
            return error;
        if (i == 0)
            first = index_after - 1;
    }
    if (count > 0) {
        histogram->min_ns = lowest;
        histogram->max_ns = highest;
        histogram->sum_ns = mean * 1000 * (double)count;
    }
    return check_histogram(&place, histogram, count, first, index_after - 1);
}

static int read_validity(const struct place *root, struct result *result)
{
    const json_t *valid = NULL, *reasons = NULL, *reason;
    size_t i;
    int error;

    if ((error = member(root, "valid", JSON_TRUE, &valid)) ||
        (error = member(root, "invalid_reasons", JSON_ARRAY, &reasons)))
        return error;
    result->valid = json_is_true(valid);
    if (result->valid && json_array_size(reasons) > 0)
        return wrong(root->error, "valid is true, but there are invalid_reasons");
    json_array_foreach(reasons, i, reason)
    {
        if (!json_is_string(reason))
            return wrong(root->error, "invalid_reasons[%zu] is not a string", i);
        result_invalidate(result, "%s", json_string_value(reason));
    }
    return 0;
}

static int read_intervals(const struct place *root, struct result *result)
{
    const json_t *array = NULL;
    int error = member(root, "intervals", JSON_ARRAY, &array);
    size_t count = error == 0 ? json_array_size(array) : 0;
    if (count == 0)
        return error;

    result->intervals = calloc(count, sizeof(*result->intervals));
    if (!result->intervals)
        return -ENOMEM;
    for (; result->interval_count < count; result->interval_count++) {
        size_t i = result->interval_count;
        struct place place = {.object = json_array_get(array, i), .error = root->error};
        snprintf(place.where, sizeof(place.where), "intervals[%zu].", i);
        if (!json_is_object(place.object))
            return wrong(root->error, "intervals[%zu] is not an object", i);
        error = read_fields(&place, &result_interval_fields, &result->intervals[i]);
        if (error != 0)
            return error;
    }
    return 0;
}

static int read_root(const json_t *json, struct result *result, char *error_text)
{
    struct place root = {.object = json, .error = error_text};
    char schema[64] = "";
    int error;

    if (!json_is_object(json))
        return wrong(error_text, "not a JSON object");
    error = read_text(&root, "schema", schema, sizeof(schema));
    if (error != 0)
        return error;
    if (strcmp(schema, RESULT_SCHEMA) != 0)
        return wrong(error_text, "schema is \"%s\", and this program reads \"%s\"", schema,
                     RESULT_SCHEMA);

    if ((error = read_text(&root, "label", result->label, sizeof(result->label))) ||
        (error = read_validity(&root, result)) ||
        (error = read_table(&root, "options", &result_option_fields, &result->options)) ||
        (error =
             read_table(&root, "environment", &result_environment_fields, &result->environment)) ||
        (error = read_table(&root, "throughput", &result_throughput_fields, result)) ||
        (error = read_histogram(&root, "latency", &result->latency)) ||
        (error = read_histogram(&root, "connect_latency", &result->connect)) ||
        (error = read_histogram(&root, "first_byte_latency", &result->first_byte)) ||
        (error = read_histogram(&root, "schedule_error", &result->schedule)) ||
        (error = read_table(&root, "cpu", &result_cpu_fields, result)) ||
        (error = read_table(&root, "errors", &result_error_fields, &result->errors)) ||
        (error = read_intervals(&root, result)))
        return error;
    return 0;
}

/* The file's JSON. */
static int load(const char *path, json_t **ret, char *error_text)
{
    json_error_t json_error;
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || S_ISDIR(status.st_mode)) {
        int error = fd < 0 || !S_ISDIR(status.st_mode) ? errno : EISDIR;
        snprintf(error_text, RESULT_TEXT_BYTES, "%s", strerror(error));
        if (fd >= 0)
            close(fd);
        return -error;
    }
    *ret = json_loadfd(fd, JSON_REJECT_DUPLICATES, &json_error);
    close(fd);
    if (*ret)
        return 0;
    return wrong(error_text, "not JSON: line %d: %s", json_error.line, json_error.text);
}

int result_read_json(const char *path, struct result **ret, char *error)
{
    json_t *json;
    int failed = load(path, &json, error);
    if (failed != 0)
        return failed;

    struct result *result = result_new();
    failed = result ? read_root(json, result, error) : -ENOMEM;
    json_decref(json);
    if (failed != 0) {
        if (failed == -ENOMEM)
            snprintf(error, RESULT_TEXT_BYTES, "%s", strerror(ENOMEM));
        result_free(result);
        return failed;
    }
    *ret = result;
    return 0;
}
